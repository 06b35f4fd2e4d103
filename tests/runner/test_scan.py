"""The scan part as a pod runs it: what it keeps, what it runs again, and how it ends."""

import dataclasses
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from nightshift.domain.ids import CommitSha, RepositoryName
from nightshift.domain.jsonvalues import dump
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, Phase, ScanItem, ScanStatus
from nightshift.runner.exit_codes import ExitCode
from tests.runner.scan_stubs import add_stub
from tests.runner.scan_support import COMMIT, REPOSITORY, SHARD, Pod, runner_environment

CLEAN = "write()"


def stub_pod(tmp_path: Path, body: str = CLEAN) -> Pod:
    return Pod(tmp_path / "workspace", add_stub(tmp_path / "scanners", body))


def leave_status(pod: Pod, item: ScanItem, **changes: object) -> None:
    """Write what an earlier attempt left."""
    folder = pod.workspace.scan(SHARD, item.scan)
    folder.mkdir(parents=True, exist_ok=True)
    status = ScanStatus(item.scan, 1, Phase.RUNNING, item.cache_key)
    status = dataclasses.replace(status, **changes)  # type: ignore[arg-type]  # the tests' own words
    (folder / "status.json").write_text(dump(status), encoding="utf-8")


def outcomes(output: str) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [(line["scan"], line["reason"]) for line in lines]


def test_every_scan_is_written_down_and_shown_in_one_line(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path, "write(result('a.py', 2)); print('hello'); sys.exit(1)")
    pod.add_tree({"a.py": "x\n"})
    item = pod.item("stub")

    done = pod.run(item)

    status = pod.status(item)
    folder = pod.workspace.scan(SHARD, item.scan)
    assert done.returncode == ExitCode.DONE
    assert outcomes(done.stdout) == [("7-demo-stub", "ok")]
    assert (status.phase, status.attempt, status.exit_code) == (Phase.ENDED, 1, 1)
    assert (status.files_expected, status.may_close) == (1, True)
    assert status.started_at <= status.finished_at
    assert status.output_bytes == (folder / "result.sarif").stat().st_size
    assert (folder / "log").read_text(encoding="utf-8") == "hello\n"
    assert status.peak_bytes > 0
    assert status.cpu_seconds > 0


