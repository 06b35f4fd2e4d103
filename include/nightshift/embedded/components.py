"""One long-running process of the trial stack: how to start it, know it is ready, and end it.

Every process carries NIGHTSHIFT_STACK=<stack>:<component> in its environment. Forked children
inherit it, so whatever a component leaves behind (Airflow's executor forks workers that outlive a
killed scheduler) is found and ended before a restart and at ``down``, even when the supervisor
itself was killed.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM, Signals

import psutil

MARKER = "NIGHTSHIFT_STACK"


@dataclass(frozen=True, slots=True)
class Component:
    """What to run and how to tell that it works.

    :param argv: the command; it must stay in the foreground.
    :param env: its whole environment, but for the marker.
    :param is_ready: asked every half second after a start; must not raise.
    :param stop_signal: the polite one; SIGKILL follows after ``stop_seconds``.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    is_ready: Callable[[], bool]
    cwd: Path
    stop_signal: Signals = SIGTERM
    stop_seconds: float = 20.0


@dataclass(slots=True)
class RunningComponent:
    """A component with its process.

    :param restarts: how often it was started again; ``failures`` counts those in quick succession.
    :param start_again_at: monotonic seconds; set while a dead component waits for its next start.
    """

    component: Component
    process: subprocess.Popen[bytes]
    started_at: float
    restarts: int = 0
    failures: int = 0
    start_again_at: float | None = None


def start_component(component: Component, stack: str, log_file: Path) -> subprocess.Popen[bytes]:
    """Start the process in its own session, its output appended to ``log_file``."""
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        return subprocess.Popen(
            component.argv,
            env={**component.env, MARKER: f"{stack}:{component.name}"},
            cwd=component.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop_component(running: RunningComponent, stack: str) -> None:
    """Ask the process to end, insist after its grace, then end what it left behind."""
    process = running.process
    if process.poll() is None:
        process.send_signal(running.component.stop_signal)
        try:
            process.wait(running.component.stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_leftovers(stack, running.component.name)


def kill_leftovers(stack: str, component: str | None = None) -> list[int]:
    """Kill every process that carries this stack's marker (of one component, or of all).

    :returns: the process ids that were killed; the caller itself is never among them.
    """
    found = [p for p in _marked(stack, component) if p.pid != os.getpid()]
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(found, timeout=5)
    return [process.pid for process in found]


def _marked(stack: str, component: str | None) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            marker = process.environ().get(MARKER, "")
        except psutil.Error:  # gone meanwhile, or somebody else's
            continue
        owner, _, name = marker.partition(":")
        if owner == stack and component in {None, name}:
            yield process
