"""``python -m tests.kube.crosscheck``: the scheduler model against the real kube-scheduler."""

import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer

from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.commands import interruptible
from tests.kube.crosscheck.checking import cross_check
from tests.kube.crosscheck.pages import render_page
from tests.kube.crosscheck.players import running_api
from tests.kube.crosscheck.records import RECORD, Entry, Record, read_record, write_record
from tests.kube.crosscheck.runs import ALL, TESTED_PODS, Mode, Run
from tests.kube.errors import HarnessError

PAGE = CHECKOUT / "docs" / "scheduler-crosscheck.md"

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_FAULTS_SHOWN = 5


@app.command()
def run(
    mode: Annotated[
        list[Mode] | None, typer.Option(help="Only this mode; may be repeated.")
    ] = None,
    nodes: Annotated[
        list[int] | None, typer.Option(help="Only this size; may be repeated.")
    ] = None,
    page_only: Annotated[
        bool, typer.Option("--page-only", help="Write the page anew from the record.")
    ] = False,
) -> None:
    """Play batches on the real kube-scheduler and hold the scheduler model against it.

    Without options every comparison is made (several minutes), and the record and
    docs/scheduler-crosscheck.md are written. Exits 1 if anything is unexplained.
    """
    runs = [it for it in ALL if (not mode or it[1] in mode) and (not nodes or it[0].nodes in nodes)]
    if not page_only:
        record = _compare(runs)
        if len(runs) == len(ALL):
            write_record(record)
            typer.echo(f"wrote {RECORD.relative_to(CHECKOUT)}")
        if any(entry.agreement.faults for entry in record.entries):
            raise typer.Exit(1)
    if page_only or len(runs) == len(ALL):
        PAGE.write_text(render_page(read_record(), TESTED_PODS))
        typer.echo(f"wrote {PAGE.relative_to(CHECKOUT)}")


def _compare(runs: Sequence[Run]) -> Record:
    with interruptible(), running_api(typer.echo) as cluster:
        return Record(cluster.binaries.version, tuple(_compare_one(cluster, it) for it in runs))


def _compare_one(cluster: Cluster, wanted: Run) -> Entry:
    case, mode = wanted
    began = time.monotonic()
    entry = cross_check(cluster, case, mode)
    found = entry.agreement
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(found.verdicts.items()))
    typer.echo(f"{case.name}, {mode}: {said} ({time.monotonic() - began:.0f} s)")
    for fault in found.faults[:_FAULTS_SHOWN]:
        typer.echo(f"  {fault}")
    return entry


def main() -> int:
    """Run it; 0 is success, 1 a difference or a failure, which are printed."""
    try:
        app(prog_name="python -m tests.kube.crosscheck")
    except HarnessError as error:
        typer.echo(f"tests.kube.crosscheck: {error}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
