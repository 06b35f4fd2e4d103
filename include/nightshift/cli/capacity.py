"""``nightshift capacity``: plan, show, apply; the same code as the weekend's Dags."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.capacity_restore import hold, restore
from nightshift.cli.capacity_sessions import PolicyOption, capacity_session, run_name
from nightshift.cli.capacity_status import explain, report, status
from nightshift.cli.demo_weekend import demo
from nightshift.cli.shell import Shell

if TYPE_CHECKING:
    from nightshift.domain.capacity.plans import CapacityPlan
    from nightshift.weekend.applying import Applied
    from nightshift.weekend.journals import StoreJournal
    from nightshift.weekend.sessions import Session

capacity_app = typer.Typer(
    help="Lower services and nodes for a window, and bring them back.", no_args_is_help=True
)


class Format(StrEnum):
    """How a plan is written."""

    TABLE = "table"
    JSON = "json"


def plan(
    context: typer.Context,
    policy: PolicyOption = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="A diff for people, or the plan as JSON.")
    ] = Format.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the plan in this file, for apply --plan.")
    ] = None,
) -> None:
    """Plan what would rest in the window that is open or comes next; changes nothing.

    Says of everything that the policy names what would become of it, and why.
    """
    shell: Shell = context.obj
    with capacity_session(shell, policy) as session:
        made = _plan(session)
        if out is not None:
            out.write_text(_as_json(made), "utf-8")
        if output is Format.JSON:
            shell.print_text(_as_json(made))
        else:
            print_diff(shell, made)
            _print_approval(shell, session, made)


def diff(context: typer.Context, policy: PolicyOption = None) -> None:
    """Show how the cluster would differ in the window that is open or comes next.

    One line a target: + lowered, = left as it is, with the reason. Changes nothing.
    """
    shell: Shell = context.obj
    with capacity_session(shell, policy) as session:
        print_diff(shell, _plan(session))


def apply(
    context: typer.Context,
    policy: PolicyOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--plan", help="Apply exactly this plan, kept with plan --out."),
    ] = None,
    approve: Annotated[
        str,
        typer.Option(
            "--approve",
            help="The plan's hash, or its first 12 digits: you approve what it shows.",
        ),
    ] = "",
    run: Annotated[
        str, typer.Option("--run", help="Take a run up again that was interrupted, by its name.")
    ] = "",
) -> None:
    """Lower what the plan says, while the window is open; undo it in reverse if a step fails.

    Asks for --approve where the policy wants a person to approve the plan.
    """
    shell: Shell = context.obj
    with capacity_session(shell, policy) as session:
        name = run or run_name(shell, "down")
        applied = _apply(shell, session, name, file, approve)
    print_steps(shell, applied)
    raise typer.Exit(1 if applied.failed else 0)


def _plan(session: "Session") -> "CapacityPlan":
    from nightshift.weekend.operations import plan_now

    return plan_now(session)


def _apply(
    shell: Shell, session: "Session", run: str, file: Path | None, approve: str
) -> "Applied":
    from nightshift.store.capacity_records import RunKind
    from nightshift.weekend.operations import lower, publish
    from nightshift.weekend.telling import Links, tell_blocked, tell_failed, tell_plan

    journal = session.journal(session.record(run, RunKind.DOWN))
    if file is not None:
        _publish_file(journal, file)
    published = publish(session, journal)
    print_diff(shell, published.plan)
    shell.say(f"run {run}")
    if approve:
        _approve(session, journal, published.plan, approve)
    tell_plan(session, journal, published, Links(), asks=not approve)
    applied = lower(session, journal)
    tell_blocked(session, journal, published.plan, applied.steps, Links())
    if applied.failed:
        tell_failed(session, journal, "nightshift capacity apply", applied.failed)
    for line in session.notices(journal.run).not_told():
        shell.say(line)
    return applied


def _publish_file(journal: "StoreJournal", file: Path) -> None:
    """Take a plan from a file as this run's own; its hash is worked out anew."""
    from nightshift.config.documents import MEGABYTE, parse_json, read_text
    from nightshift.domain.capacity.plan_documents import dump_plan, parse_plan
    from nightshift.errors import ConfigError
    from nightshift.store.capacity_runs import save_plan
    from nightshift.store.engines import transaction

    raw = parse_json(read_text(file, max_bytes=20 * MEGABYTE), str(file))
    try:
        made = parse_plan(raw)
    except ValueError as error:
        raise ConfigError(str(file), f"is not a plan: {error}") from error
    with transaction(journal.engine) as connection:
        save_plan(connection, journal.run, made.hash, dump_plan(made))


def _approve(
    session: "Session", journal: "StoreJournal", made: "CapacityPlan", approve: str
) -> None:
    """Note that the user approves exactly this plan."""
    from nightshift.errors import ConfigError
    from nightshift.weekend.operations import Approval, note_approval

    if len(approve) < 12 or not made.hash.startswith(approve.lower()):
        raise ConfigError(
            "--approve", f"is not this plan's hash, {made.hash[:12]}: look at the plan again"
        )
    user = session.tools.actor.partition("@")[0]
    at = session.tools.clock().isoformat()
    note_approval(journal, Approval(True, made.hash, user, at))


def print_diff(shell: Shell, made: "CapacityPlan") -> None:
    """Write a plan's diff."""
    from nightshift.domain.capacity.diffs import diff_lines, diff_plan

    for line in diff_lines(diff_plan(made)):
        shell.print_text(line)


def _print_approval(shell: Shell, session: "Session", made: "CapacityPlan") -> None:
    from nightshift.domain.capacity.plans import why_approve

    needed = why_approve(session.the_policy().approval, made.risk)
    if needed and made.actions:
        shell.print_text(f"A person must approve it: {'; '.join(needed)}.")
        shell.print_text(f"To approve: nightshift capacity apply --approve {made.hash[:12]}")


def print_steps(shell: Shell, applied: "Applied") -> None:
    """Write what became of a plan's steps."""
    rows = [(step.ref, str(step.state), step.reason) for step in applied.steps]
    if rows:
        shell.print_text("")
        shell.print_table(("target", "state", "why"), rows)
    if applied.skip_nodes:
        shell.say(f"no node was put to rest: {applied.skip_nodes}")
    if applied.failed:
        shell.say(f"failed, and what was done has been undone: {applied.failed}")


def _as_json(made: "CapacityPlan") -> str:
    from nightshift.domain.capacity.plan_documents import dump_plan

    return json.dumps(dump_plan(made), indent=2)


capacity_app.command()(plan)
capacity_app.command()(diff)
capacity_app.command()(apply)
capacity_app.command()(restore)
capacity_app.command()(hold)
capacity_app.command()(status)
capacity_app.command()(explain)
capacity_app.command()(report)
capacity_app.command()(demo)
