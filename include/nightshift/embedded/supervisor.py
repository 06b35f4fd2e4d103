"""Keeps the trial stack running: starts components in stages, restarts what dies, ends it all.

Why not supervisord: it neither ends what a killed process leaves behind nor is cleaned up after
when it is killed itself (docs/decisions/embedded-supervisor.md).
"""

import fcntl
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nightshift.embedded.components import (
    Component,
    RunningComponent,
    kill_leftovers,
    start_component,
    stop_component,
)
from nightshift.embedded.layout import Layout
from nightshift.errors import PermanentError

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 15.0
SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Components that start together, then a step that needs them (a migration, say).

    :param after: run once all of them are ready.
    :param timeout_seconds: how long readiness may take.
    """

    title: str
    components: Callable[[], Sequence[Component]]
    after: Callable[[], None] = lambda: None
    timeout_seconds: float = 120.0


@dataclass(slots=True)
class StackState:
    """What the supervisor says of itself, in ``stack.json``, for ``status`` and ``down``."""

    pid: int
    phase: str = "starting"
    detail: str = ""
    urls: dict[str, str] = field(default_factory=dict)
    components: dict[str, dict[str, float]] = field(default_factory=dict)


class Supervisor:
    """Runs the stages, then watches until it is told to stop."""

    def __init__(self, layout: Layout, urls: dict[str, str]) -> None:
        self._layout = layout
        self._running: dict[str, RunningComponent] = {}
        self._stopping = False
        self._state = StackState(pid=os.getpid(), urls=urls)

    def run(self, stages: Sequence[Stage]) -> None:
        """Start everything and watch it until SIGTERM or SIGINT; then end everything.

        :raises PermanentError: if a stage does not become ready; everything is ended first.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stop_soon())
        with lock_data_directory(self._layout.lock_file):
            kill_leftovers(self._layout.stack)
            try:
                for stage in stages:
                    self._run_stage(stage)
                self._say("ready" if not self._stopping else "stopping")
                self._watch()
            except Exception as error:
                self._say("failed", str(error))
                raise
            finally:
                self._stop_all()

    def _run_stage(self, stage: Stage) -> None:
        if self._stopping:
            return
        self._say("starting", stage.title)
        wanted = list(stage.components())
        for component in wanted:
            self._start(component)
        deadline = time.monotonic() + stage.timeout_seconds
        while not all(component.is_ready() for component in wanted):
            if self._stopping:
                return
            if time.monotonic() > deadline:
                names = ", ".join(c.name for c in wanted if not c.is_ready())
                raise PermanentError(f"{stage.title}: {names} not ready; see {self._layout.logs}")
            self._restart_dead()
            time.sleep(POLL_SECONDS)
        stage.after()

    def _watch(self) -> None:
        while not self._stopping:
            self._restart_dead()
            time.sleep(POLL_SECONDS)
        self._say("stopping")

    def _restart_dead(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if running.process.poll() is None:
                continue
            if running.start_again_at is None:
                log.warning("%s ended with %s", running.component.name, running.process.returncode)
                kill_leftovers(self._layout.stack, running.component.name)
                if now - running.started_at > SETTLED_SECONDS:
                    running.failures = 0
                wait = min(LONGEST_BACKOFF_SECONDS, 2.0**running.failures - 1)
                running.start_again_at = now + wait
            elif now >= running.start_again_at:
                running.restarts += 1
                running.failures += 1
                running.process = self._spawn(running.component)
                running.started_at, running.start_again_at = now, None
                self._say(self._state.phase, self._state.detail)

    def _start(self, component: Component) -> None:
        process = self._spawn(component)
        self._running[component.name] = RunningComponent(component, process, time.monotonic())
        self._say(self._state.phase, self._state.detail)

    def _spawn(self, component: Component) -> subprocess.Popen[bytes]:
        log_file = self._layout.logs / f"{component.name}.log"
        return start_component(component, self._layout.stack, log_file)

    def _stop_soon(self) -> None:
        self._stopping = True

    def _stop_all(self) -> None:
        for running in reversed(self._running.values()):
            stop_component(running, self._layout.stack)
        kill_leftovers(self._layout.stack)
        if self._state.phase != "failed":
            self._layout.state_file.unlink(missing_ok=True)

    def _say(self, phase: str, detail: str = "") -> None:
        self._state.phase, self._state.detail = phase, detail
        self._state.components = {
            name: {"pid": r.process.pid, "restarts": r.restarts}
            for name, r in self._running.items()
        }
        temporary = self._layout.state_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self._state), indent=1))
        temporary.replace(self._layout.state_file)


@contextmanager
def lock_data_directory(path: Path) -> Iterator[None]:
    """Hold the data directory for this process; the kernel lets go when it dies.

    :raises PermanentError: if another supervisor holds it.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PermanentError(
                f"{path.parent} is in use by another stack: `make status`, then `make down`"
            ) from error
        yield


def read_state(layout: Layout) -> StackState | None:
    """Read what the supervisor last said; None when there is no stack or it has died."""
    try:
        state = StackState(**json.loads(layout.state_file.read_text()))
    except FileNotFoundError:
        return None
    if state.phase == "failed":
        return state
    try:
        with lock_data_directory(layout.lock_file):
            return None
    except PermanentError:
        return state
