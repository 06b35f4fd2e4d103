"""The generated pages: ``python -m nightshift.cli.pages docs`` writes those of PAGES."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from typer.cli import get_docs_for_click
from typer.core import TyperGroup
from typer.main import get_command
from typer.models import Context

from nightshift.cli import app
from nightshift.config.schemas.reference import FieldDescription, describe_schema
from nightshift.settings import SettingDescription, describe_settings

_SETTINGS_HEAD = """\
# Settings

Generated from the code by `python -m nightshift.cli.pages docs`; do not edit.

Every setting is an environment variable, read once when a process starts. A variable that is absent
or empty means the default. All faults are reported at once. `nightshift settings` shows what is in
force, passwords masked; `nightshift config check` checks it.

| variable | kind | default | what it is for |
| --- | --- | --- | --- |
"""
_CLI_HEAD = """\
Generated from the code by `python -m nightshift.cli.pages docs`; do not edit.

Run it as `python -m nightshift`. Exit codes: 0 success, 1 a failure that one message on standard
error explains, 2 a wrong command line, 130 interrupted. Settings come from the environment, see
settings.md.
"""


_POLICY_HEAD = """\
# Fields of a capacity policy

Generated from `include/nightshift/config/schemas/capacity.schema.json` by
`python -m nightshift.cli.pages docs`; do not edit. [weekend.md](weekend.md) says what they are for.

`[]` is each item of a list, `<name>` a key of your own; after a list's items comes the kind that
has the field. Fields in bold must be there. Unknown fields are refused.

| field | default | what it is |
| --- | --- | --- |
"""


def settings_page() -> str:
    """Write the table of settings as Markdown."""
    return _SETTINGS_HEAD + "".join(_row(one) for one in describe_settings())


def cli_page() -> str:
    """Write the help of every command as Markdown."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)  # noqa: S101 - an app with several commands is a group
    command.commands = {name: one for name, one in command.commands.items() if not one.hidden}
    context = Context(command, **command.context_settings)
    page = get_docs_for_click(obj=command, ctx=context, name="nightshift")
    title, _, rest = page.partition("\n")
    return f"{title}\n\n{_CLI_HEAD}{rest.rstrip()}\n"


def policy_page() -> str:
    """Write the fields of a capacity policy as Markdown."""
    return _POLICY_HEAD + "".join(_field_row(one) for one in describe_schema("capacity"))


PAGES: Mapping[str, Callable[[], str]] = MappingProxyType({
    "settings.md": settings_page,
    "cli.md": cli_page,
    "capacity-policy.md": policy_page,
})
"""File name below docs/ to what writes its text."""


def _field_row(one: FieldDescription) -> str:
    path = f"**`{one.path}`**" if one.required else f"`{one.path}`"
    default = f"`{one.default}`" if one.default else ""
    return f"| {path} | {default} | {one.what} |\n"


def _row(one: SettingDescription) -> str:
    default = f"`{one.default}`" if one.default else "(empty)"
    also = f" Falls back to `{one.also}`." if one.also else ""
    return f"| `{one.variable}` | {one.kind.name} | {default} | {one.help}{also} |\n"


if __name__ == "__main__":
    for file_name, write in PAGES.items():
        (Path(sys.argv[1]) / file_name).write_text(write(), "utf-8")
