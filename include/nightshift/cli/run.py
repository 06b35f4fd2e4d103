"""``nightshift run``: a batch file as Kubernetes Jobs, without Airflow."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nightshift.cli.batches import FileOption, read_batch
from nightshift.cli.check import template_path
from nightshift.cli.rank import StrategyOption, choose_strategy
from nightshift.cli.shell import Shell
from nightshift.config.job_templates import read_job_template


class OnInterrupt(StrEnum):
    """What Ctrl-C does to Jobs that have not ended."""

    LEAVE = "leave"
    DELETE = "delete"


def run(
    context: typer.Context,
    file: FileOption,
    strategy: StrategyOption = None,
    template: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The Job to fill in. Default: job-template.yaml of the configuration folder.",
        ),
    ] = None,
    namespace: Annotated[
        str, typer.Option(help="Where the Jobs run. Default: the setting NIGHTSHIFT_NAMESPACE.")
    ] = "",
    timeout: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="How long to follow the Jobs.")
    ] = 14_400,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep Jobs that succeeded; failed ones always stay.")
    ] = False,
    on_interrupt: Annotated[
        OnInterrupt, typer.Option(help="What Ctrl-C does to the Jobs of this run.")
    ] = OnInterrupt.LEAVE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be created, and create nothing.")
    ] = False,
) -> None:
    """Run a batch file as Kubernetes Jobs.

    Needs no Airflow and no database. Each job clones its repository in an init container and scans
    it in the main one; its node affinity comes from the ranking that `nightshift rank` shows.
    Results are printed, not stored.

    Running the same file again is safe: Jobs that are there are followed instead of made again,
    those that failed are replaced. The exit code is 0 only if every scan of every job succeeded.
    """
    from nightshift.cli import job_runs  # late: `--help` needs no Kubernetes client

    shell: Shell = context.obj
    settings = shell.settings(namespace=namespace)
    batch = read_batch(shell, settings, file)
    manifest = read_job_template(template or template_path(settings))
    chosen = choose_strategy(strategy, settings)
    prepared = job_runs.prepare(batch, settings, manifest, chosen)
    if dry_run:
        shell.print_text(prepared.as_yaml())
        return
    options = job_runs.RunOptions(timeout, keep, on_interrupt is OnInterrupt.DELETE)
    raise typer.Exit(job_runs.carry_out(shell, settings, prepared, options))
