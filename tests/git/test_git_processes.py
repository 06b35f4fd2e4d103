"""Running programs: bounded in time and output, and nothing of them survives."""

import dataclasses
import sys
import time
from pathlib import Path

import psutil
import pytest

from nightshift.domain.scans import Reason
from nightshift.git.commands import Git, build_limited
from nightshift.git.failures import FetchFailed, GitFailure, Refused
from nightshift.git.processes import STDERR_BYTES, require_success, run_git

PYTHON = sys.executable


def run(git: Git, code: str, **limits: float) -> tuple[int, bytes, str]:
    seconds = limits.get("timeout_seconds", 20.0)
    size = int(limits.get("stdout_bytes", 1_000))
    argv = [PYTHON, "-I", "-c", code]
    done = run_git(git, "test", argv, timeout_seconds=seconds, stdout_bytes=size)
    return done.code, done.stdout, done.stderr


def test_both_outputs_are_read_at_once(git: Git) -> None:
    code = "import sys; sys.stderr.write('e' * 300_000); sys.stdout.write('o' * 900)"
    exit_code, stdout, stderr = run(git, code)
    assert exit_code == 0
    assert stdout == b"o" * 900
    assert stderr == "e" * STDERR_BYTES


def test_environment_is_ours_alone(git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "touch hacked")
    monkeypatch.setenv("SECRET", "x")
    _, stdout, _ = run(git, "import os; print(*sorted(os.environ))")
    names = set(stdout.decode().split())
    assert names.isdisjoint({"SECRET", "GIT_SSH_COMMAND"})
    assert names >= {"HOME", "GIT_CONFIG_NOSYSTEM", "GIT_ALLOW_PROTOCOL"}


def test_endless_output_is_refused(git: Git) -> None:
    with pytest.raises(FetchFailed, match="more than 1000 bytes"):
        run(git, "while True: print('x' * 1000)")


def test_children_end_with_their_parent_when_time_is_up(git: Git, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import signal, subprocess, sys, time;"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"open({str(note)!r}, 'w').write(str(child.pid)); time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(GitFailure) as caught:
        run(git, code, timeout_seconds=1.0)
    assert caught.value.reason is Reason.CONNECT
    assert time.monotonic() - started < 8
    assert has_ended(int(note.read_text()), within_seconds=5)


def has_ended(pid: int, within_seconds: float) -> bool:
    """Wait until a process is gone, or dead and not reaped: the kernel kills when it gets to it."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_files_of_a_limited_command_stay_below_the_limit(git: Git, tmp_path: Path) -> None:
    target = tmp_path / "big"
    code = f"open({str(target)!r}, 'wb').write(b'x' * 100_000)"
    argv = build_limited([PYTHON, "-I", "-c", code], 5_000)
    done = run_git(git, "test", argv, timeout_seconds=20)
    assert done.code != 0
    assert target.stat().st_size == 5_120  # the next multiple of 512


def test_limited_command_gets_its_arguments_unchanged(git: Git) -> None:
    words = ["a b", "$(id)", "-f", "'"]
    argv = build_limited([PYTHON, "-I", "-c", "import sys; print(sys.argv[1:])", *words], 5_000)
    done = run_git(git, "test", argv, timeout_seconds=20)
    assert done.stdout.decode().strip() == repr(words)


def test_secrets_are_cut_from_messages(git: Git) -> None:
    git = dataclasses.replace(git, secrets=("hunter2",))
    code = (
        "import sys; sys.exit('fatal: Authentication failed for'"
        " ' https://joe:hunter2@example.org/x with hunter2')"
    )
    done = run_git(git, "test", [PYTHON, "-I", "-c", code], timeout_seconds=20)
    with pytest.raises(Refused) as caught:
        require_success("test", done)
    assert "hunter2" not in str(caught.value)
    assert "joe" not in str(caught.value)


def test_death_by_signal_is_told(git: Git) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    done = run_git(git, "test", [PYTHON, "-I", "-c", code], timeout_seconds=20)
    with pytest.raises(FetchFailed, match="signal 11"):
        require_success("test", done)
