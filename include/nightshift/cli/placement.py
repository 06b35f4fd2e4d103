"""``nightshift placement``: where a batch's pods were meant to run, and where they ran."""

import json
from typing import Annotated

import typer

from nightshift.cli.rank import PlotOption
from nightshift.cli.shell import Shell
from nightshift.pictures.files import check_picture_path, write_picture


def placement(
    context: typer.Context,
    night: Annotated[
        str,
        typer.Argument(
            help="The batch's number, or the Dag run that opened it. Default: the last planned one."
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Write everything as JSON, for programs.")
    ] = False,
    plot: PlotOption = None,
) -> None:
    """Show where a batch's pods were meant to run, where they ran, and why.

    Reads the store (the replica, if there is one) and changes nothing.
    """
    from nightshift.cli import placement_report  # late: `--help` needs no store

    shell: Shell = context.obj
    if plot is not None:
        check_picture_path(plot)
    stored = placement_report.read_stored(shell.settings(), night)
    if as_json:
        shell.print_text(json.dumps(placement_report.build_document(stored), indent=2))
    else:
        placement_report.print_stored(shell, stored)
    if plot is not None:
        write_picture(plot, placement_report.draw_stored(stored))
        shell.say(f"{plot}: written")
