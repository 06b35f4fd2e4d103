"""The clone pod from its command line: statuses, exit codes, resuming, and a full volume."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nightshift.domain.ids import AccountName, CommitSha, RepositoryName, ShardName
from nightshift.domain.jsonvalues import dump, load
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CheckoutStatus, CloneItem, CloneLimits, CloneWorkList
from nightshift.runner.__main__ import main
from nightshift.runner.clone import FULL_IN_A_ROW
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.workspace import Workspace
from tests.git.hostile.raw import RawRepository

CLOSED_PORT = "https://127.0.0.1:1/x.git"


@dataclass
class Pod:
    """A clone pod to be: remotes below ``folder``, its volume, and what it is asked to do."""

    folder: Path
    items: list[CloneItem] = field(default_factory=list)
    limits: CloneLimits = field(default_factory=lambda: CloneLimits(seconds=60))

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder / "volume")

    def add(self, name: str, files: dict[bytes, bytes]) -> RawRepository:
        raw = RawRepository(self.folder / f"{name}.git")
        self.ask(name, raw.url, raw.commit(raw.files(files)))
        return raw

    def ask(self, name: str, url: str, commit: str = "1" * 40) -> None:
        self.items.append(CloneItem(RepositoryName(name), url, CommitSha(commit)))

    def arguments(self) -> list[str]:
        protocols = ("file", "https")
        work = CloneWorkList(
            7, ShardName("c001"), AccountName("acme"), protocols, tuple(self.items), self.limits
        )
        path = self.folder / "work.json"
        path.write_text(dump(work))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        root = ["--root", str(self.workspace.root), "--scratch", str(self.folder)]
        return ["clone", *root, "--work-list", str(path), "--sha256", digest]

    def run(self, *more: str) -> ExitCode:
        return main([*self.arguments(), *more])

    def status(self, name: str) -> CheckoutStatus:
        path = self.workspace.checkout_status(RepositoryName(name))
        return load(CheckoutStatus, path.read_text())

    def source(self, name: str) -> Path:
        return self.workspace.source(RepositoryName(name))


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_every_repository_gets_a_tree_and_a_status(
    pod: Pod, capsys: pytest.CaptureFixture[str]
) -> None:
    pod.add("one", {b"a.py": b"1\n", b"b.sh": b"2\n"})
    pod.add("two", {b"c": b"#!/usr/bin/env python3\n"})
    assert pod.run() is ExitCode.DONE

    assert (pod.source("one") / "a.py").read_bytes() == b"1\n"
    status = pod.status("one")
    assert (status.state, status.files, status.bytes) == ("ready", 2, 4)
    assert status.languages == {"python": 1, "shell": 1}
    assert pod.status("two").languages == {"python": 1}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["repository"], line["state"]) for line in lines] == [
        ("one", "ready"),
        ("two", "ready"),
    ]


def test_failure_of_one_does_not_stop_the_next(pod: Pod) -> None:
    pod.ask("gone", (pod.folder / "no.git").as_uri())
    pod.ask("evil", "ext::sh -c touch% hacked")
    pod.ask("option", "--upload-pack=touch hacked")
    pod.add("fine", {b"a": b"1"})
    assert pod.run() is ExitCode.DONE
    assert pod.status("gone").reason is Reason.REMOTE_GONE
    assert pod.status("evil").reason is Reason.CLONE_FAILED
    assert pod.status("option").reason is Reason.CLONE_FAILED
    assert pod.status("fine").state == "ready"
    assert not list(pod.folder.rglob("hacked"))


def test_something_in_the_way_fails_one_repository_only(pod: Pod) -> None:
    pod.add("blocked", {b"a": b"1"})
    pod.add("fine", {b"a": b"1"})
    status = pod.workspace.checkout_status(RepositoryName("blocked"))
    pod.workspace.prepare()
    pod.workspace.manifest(RepositoryName("blocked")).mkdir()
    pod.run()
    assert load(CheckoutStatus, status.read_text()).reason is Reason.CLONE_FAILED
    assert pod.status("fine").state == "ready"


@pytest.mark.parametrize(
    ("attempt", "code"),
    [("1", ExitCode.TEMPORARY), ("2", ExitCode.TEMPORARY), ("3", ExitCode.DONE)],
)
def test_unreachable_remote_asks_for_a_retry_while_there_is_one(
    pod: Pod, attempt: str, code: ExitCode
) -> None:
    pod.ask("down", CLOSED_PORT)
    pod.add("fine", {b"a": b"1"})
    assert pod.run("--attempt", attempt, "--max-attempts", "3") is code
    assert pod.status("down").reason is Reason.CONNECT
    assert pod.status("fine").state == "ready"


def test_retry_keeps_what_is_ready(pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    raw = pod.add("one", {b"a": b"1"})
    pod.run()
    shutil.rmtree(raw.path)
    assert pod.run("--attempt", "2") is ExitCode.DONE
    assert pod.status("one").state == "ready"
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["kept"] is True


def truncate(pod: Pod) -> None:
    (pod.source("one") / "a").write_bytes(b"")


def delete(pod: Pod) -> None:
    (pod.source("one") / "a").unlink()


def tear_status(pod: Pod) -> None:
    path = pod.workspace.checkout_status(RepositoryName("one"))
    path.write_text(path.read_text()[:50])


def link_file(pod: Pod) -> None:
    delete(pod)
    (pod.source("one") / "a").symlink_to("x")  # as long as the file was


def drop_manifest(pod: Pod) -> None:
    pod.workspace.manifest(RepositoryName("one")).unlink()


def link_source(pod: Pod) -> None:
    shutil.rmtree(pod.source("one"))
    pod.source("one").symlink_to(pod.folder / "elsewhere", target_is_directory=True)


@pytest.mark.parametrize(
    "damage", [truncate, delete, tear_status, link_file, drop_manifest, link_source]
)
def test_retry_makes_a_damaged_tree_anew(pod: Pod, damage: object) -> None:
    elsewhere = pod.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("stays")
    pod.add("one", {b"a": b"1"})
    pod.run()
    assert callable(damage)
    damage(pod)
    assert pod.run() is ExitCode.DONE
    assert pod.status("one").state == "ready"
    assert not pod.source("one").is_symlink()
    assert (pod.source("one") / "a").read_bytes() == b"1"
    assert (elsewhere / "precious").exists()


def test_new_commit_replaces_the_tree(pod: Pod) -> None:
    raw = pod.add("one", {b"old": b"1"})
    pod.run()
    pod.items.clear()
    pod.ask("one", raw.url, raw.commit(raw.files({b"new": b"2"})))
    pod.run()
    assert [path.name for path in pod.source("one").iterdir()] == ["new"]


def test_remains_of_a_killed_attempt_are_removed(pod: Pod) -> None:
    pod.add("one", {b"a": b"1"})
    pod.workspace.prepare()
    partial = pod.workspace.partial_source(RepositoryName("one"))
    partial.mkdir()
    (partial / "half").write_text("x")
    (partial / "out").symlink_to("/etc", target_is_directory=True)
    pod.run()
    assert [path.name for path in (pod.workspace.root / "src").iterdir()] == ["one"]


def test_tree_is_readable_whatever_mask_the_pod_inherits(pod: Pod) -> None:
    pod.add("one", {b"a": b"1"})
    before = os.umask(0o077)
    try:
        pod.run()
    finally:
        os.umask(before)
    assert (pod.source("one") / "a").stat().st_mode & 0o777 == 0o644
    assert pod.source("one").stat().st_mode & 0o777 == 0o755
    assert pod.workspace.checkout_status(RepositoryName("one")).stat().st_mode & 0o777 == 0o644


def test_empty_work_list_is_nothing_to_do(pod: Pod) -> None:
    assert pod.run() is ExitCode.NOTHING_TO_DO
    assert not pod.workspace.root.exists()


def test_full_volume_costs_only_what_does_not_fit(pod: Pod) -> None:
    statuses = run_on_a_small_volume(pod, ("small", "large", "later", "large-too", "last"))
    assert {name: status.reason for name, status in statuses.items()} == {
        "small": Reason.OK,
        "large": Reason.VOLUME_FULL,
        "later": Reason.OK,
        "large-too": Reason.VOLUME_FULL,
        "last": Reason.OK,
    }


def test_a_volume_that_stays_full_is_not_tried_for_ever(pod: Pod) -> None:
    larges = tuple(f"large-{n}" for n in range(FULL_IN_A_ROW))
    later = run_on_a_small_volume(pod, (*larges, "later"))["later"]
    assert later.reason is Reason.VOLUME_FULL
    assert later.message.startswith("not tried")


def run_on_a_small_volume(pod: Pod, names: Sequence[str]) -> dict[str, CheckoutStatus]:
    """Clone repositories, of which the large ones do not fit; give the status of each."""
    for name in names:
        large = {b"f%d" % n: bytes(range(256)) * 800 for n in range(8)}
        pod.add(name, large if name.startswith("large") else {b"a": b"1"})
    root = pod.workspace.root
    root.mkdir()
    script = (
        'mount -t tmpfs -o size=800k tmpfs "$0" || exit 200\n'
        '"$@"; code=$?; cp -r "$0/." "$0.copy"; exit $code'
    )
    (pod.folder / "volume.copy").mkdir()
    command = [sys.executable, "-m", "nightshift.runner", *pod.arguments()]
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", script, str(root), *command],
        env={**os.environ, "PYTHONPATH": "include"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 200 or "unshare" in done.stderr:
        pytest.skip("this machine allows no user namespaces, so no small volume can be mounted")
    assert done.returncode == ExitCode.VOLUME_FULL, done.stderr
    copy = Workspace(pod.folder / "volume.copy")
    texts = {name: copy.checkout_status(RepositoryName(name)).read_text() for name in names}
    statuses = {name: load(CheckoutStatus, text) for name, text in texts.items()}
    there = {path.name for path in (copy.root / "src").iterdir()}
    assert there == {name for name, status in statuses.items() if status.state == "ready"}
    return statuses


def test_sigterm_ends_git_and_leaves_no_scratch_files(pod: Pod) -> None:
    raw = RawRepository(pod.folder / "bomb.git")
    level = raw.files({b"f%d" % n: b"x" for n in range(10)})
    for _ in range(9):
        level = raw.tree([("40000", b"d%d" % n, level) for n in range(10)])
    pod.limits = CloneLimits(files=10**9, seconds=60)
    pod.ask("bomb", raw.url, raw.commit(level))
    command = [sys.executable, "-m", "nightshift.runner", *pod.arguments()]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "include"}) as process:
        partial = pod.workspace.partial_source(RepositoryName("bomb"))
        deadline = time.monotonic() + 30
        while not partial.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not list(pod.folder.glob("nightshift-*"))
