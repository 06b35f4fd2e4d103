"""A scanner that a repository has taken over: whatever it does, it ends, alone, with a reason."""

import dataclasses
import os
from pathlib import Path

import psutil
import pytest

from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import ScanStatus
from tests.runner.scan_stubs import add_stub
from tests.runner.scan_support import MIB, SHARD, Pod


def pod_with(tmp_path: Path, body: str) -> Pod:
    pod = Pod(tmp_path / "workspace", add_stub(tmp_path / "scanners", body))
    pod.add_tree({"main.c": "int main;\n"})
    return pod


def scan_with(tmp_path: Path, body: str, **limits: int) -> tuple[Pod, ScanStatus]:
    pod = pod_with(tmp_path, body)
    item = dataclasses.replace(pod.item("stub"), **limits)  # type: ignore[arg-type]  # ints all
    return pod, pod.scan_here(item)


@pytest.mark.parametrize(
    ("body", "limits", "outcome", "reason"),
    [
        pytest.param("sys.exit(7)", {}, Outcome.FAILED, Reason.EXIT_CODE, id="unknown exit code"),
        pytest.param("os.kill(os.getpid(), 11)", {}, Outcome.FAILED, Reason.EXIT_CODE, id="crash"),
        pytest.param("sys.exit(0)", {}, Outcome.FAILED, Reason.NO_OUTPUT, id="writes nothing"),
        pytest.param("output.write_text('{')", {}, Outcome.FAILED, Reason.BAD_SARIF, id="no JSON"),
        pytest.param(
            "output.write_text('[' * 200_000)",
            {},
            Outcome.FAILED,
            Reason.BAD_SARIF,
            id="depth bomb",
        ),
        pytest.param(
            "output.mkdir()", {}, Outcome.FAILED, Reason.NO_OUTPUT, id="a folder for a result"
        ),
        pytest.param(
            "os.symlink('/etc/passwd', output)",
            {},
            Outcome.FAILED,
            Reason.NO_OUTPUT,
            id="a link for a result",
        ),
        pytest.param(
            "write(); sys.exit(1)", {}, Outcome.FAILED, Reason.BAD_SARIF, id="says found, has none"
        ),
        pytest.param(
            "write(result('main.c', 1))",
            {},
            Outcome.FAILED,
            Reason.BAD_SARIF,
            id="says clean, has one",
        ),
        pytest.param(
            "time.sleep(60)",
            {"deadline_seconds": 1},
            Outcome.TIMED_OUT,
            Reason.SCAN_DEADLINE,
            id="hangs",
        ),
        pytest.param(
            "data = bytearray(os.urandom(1 << 20)) * 300; time.sleep(20)",
            {"memory_bytes": 128 * MIB},
            Outcome.OUT_OF_MEMORY,
            Reason.MEMORY_WATCHED,
            id="eats memory",
        ),
        pytest.param(
            "with output.open('wb') as f:\n    for _ in range(1000): f.write(bytes(1 << 20))",
            {"output_bytes": 4 * MIB},
            Outcome.FAILED,
            Reason.OUTPUT_TOO_LARGE,
            id="writes one gigabyte and fails",
        ),
        pytest.param(
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
            "with output.open('wb') as f:\n    for _ in range(1000): f.write(bytes(1 << 20))",
            {"output_bytes": 4 * MIB},
            Outcome.FAILED,
            Reason.OUTPUT_TOO_LARGE,
            id="writes one gigabyte and is killed",
        ),
        pytest.param(
            "try:\n    output.write_bytes(bytes(8 << 20))\nexcept OSError: pass",
            {"output_bytes": 4 * MIB},
            Outcome.FAILED,
            Reason.OUTPUT_TOO_LARGE,
            id="hides that its result was cut",
        ),
        pytest.param(
            "for n in range(2000): (output.parent / f'{n}').write_bytes(bytes(1 << 20))\n"
            "time.sleep(30)",
            {"output_bytes": 2 * MIB},
            Outcome.FAILED,
            Reason.OUTPUT_TOO_LARGE,
            id="fills the disk with many files",
        ),
        pytest.param(
            "for n in range(70):\n    if os.fork() == 0: time.sleep(60)\ntime.sleep(60)",
            {},
            Outcome.FAILED,
            Reason.EXIT_CODE,
            id="starts a herd",
        ),
    ],
)
def test_a_bad_ending_has_its_reason_and_closes_nothing(
    tmp_path: Path, body: str, limits: dict[str, int], outcome: Outcome, reason: Reason
) -> None:
    _, status = scan_with(tmp_path, body, **limits)

    assert (status.outcome, status.reason) == (outcome, reason), status.message
    assert not status.may_close
    assert not list((tmp_path / "scratch").iterdir())


def test_a_daemon_dies_with_its_scan(tmp_path: Path) -> None:
    mark = f"daemon-{os.getpid()}-{tmp_path.name}"
    body = f"""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 64)
            code = "import time; time.sleep(120)"
            os.execv(sys.executable, [sys.executable, "-I", "-c", code, {mark!r}])
        os._exit(0)
    time.sleep(0.5)
    write()
    """

    pod = pod_with(tmp_path, body)
    status = pod.scan(pod.item("stub"))  # a runner of its own, which is a subreaper

    assert status.outcome is Outcome.SUCCEEDED
    assert not status.may_close  # it was seen alive when the scan had ended
    alive = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in alive if mark in words]


def test_the_log_is_cut_and_the_scan_goes_on(tmp_path: Path) -> None:
    pod, status = scan_with(tmp_path, "print('x' * 10_000_000); write()")

    log = (pod.workspace.scan(SHARD, status.scan) / "log").read_bytes()
    assert status.outcome is Outcome.SUCCEEDED
    assert len(log) <= MIB
    assert log.endswith(b"[the log was cut here]\n")


def test_a_result_outside_the_tree_proves_nothing(tmp_path: Path) -> None:
    _, status = scan_with(tmp_path, "write(result('../other/secret.c', 1)); sys.exit(1)")

    assert status.outcome is Outcome.SUCCEEDED
    assert not status.may_close


def test_a_good_scan_may_close(tmp_path: Path) -> None:
    _, status = scan_with(tmp_path, "write(result('main.c', 1)); sys.exit(1)")

    assert (status.outcome, status.reason) == (Outcome.SUCCEEDED, Reason.OK)
    assert status.may_close
    assert {"no_new_privs", "seccomp", "rlimits"} <= set(status.confinement)
    assert any(name.startswith("landlock:") for name in status.confinement)
