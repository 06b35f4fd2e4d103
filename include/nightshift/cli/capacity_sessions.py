"""What the commands of ``nightshift capacity`` have in common: policy, session, actor."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.shell import Shell
from nightshift.clock import utc_now
from nightshift.settings import Settings

if TYPE_CHECKING:
    from nightshift.domain.capacity.policies import CapacityPolicy
    from nightshift.weekend.sessions import Session, Tools

PolicyOption = Annotated[
    Path | None,
    typer.Option(
        "--policy", "-p", help="The policy's file. Default: capacity.yaml of the configuration."
    ),
]


@contextmanager
def capacity_session(
    shell: Shell, policy: Path | None, *, with_store: bool = True, needs_policy: bool = True
) -> Iterator["Session"]:
    """Open a session for one command.

    :param needs_policy: False goes without one, if there is none of the default name.
    """
    from nightshift.weekend.sessions import open_session  # late: `--help` needs no client

    settings = shell.settings()
    found = read_policy(settings, policy, needed=needs_policy)
    with open_session(settings, found, _tools(shell), with_store=with_store) as session:
        yield session


def read_policy(settings: Settings, file: Path | None, *, needed: bool) -> "CapacityPolicy | None":
    """Read the policy that an option or the configuration names.

    :raises ConfigErrors: with every fault of the file.
    """
    from nightshift.weekend.policies import load_policy

    return load_policy(settings, file, utc_now(), needed=needed or file is not None)


def actor_of(shell: Shell) -> str:
    """Say who runs the command; the process's number tells two shells of one user apart."""
    user = shell.environ.get("USER") or shell.environ.get("LOGNAME") or "somebody"
    return f"{user}@{socket.gethostname()}:{os.getpid()}"


def run_name(shell: Shell, purpose: str) -> str:
    """Name a run that a command begins."""
    return f"cli-{purpose}-{utc_now():%Y%m%dT%H%M%S.%f}-{os.getpid()}"


def _tools(shell: Shell) -> "Tools":
    from nightshift.weekend.connections import connections_from
    from nightshift.weekend.sessions import Tools

    return Tools(
        connections_from(shell.environ), utc_now, time.sleep, actor_of(shell), shell.environ
    )
