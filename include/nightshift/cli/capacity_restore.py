"""``nightshift capacity restore`` and ``hold``."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.capacity_sessions import PolicyOption, capacity_session, run_name
from nightshift.cli.shell import Shell
from nightshift.errors import ConfigError

if TYPE_CHECKING:
    from nightshift.domain.capacity.targets import LiveTarget, TargetId
    from nightshift.weekend.journals import Journal
    from nightshift.weekend.restoring import Restored
    from nightshift.weekend.sessions import Session

TargetArgument = Annotated[
    str, typer.Argument(help="Kind/namespace/name, such as Deployment/app/web; Node/name.")
]


def restore(
    context: typer.Context,
    policy: PolicyOption = None,
    from_annotations: Annotated[
        bool,
        typer.Option(
            "--from-annotations",
            help="Go by what lies on the objects alone: needs only a kubeconfig, no database.",
        ),
    ] = False,
    now: Annotated[
        bool, typer.Option("--now", help="All of it, although the window is still open.")
    ] = False,
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=1440, help="How long to stay at most.")
    ] = 120,
) -> None:
    """Bring back everything that is due, however late; exit 1 if something is left or not well.

    Needs no plan, no approval, and not the run that lowered it. What people raised stays.
    """
    from nightshift.weekend.operations import raise_all, verify_up

    shell: Shell = context.obj
    with capacity_session(
        shell, policy, with_store=not from_annotations, needs_policy=False
    ) as session:
        journal = _journal(shell, session)
        due = (lambda _: True) if now else None
        patience = dt.timedelta(minutes=minutes)
        restored = raise_all(session, journal, due=due, patience=patience)
        print_outcomes(shell, restored)
        unwell = verify_up(session, journal) if session.policy and restored.outcomes else []
        for line in unwell:
            shell.say(line)
    raise typer.Exit(0 if restored.complete and not unwell else 1)


def hold(
    context: typer.Context,
    target: TargetArgument,
    until: Annotated[
        str,
        typer.Option("--until", help="Until when, as 2027-05-17T12:00+02:00. Default: for good."),
    ] = "",
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
) -> None:
    """Leave a target as it is: it is neither lowered nor brought back while it is held."""
    from nightshift.domain.leases.annotations import HOLD, HOLD_UNTIL, parse_instant

    shell: Shell = context.obj
    annotations: dict[str, str | None] = {HOLD: None, HOLD_UNTIL: None}
    if until and not release:
        try:
            annotations[HOLD_UNTIL] = parse_instant(until, "--until").isoformat()
        except ValueError as error:
            raise ConfigError("--until", str(error)) from error
    elif not release:
        annotations[HOLD] = "true"
    with capacity_session(shell, None, with_store=False, needs_policy=False) as session:
        live = find_target(session, parse_target_ref(target))
        _annotate(session, live, annotations)
    shell.print_text(f"{target} is {'released' if release else 'held ' + (until or 'for good')}")


def parse_target_ref(text: str) -> "TargetId":
    """Read ``Kind/namespace/name``.

    :raises ConfigError: with the kinds that there are.
    """
    from nightshift.domain.capacity.targets import ObjectKind, TargetId

    kind, *names = text.split("/")
    known = {str(one).lower(): one for one in ObjectKind}
    found = known.get(kind.lower())
    flat = {ObjectKind.NODE, ObjectKind.NODE_POOL, ObjectKind.AIRFLOW_POOL}
    if found is None or len(names) != (1 if found in flat else 2) or not all(names):
        raise ConfigError(
            text, f"write Kind/namespace/name with one of {', '.join(ObjectKind)}, or Node/name"
        )
    return TargetId(found, "", names[0]) if found in flat else TargetId(found, *names)


def find_target(session: "Session", target: "TargetId") -> "LiveTarget":
    """Read a target.

    :raises ConfigError: if it is not there.
    """
    from nightshift.weekend.targets import AllTargets

    targets = AllTargets(session.cluster, session.drivers, session.airflow)
    live = targets.read(target)
    if live is None:
        raise ConfigError(target.ref, "is not there")
    return live


def _journal(shell: Shell, session: "Session") -> "Journal":
    from nightshift.store.capacity_records import RunKind, RunRecord

    if session.engine is None:
        return session.annotations()
    policy = session.policy.name if session.policy else ""
    return session.journal(RunRecord(run_name(shell, "up"), RunKind.UP, policy))


def _annotate(session: "Session", live: "LiveTarget", annotations: dict[str, str | None]) -> None:
    from nightshift.domain.capacity.targets import Patch
    from nightshift.weekend.targets import AllTargets

    targets = AllTargets(session.cluster, session.drivers, session.airflow)
    targets.patch(live.id, Patch({}, annotations, live.resource_version, ""))


def print_outcomes(shell: Shell, restored: "Restored") -> None:
    """Write what became of every lease."""
    if not restored.outcomes and not restored.waiting:
        shell.print_text("nothing is due")
        return
    rows = [(one.lease.target.ref, str(one.given), one.reason) for one in restored.outcomes]
    shell.print_table(("target", "state", "why"), rows)
    for line in restored.waiting:
        shell.say(line)
