"""What the commands of ``nightshift capacity`` have in common: policy, session, actor."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.shell import Shell
from nightshift.clock import utc_now
from nightshift.settings import Settings

if TYPE_CHECKING:
    from nightshift.domain.capacity.policies import CapacityPolicy
    from nightshift.weekend.sessions import Session, Tools

PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy",
        "-p",
        help="A policy's name in policies/ of the configuration, or a file. "
        "Default: the setting NIGHTSHIFT_CAPACITY_POLICY.",
    ),
]


@contextmanager
def capacity_session(
    shell: Shell, policy: str, *, with_store: bool = True, needs_policy: bool = True
) -> Iterator["Session"]:
    """Open a session for one command.

    :param needs_policy: False goes without one, if there is none of the default name.
    """
    from nightshift.weekend.sessions import open_session  # late: `--help` needs no client

    settings = shell.settings()
    found = read_policy(settings, policy, needed=needs_policy)
    with open_session(settings, found, _tools(shell), with_store=with_store) as session:
        yield session


def read_policy(settings: Settings, option: str, *, needed: bool) -> "CapacityPolicy | None":
    """Read the policy that an option or the settings name.

    :raises ConfigErrors: with every fault of the file.
    """
    from nightshift.weekend.policies import load_policy

    wanted = option or settings.capacity_policy
    return load_policy(settings, wanted, utc_now(), needed=needed or bool(option))


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
