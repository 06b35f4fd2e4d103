"""The watch over one process, without a scanner around it."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nightshift.runner.sandbox import ConfinedCommand, ProcessLimits, Sandbox, detect_sandbox
from nightshift.runner.scan_process import (
    Ended,
    StopCause,
    WatchLimits,
    measure_room,
    run_watched,
)
from nightshift.runner.scan_toolchain import Toolchain, fill, read_toolchain
from nightshift.runner.scan_tree import ProcessTree

LIMITS = WatchLimits(
    deadline_seconds=20, memory_bytes=1 << 29, room_bytes=1 << 26, term_seconds=0.3
)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return detect_sandbox()


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return read_toolchain(Path(sys.executable))


def watch(
    sandbox: Sandbox, toolchain: Toolchain, folder: Path, code: str, **changes: float
) -> Ended:
    command = ConfinedCommand(
        argv=[str(toolchain.python), "-I", "-c", code],
        environment={},
        directory=folder,
        limits=ProcessLimits(file_bytes=1 << 20, cpu_seconds=30),
        run=toolchain.run,
        read=toolchain.read,
        write=[folder],
    )
    stop_after = changes.pop("stop_after", 1e9)
    started = time.monotonic()
    limits = WatchLimits(**{f: changes.get(f, getattr(LIMITS, f)) for f in LIMITS.__slots__})
    return run_watched(
        sandbox,
        command,
        limits,
        lambda: time.monotonic() - started > stop_after,
        stdout=folder / "stdout",
    )


def test_what_a_process_said_and_took(
    sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    code = (
        "import sys, time; data = bytearray(b'x') * (64 << 20); print('out');"
        "print('err', file=sys.stderr); end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\nsys.exit(3)"
    )

    ended = watch(sandbox, toolchain, tmp_path, code)

    assert (ended.exit_code, ended.stopped, ended.stragglers) == (3, None, 0)
    assert (tmp_path / "stdout").read_text(encoding="utf-8") == "out\n"
    assert ended.log == b"err\n"
    assert 0.3 <= ended.cpu_seconds < 3
    assert (64 << 20) < ended.peak_bytes < (256 << 20)


def test_a_process_that_ignores_sigterm_is_killed(
    sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"

    ended = watch(sandbox, toolchain, tmp_path, code, deadline_seconds=0.7)

    assert (ended.stopped, ended.exit_code) == (StopCause.DEADLINE, -9)
    assert ended.seconds < 5


def test_a_stopped_process_is_killed(
    sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"

    assert watch(sandbox, toolchain, tmp_path, code, deadline_seconds=0.5).exit_code == -9


def test_a_process_may_clean_up_on_sigterm(
    sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    code = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(5));"
        "print(1, flush=True); time.sleep(60)"
    )

    ended = watch(sandbox, toolchain, tmp_path, code, stop_after=0.7, term_seconds=20)

    assert (ended.stopped, ended.exit_code) == (StopCause.POD, 5)


def test_a_closed_log_does_not_end_the_watch(
    sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    code = "import os, sys, time; os.close(1); os.close(2); time.sleep(0.5); os._exit(4)"

    ended = watch(sandbox, toolchain, tmp_path, code)

    assert ended.exit_code == 4
    assert ended.seconds >= 0.5


def test_processes_that_were_there_before_are_spared() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as before:
        tree = ProcessTree()
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as after:
            assert tree.measure().processes == 1
            assert tree.kill() == 1
            assert before.poll() is None
            after.returncode = -9  # the sweep has reaped it


def test_what_a_spared_process_starts_later_is_spared_too() -> None:
    code = (
        "import subprocess; input(); p = subprocess.Popen(['sleep', '60']); print(p.pid); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as before:
        assert before.stdin is not None
        assert before.stdout is not None
        tree = ProcessTree()
        before.stdin.write("go on\n")
        before.stdin.flush()
        later = psutil.Process(int(before.stdout.readline()))
        assert tree.measure().processes == 0
        assert tree.kill() == 0
        assert later.is_running()
        later.kill()


def test_room_counts_small_files_and_follows_no_links(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    (folder / "sub").mkdir(parents=True)
    other.mkdir()
    (other / "big").write_bytes(bytes(1 << 20))
    (folder / "link").symlink_to(other)
    for number in range(10):
        (folder / "sub" / f"{number}").touch()
    (folder / "data").write_bytes(b"x" * 100_000)

    room = measure_room(folder)

    assert 100_000 + 12 * 4096 <= room < 100_000 + 20 * 4096


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        pytest.param("{a}/x", "1/x", id="a word"),
        pytest.param("{a}{b}", "1{a}", id="a word that looks like another"),
        pytest.param('include = ["{c}"]', 'include = ["{c}"]', id="no word of ours"),
        pytest.param("{", "{", id="a lone brace"),
        pytest.param("{{a}}", "{1}", id="braces around"),
    ],
)
def test_placeholders(text: str, filled: str) -> None:
    assert fill(text, {"a": "1", "b": "{a}"}) == filled
