"""The supervisor with real processes: stages, restarts, leftovers, and a clean end."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from nightshift.embedded.components import MARKER, kill_leftovers
from nightshift.embedded.layout import Layout
from nightshift.embedded.supervisor import lock_data_directory, read_state
from nightshift.errors import PermanentError

PROGRAM = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from nightshift.embedded.components import Component
    from nightshift.embedded.layout import Layout
    from nightshift.embedded.supervisor import Stage, Supervisor

    data = Path(sys.argv[1])
    env = {"PATH": "/usr/bin:/bin"}

    def component(name, script, ready=lambda: True):
        return Component(name, ("sh", "-c", script), env, ready, data)

    first = component("first", "touch up; exec sleep 600", lambda: (data / "up").exists())
    # Leaves a child behind when it is killed, as a scheduler leaves its workers.
    second = component("second", "sleep 601 & wait")
    never = component("never", "exec sleep 602", lambda: False)
    stages = [
        Stage("one", lambda: [first], after=lambda: (data / "after").write_text("1")),
        Stage("two", lambda: [second]),
    ]
    if "never" in sys.argv:
        stages.append(Stage("three", lambda: [never], timeout_seconds=1))
    Supervisor(Layout(data, data), {"ui": "http://127.0.0.1:1"}).run(stages)
    """
)


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout(tmp_path, tmp_path)
    yield layout
    assert kill_leftovers(layout.stack) == [], "something was left running"


def start(layout: Layout, *arguments: str) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", PROGRAM, str(layout.data), *arguments]
    return subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": "include"})


def wait_until(held: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


def is_ready(layout: Layout) -> bool:
    state = read_state(layout)
    return state is not None and state.phase == "ready"


def marked(layout: Layout) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(layout.stack):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_stages_run_in_order_and_sigterm_ends_everything(layout: Layout) -> None:
    supervisor = start(layout)
    wait_until(lambda: is_ready(layout))
    state = read_state(layout)
    assert state is not None
    assert set(state.components) == {"first", "second"}
    assert (layout.data / "after").exists()
    assert state.urls == {"ui": "http://127.0.0.1:1"}
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(20) == 0
    assert marked(layout) == []
    assert read_state(layout) is None
    assert not layout.state_file.exists()


def test_a_killed_component_comes_back_without_what_it_left_behind(layout: Layout) -> None:
    supervisor = start(layout)
    wait_until(lambda: is_ready(layout))
    before = read_state(layout)
    assert before is not None
    old = int(before.components["second"]["pid"])
    children = psutil.Process(old).children()
    os.kill(old, signal.SIGKILL)

    def restarted() -> bool:
        state = read_state(layout)
        return state is not None and state.components["second"]["restarts"] == 1

    wait_until(restarted)
    assert children, "the component had no child to leave behind"
    assert not any(child.is_running() and child.status() != "zombie" for child in children)
    after = read_state(layout)
    assert after is not None
    assert after.components["second"]["pid"] != old
    assert after.components["first"] == before.components["first"]
    supervisor.terminate()
    supervisor.wait(20)


def test_a_stage_that_never_gets_ready_is_reported_and_ended(layout: Layout) -> None:
    supervisor = start(layout, "never")
    assert supervisor.wait(30) == 1
    state = json.loads(layout.state_file.read_text())
    assert state["phase"] == "failed"
    assert "three: never not ready" in state["detail"]
    assert marked(layout) == []


def test_a_killed_supervisor_is_noticed_and_its_components_can_be_ended(layout: Layout) -> None:
    supervisor = start(layout)
    wait_until(lambda: is_ready(layout))
    supervisor.kill()
    supervisor.wait()
    assert read_state(layout) is None
    assert len(kill_leftovers(layout.stack)) >= 2


def test_two_supervisors_never_share_a_data_directory(layout: Layout) -> None:
    with (
        lock_data_directory(layout.lock_file),
        pytest.raises(PermanentError, match="in use by another stack"),
        lock_data_directory(layout.lock_file),
    ):
        pass
