"""What the work list's wish for confinement means on a kernel that cannot give all of it."""

import dataclasses
from pathlib import Path

import pytest

from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import ScanStatus
from nightshift.runner.sandbox import Sandbox, detect_sandbox
from nightshift.runner.scan import count_oom_kills
from nightshift.runner.scan_pods import Interrupted
from tests.runner.scan_stubs import add_stub
from tests.runner.scan_support import SHARD, Pod

NO_LANDLOCK = dataclasses.replace(detect_sandbox(), abi=0)
NO_SECCOMP = dataclasses.replace(detect_sandbox(), program=b"")
REFUSES = dataclasses.replace(detect_sandbox(), program=bytes(8))


def scan(
    tmp_path: Path, sandbox: Sandbox, *, require: bool = True, stop: bool = False
) -> ScanStatus:
    pod = Pod(tmp_path / "workspace", add_stub(tmp_path / "scanners", "write()"))
    pod.add_tree({"a.py": "x\n"})
    return pod.scan_here(pod.item("stub"), sandbox, require=require, stop=stop)


@pytest.mark.parametrize(
    ("sandbox", "missing"),
    [
        pytest.param(NO_LANDLOCK, "landlock", id="no Landlock"),
        pytest.param(NO_SECCOMP, "seccomp", id="no seccomp"),
    ],
)
def test_a_required_part_that_is_missing_fails_the_scan(
    tmp_path: Path, sandbox: Sandbox, missing: str
) -> None:
    status = scan(tmp_path, sandbox)

    assert (status.outcome, status.reason) == (Outcome.FAILED, Reason.CONFINEMENT)
    assert missing in status.message
    assert status.confinement == ()
    assert not (tmp_path / "workspace" / "out" / SHARD / status.scan / "result.sarif").exists()


def test_where_it_is_not_required_the_lack_is_recorded(tmp_path: Path) -> None:
    status = scan(tmp_path, NO_LANDLOCK, require=False)

    assert (status.outcome, status.reason) == (Outcome.SUCCEEDED, Reason.OK)
    assert status.confinement == ("rlimits", "no_new_privs", "no_capabilities", "seccomp")


def test_a_part_that_the_kernel_refuses_fails_the_scan_in_any_case(tmp_path: Path) -> None:
    status = scan(tmp_path, REFUSES, require=False)

    assert (status.outcome, status.reason) == (Outcome.FAILED, Reason.CONFINEMENT)


def test_a_canary_that_the_pod_s_end_stops_says_nothing_of_the_scanner(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        scan(tmp_path, detect_sandbox(), stop=True)


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        pytest.param("low 0\noom 3\noom_kill 2\noom_group_kill 0\n", 2, id="two kills"),
        pytest.param("", 0, id="an old kernel"),
    ],
)
def test_kills_for_memory_are_read_from_the_cgroup(tmp_path: Path, text: str, kills: int) -> None:
    events = tmp_path / "memory.events"
    events.write_text(text, encoding="utf-8")

    assert count_oom_kills(events) == kills
    assert count_oom_kills(tmp_path / "gone") == 0
