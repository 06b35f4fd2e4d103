"""``nightshift settings``."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from nightshift.cli.shell import Shell
from nightshift.settings import describe_settings, list_misspelt


class Format(StrEnum):
    """How a command writes its result."""

    TABLE = "table"
    JSON = "json"


def show_settings(
    context: typer.Context,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="A table for people, JSON for programs.")
    ] = Format.TABLE,
) -> None:
    """Show every setting and its value.

    Passwords are masked.
    """
    shell: Shell = context.obj
    shown = shell.settings().shown()
    if output is Format.JSON:
        shell.print_text(json.dumps(shown, indent=2))
        return
    rows = [
        (
            one.variable,
            shown[one.name] or "(empty)",
            "environment" if one.is_set(shell.environ) else "default",
        )
        for one in describe_settings()
    ]
    shell.print_table(("variable", "value", "from"), rows)
    for strange, meant in list_misspelt(shell.environ):
        shell.say(f"{strange} is not a setting; did you mean {meant}?")
