"""``nightshift capacity status``, ``explain`` and ``report``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.capacity_restore import TargetArgument, find_target, parse_target_ref
from nightshift.cli.capacity_sessions import PolicyOption, capacity_session
from nightshift.cli.shell import Shell

if TYPE_CHECKING:
    from nightshift.domain.capacity.targets import LiveTarget
    from nightshift.domain.leases.records import Lease
    from nightshift.weekend.sessions import Session


def status(context: typer.Context, policy: PolicyOption = None) -> None:
    """Say what is due, what is lowered now, and how the last runs ended."""
    from nightshift.store.capacity_events import find_broken_event
    from nightshift.store.capacity_leases import list_open_leases
    from nightshift.store.capacity_runs import list_runs
    from nightshift.store.engines import transaction
    from nightshift.weekend.operations import ask_due

    shell: Shell = context.obj
    with capacity_session(shell, policy) as session:
        shell.print_text(ask_due(session).reason)
        with transaction(session.the_engine()) as connection:
            leases = list_open_leases(connection, session.the_policy().name)
            runs = list_runs(connection, session.the_policy().name, 5)
            broken = find_broken_event(connection)
        _print_leases(shell, leases)
        rows = [
            (f"{r.started_at:%Y-%m-%d %H:%MZ}", str(r.record.kind), str(r.state), r.record.run)
            for r in runs
        ]
        if rows:
            shell.print_text("")
            shell.print_table(("began", "kind", "state", "run"), rows)
        if broken is not None:
            shell.say(f"the log has been changed: event {broken} is not what was appended")
            raise typer.Exit(1)


def explain(context: typer.Context, target: TargetArgument, policy: PolicyOption = None) -> None:
    """Say of one target what it is, what we did to it, and what would become of it now."""
    from nightshift.domain.capacity.targets import describe_fields
    from nightshift.store.capacity_events import list_events
    from nightshift.store.engines import transaction

    shell: Shell = context.obj
    wanted = parse_target_ref(target)
    with capacity_session(shell, policy) as session:
        live = find_target(session, wanted)
        shell.print_text(f"{live.id.ref} has {describe_fields(live.fields)}")
        for line in _reasons(session, live):
            shell.print_text(line)
        with transaction(session.the_engine()) as connection:
            events = list_events(connection, ref=live.id.ref, limit=20)
        rows = [
            (f"{one['at']:%Y-%m-%d %H:%MZ}", one["event"], one["actor"], _told(one["detail"]))
            for one in reversed(events)
        ]
        if rows:
            shell.print_text("")
            shell.print_table(("when", "what", "who", "why"), rows)


def report(
    context: typer.Context,
    policy: PolicyOption = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the plot to this SVG file.")
    ] = None,
) -> None:
    """Show what each window saved, measured from the hours that nodes were there."""
    from nightshift.store.capacity_runs import list_reports
    from nightshift.store.engines import transaction
    from nightshift.weekend.reports import plot_reports, report_lines

    shell: Shell = context.obj
    with (
        capacity_session(shell, policy) as session,
        transaction(session.the_engine()) as connection,
    ):
        reports = list_reports(connection, session.the_policy().name)
    for line in report_lines(reports):
        shell.print_text(line)
    if plot is not None:
        plot.write_text(plot_reports(reports), "utf-8")


def _print_leases(shell: Shell, leases: "list[Lease]") -> None:
    from nightshift.domain.capacity.targets import describe_fields

    if not leases:
        shell.print_text("nothing is lowered")
        return
    rows = [
        (
            one.target.ref,
            str(one.state),
            describe_fields({name: one.before[name] for name in one.applied}),
            describe_fields(one.applied),
            f"{one.due:%a %Y-%m-%d %H:%MZ}",
        )
        for one in leases
    ]
    shell.print_table(("target", "state", "was", "is set to", "due back"), rows)


def _reasons(session: "Session", live: "LiveTarget") -> list[str]:
    """Say what the plan would do, and what a restore would."""
    from nightshift.domain.leases.merges import decide_restore
    from nightshift.store.capacity_leases import list_open_leases
    from nightshift.store.engines import transaction
    from nightshift.weekend.operations import plan_now

    with transaction(session.the_engine()) as connection:
        leases = [one for one in list_open_leases(connection) if one.target.is_same_name(live.id)]
    lines = []
    for lease in leases:
        decision = decide_restore(lease, live, session.tools.clock())
        lines.append(f"lowered under {lease.id} by {lease.by}; due back {lease.due:%a %H:%MZ}")
        lines.append(f"a restore would: {decision.act}: {decision.reason}")
    plan = plan_now(session)
    for action in plan.actions:
        if action.target.is_same_name(live.id):
            lines.append(f"the plan lowers it in the tier {action.tier}: {action.reason}")
    for skip in plan.skips:
        if skip.ref == live.id.ref:
            lines.append(f"the plan leaves it: {skip.check}: {skip.reason}")
    return lines or ["the policy does not name it"]


def _told(detail: dict[str, object]) -> str:
    return "; ".join(f"{key} {value}" for key, value in detail.items())[:200]