def test_what_has_ended_is_kept_and_a_new_key_runs_again(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    pod.add_tree({"a.py": "x\n"})
    item = pod.item("stub")
    first = pod.scan(item)

    again = pod.run(item)
    changed = pod.run(dataclasses.replace(item, cache_key="new rules"))

    assert (again.returncode, again.stdout) == (ExitCode.DONE, "")
    assert outcomes(changed.stdout) == [(item.scan, "ok")]
    assert first.cache_key != pod.status(item).cache_key


def test_a_scan_that_a_pod_died_in_runs_last(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    items = []
    for name in ("suspect", "fresh", "other"):
        pod.add_tree({"a.py": "x\n"}, RepositoryName(name))
        items.append(pod.item("stub", RepositoryName(name)))
    leave_status(pod, items[0])

    done = pod.run(*items)

    assert [scan for scan, _ in outcomes(done.stdout)] == [i.scan for i in (*items[1:], items[0])]
    assert pod.status(items[0]).attempt == 2


@pytest.mark.parametrize(
    ("options", "outcome", "reason"),
    [
        pytest.param([], Outcome.FAILED, Reason.INTERNAL, id="for an unknown cause"),
        pytest.param(
            ["--oom-killed"], Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER, id="for memory"
        ),
    ],
)
def test_a_second_death_ends_a_scan(
    tmp_path: Path, options: list[str], outcome: Outcome, reason: Reason
) -> None:
    pod = stub_pod(tmp_path)
    pod.add_tree({"a.py": "x\n"})
    item = pod.item("stub")
    leave_status(pod, item, attempt=2)

    done = pod.run(item, options=options)

    assert done.returncode == ExitCode.DONE
    assert (pod.status(item).outcome, pod.status(item).reason) == (outcome, reason)


def test_a_torn_status_counts_as_none(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    pod.add_tree({"a.py": "x\n"})
    item = pod.item("stub")
    leave_status(pod, item)
    (pod.workspace.scan(SHARD, item.scan) / "status.json").write_text("{", encoding="utf-8")

    assert pod.scan(item).attempt == 1


CHECKOUT = CheckoutStatus(REPOSITORY, COMMIT, "not_run", Reason.REMOTE_GONE, "HTTP 404")


@pytest.mark.parametrize(
    ("checkout", "outcome", "reason"),
    [
        pytest.param(CHECKOUT, Outcome.NOT_RUN, Reason.REMOTE_GONE, id="not cloned"),
        pytest.param(None, Outcome.NOT_RUN, Reason.CLONE_FAILED, id="never tried"),
        pytest.param(
            dataclasses.replace(CHECKOUT, reason=Reason.EMPTY_REPOSITORY),
            Outcome.NOT_APPLICABLE,
            Reason.EMPTY_REPOSITORY,
            id="empty",
        ),
        pytest.param(
            dataclasses.replace(CHECKOUT, state="ready", reason=Reason.OK, files=1),
            Outcome.NOT_RUN,
            Reason.CLONE_FAILED,
            id="its tree is gone",
        ),
        pytest.param(
            dataclasses.replace(
                CHECKOUT, state="ready", reason=Reason.OK, files=1, commit=CommitSha("3" * 40)
            ),
            Outcome.NOT_RUN,
            Reason.CLONE_FAILED,
            id="of another commit",
        ),
    ],
)
def test_without_a_tree_the_checkout_says_why(
    tmp_path: Path, checkout: CheckoutStatus | None, outcome: Outcome, reason: Reason
) -> None:
    pod = stub_pod(tmp_path)
    pod.workspace.prepare()
    if checkout is not None:
        pod.add_checkout(checkout)

    status = pod.scan(pod.item("stub"))

    assert (status.outcome, status.reason, status.may_close) == (outcome, reason, False)


def test_a_link_is_no_source_tree(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    source = pod.add_tree({"a.py": "x\n"})
    source.rename(tmp_path / "elsewhere")
    source.symlink_to(tmp_path / "elsewhere")

    assert pod.scan(pod.item("stub")).reason is Reason.CLONE_FAILED


def test_no_file_of_its_languages_is_not_applicable(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    pod.add_tree({"main.go": "package main\n"})

    status = pod.scan(pod.item("flawfinder"))

    assert (status.outcome, status.reason) == (Outcome.NOT_APPLICABLE, Reason.NO_FILES)


def test_a_missed_canary_fails_the_scanner_and_not_the_others(tmp_path: Path) -> None:
    folder = add_stub(tmp_path / "scanners", CLEAN)
    blind = (folder / "stub" / "tool.py").read_text(encoding="utf-8")
    (folder / "stub" / "tool.py").write_text(
        blind.replace('result("canary.txt", 2)', 'result("canary.txt", 3)'), encoding="utf-8"
    )
    pod = Pod(tmp_path / "workspace", folder)
    pod.add_tree({"a.py": "x\n"})

    status = pod.scan(pod.item("stub"))

    assert (status.outcome, status.reason) == (Outcome.FAILED, Reason.CANARY)
    assert "R1 at canary.txt:2" in status.message
    assert not status.may_close


def test_an_unknown_scanner_is_a_bad_work_list(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    pod.add_tree({"a.py": "x\n"})

    done = pod.run(pod.item("trivy"))

    assert done.returncode == ExitCode.BAD_WORK_LIST
    assert "there is no scanner 'trivy'" in done.stderr


def test_a_changed_work_list_is_refused(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    command = pod.command([pod.item("stub")])
    command[command.index("--sha256") + 1] = "0" * 64

    done = subprocess.run(command, env=runner_environment(), capture_output=True, timeout=60)

    assert done.returncode == ExitCode.BAD_WORK_LIST


def test_an_empty_work_list_is_nothing_to_do(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    pod.workspace.prepare()

    assert pod.run().returncode == ExitCode.NOTHING_TO_DO


def test_sigterm_stops_the_scan_and_leaves_it_resumable(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path, "time.sleep(60)")
    pod.add_tree({"a.py": "x\n"})
    item = pod.item("stub")
    command = pod.command([item])

    with subprocess.Popen(command, env=runner_environment(), stdout=subprocess.PIPE) as runner:
        wait_for_scan(pod, item)
        runner.send_signal(signal.SIGTERM)
        code = runner.wait(timeout=30)

    status = pod.status(item)
    assert code == ExitCode.TEMPORARY
    assert (status.phase, status.attempt) == (Phase.RUNNING, 0)
    assert not list((tmp_path / "scratch").iterdir())


def wait_for_scan(pod: Pod, item: ScanItem) -> None:
    """Wait until the scan itself, and not its canary, has its private folder."""
    folder = pod.workspace.scan(SHARD, item.scan)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if (folder / "status.json").exists() and has_scanner(pod):
            return
        time.sleep(0.05)
    raise AssertionError("the scan did not start")


def has_scanner(pod: Pod) -> bool:
    """Tell whether a scanner of this pod runs on a tree that is not its canary."""
    source = str(pod.workspace.source(REPOSITORY))
    commands = (process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"]))
    return any(source in words for words in commands)


def test_a_killed_runner_takes_its_scanner_along(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path, "time.sleep(100)")
    pod.add_tree({"a.py": "x\n"})
    item = pod.item("stub")

    with subprocess.Popen(pod.command([item]), env=runner_environment()) as runner:
        wait_for_scan(pod, item)
        runner.kill()

    end = time.monotonic() + 10
    while has_scanner(pod) and time.monotonic() < end:
        time.sleep(0.05)
    assert not has_scanner(pod)
    assert (pod.status(item).phase, pod.status(item).attempt) == (Phase.RUNNING, 1)


def test_several_jobs_do_all_the_work_and_suspects_alone(tmp_path: Path) -> None:
    pod = stub_pod(tmp_path)
    items = []
    for number in range(5):
        repository = RepositoryName(f"r{number}")
        pod.add_tree({"a.py": "x\n"}, repository)
        items.append(pod.item("stub", repository))
    leave_status(pod, items[2])

    done = pod.run(*items, options=["--jobs", "2"])

    shown = [scan for scan, _ in outcomes(done.stdout)]
    assert done.returncode == ExitCode.DONE
    assert sorted(shown) == [item.scan for item in items]
    assert shown[-1] == items[2].scan
    assert os.path.lexists(pod.workspace.scan(SHARD, items[4].scan) / "result.sarif")
