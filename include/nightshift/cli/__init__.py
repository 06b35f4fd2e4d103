"""The ``nightshift`` command; one file a subcommand. An error is one message on stderr."""

import logging
from collections.abc import Sequence

import typer
from typer.main import get_command

from nightshift.cli.capacity import capacity_app
from nightshift.cli.check import check
from nightshift.cli.demo import demo
from nightshift.cli.placement import placement
from nightshift.cli.rank import rank
from nightshift.cli.run import run
from nightshift.cli.settings import show_settings
from nightshift.cli.setup import install, migrate
from nightshift.cli.shell import Shell
from nightshift.cli.stack import down, status, supervise, up
from nightshift.errors import NightshiftError

app = typer.Typer(
    name="nightshift",
    help="Scan a team's repositories on the team's own Kubernetes cluster.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Work with the reviewed files.", no_args_is_help=True)

app.command()(rank)
app.command()(placement)
app.command()(run)
app.command("settings")(show_settings)
app.command()(migrate)
app.command()(install)
app.command()(demo)
app.command()(up)
app.command()(down)
app.command()(status)
app.command(hidden=True)(supervise)
config_app.command("check")(check)
app.add_typer(config_app, name="config")
app.add_typer(capacity_app, name="capacity")


def main(arguments: Sequence[str], shell: Shell) -> int:
    """Run one command; gives the process's exit code.

    0 is success, 1 a failure that the message explains, 2 a wrong command line, 130 Ctrl-C.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it tells of every retry; we tell the end
    try:
        get_command(app).main(args=list(arguments), prog_name="nightshift", obj=shell)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except NightshiftError as error:
        shell.say(f"nightshift: {error}")
        return 1
    return 0
