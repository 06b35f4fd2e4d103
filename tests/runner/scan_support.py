"""A workspace as a clone pod leaves it, and the scan runner started as a pod starts it."""

import dataclasses
import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from nightshift.clock import utc_now
from nightshift.domain.ids import (
    AccountName,
    CommitSha,
    RepositoryName,
    ScanName,
    ScannerName,
    ShardName,
)
from nightshift.domain.jsonvalues import dump, load
from nightshift.domain.languages import count_languages, language_of
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import (
    CheckoutStatus,
    ManifestEntry,
    ScanItem,
    ScanStatus,
    ScanWorkList,
)
from nightshift.runner.manifests import write_manifest
from nightshift.runner.sandbox import Sandbox, detect_sandbox
from nightshift.runner.scan_canaries import CanaryResult
from nightshift.runner.scan_execution import Executor
from nightshift.runner.scan_items import run_item
from nightshift.runner.scan_pods import ScanPod
from nightshift.runner.scan_toolchain import read_toolchain
from nightshift.runner.workspace import Workspace
from nightshift.scanners import SHIPPED, get_scanner, load_scanners

PROJECT = Path(__file__).parents[2]
COMMIT = CommitSha("1" * 40)
SHARD = ShardName("s001")
REPOSITORY = RepositoryName("demo")
MIB = 1 << 20


def scanner_python() -> Path:
    """Find the environment that holds the scanners; a missing one is a fault, not a skip."""
    home = Path(os.environ.get("NIGHTSHIFT_SCANNER_ENV", PROJECT / ".venv-scanner"))
    python = home / "bin" / "python"
    if not python.exists():
        pytest.fail(
            f"{python} is missing: `make install` puts scanner/requirements.txt there, "
            "or name another environment in NIGHTSHIFT_SCANNER_ENV"
        )
    return python


_toolchain = functools.cache(read_toolchain)
_CANARIES: dict[ScannerName, CanaryResult] = {}
"""Of the shipped scanners, once for all tests, as once for all scans of a pod."""


@dataclasses.dataclass(frozen=True)
class Pod:
    """A workspace and what a scan pod is asked to do in it."""

    root: Path
    scanners: Path | None = None

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def add_tree(
        self, files: Mapping[str, str | bytes], repository: RepositoryName = REPOSITORY
    ) -> Path:
        """Write a tree, its manifest and its checkout status."""
        self.workspace.prepare()
        source = self.workspace.source(repository)
        source.mkdir()
        entries = []
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(data)
            entries.append(ManifestEntry(path, len(data), "2" * 40, language_of(path)))
        write_manifest(self.workspace.manifest(repository), entries)
        status = CheckoutStatus(
            repository=repository,
            commit=COMMIT,
            state="ready",
            reason=Reason.OK,
            files=len(files),
            languages=count_languages(entry.language for entry in entries),
        )
        self.add_checkout(status)
        return source

    def add_checkout(self, status: CheckoutStatus) -> None:
        self.workspace.prepare()
        path = self.workspace.checkout_status(status.repository)
        path.write_text(dump(status), encoding="utf-8")

    def item(self, scanner: str, repository: RepositoryName = REPOSITORY) -> ScanItem:
        return ScanItem(
            scan=ScanName(f"7-{repository}-{scanner}"),
            repository=repository,
            commit=COMMIT,
            scanner=ScannerName(scanner),
            cache_key=f"key-{scanner}",
            deadline_seconds=60,
            memory_bytes=512 * MIB,
        )

    def command(self, items: Sequence[ScanItem], *options: str) -> list[str]:
        """Write the work list and give the command that a pod would run."""
        work_list = ScanWorkList(
            batch=7,
            shard=SHARD,
            account=AccountName("acme"),
            items=tuple(items),
        )
        path = self.root.parent / "work.json"
        path.write_text(dump(work_list), encoding="utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        scratch = self.root.parent / "scratch"
        scratch.mkdir(exist_ok=True)
        own = ["--scanners", str(self.scanners)] if self.scanners else []
        return [
            *(str(scanner_python()), "-m", "nightshift.runner", "scan", "--root", str(self.root)),
            *("--work-list", str(path), "--sha256", digest, "--scratch", str(scratch)),
            *own,
            *options,
        ]

    def run(
        self, *items: ScanItem, options: Sequence[str] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Run the runner to its end."""
        command = self.command(items, *options)
        return subprocess.run(
            command, env=runner_environment(), capture_output=True, text=True, timeout=100
        )

    def status(self, item: ScanItem) -> ScanStatus:
        text = (self.workspace.scan(SHARD, item.scan) / "status.json").read_text(encoding="utf-8")
        return load(ScanStatus, text)

    def scan_here(
        self,
        item: ScanItem,
        sandbox: Sandbox | None = None,
        *,
        require: bool = True,
        stop: bool = False,
    ) -> ScanStatus:
        """Run one scan in this process, which is faster than a runner of its own."""
        scratch = self.root.parent / "scratch"
        for folder in (scratch, self.root / "out" / SHARD):
            folder.mkdir(exist_ok=True)
        python = Path(sys.executable) if self.scanners else scanner_python()
        pod = ScanPod(
            work_list=ScanWorkList(7, SHARD, AccountName("acme"), (item,), require),
            workspace=self.workspace,
            executor=Executor(
                sandbox or detect_sandbox(), _toolchain(python), scratch, lambda: stop
            ),
            clock=utc_now,
            count_oom_kills=lambda: 0,
            canaries={} if self.scanners else _CANARIES,
        )
        scanner = get_scanner(load_scanners(self.scanners or SHIPPED), item.scanner, "test")
        return run_item(pod, scanner, item, attempt=1)

    def scan(self, item: ScanItem) -> ScanStatus:
        """Run one scan and give its status."""
        done = self.run(item)
        assert done.returncode == 0, done.stderr
        return self.status(item)


def runner_environment() -> dict[str, str]:
    return {
        "PYTHONPATH": str(PROJECT / "include"),
        "PATH": os.environ["PATH"],
        "SECRET_OF_THE_POD": "must not reach a scanner",
    }
