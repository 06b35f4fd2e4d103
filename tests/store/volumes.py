"""Writes a workspace volume as clone and scan pods leave it."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.domain.ids import CommitSha, RepositoryName, ScanName
from nightshift.domain.jsonvalues import dump
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, ManifestEntry, Phase, ScanStatus
from nightshift.runner.manifests import write_manifest


def sarif(results: list[tuple[str, str, int]], root: str = "", **run: Any) -> bytes:
    """Build SARIF of (rule, path, line)."""
    raw = [
        {
            "ruleId": rule,
            "level": "error",
            "message": {"text": f"{rule} is bad"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f"{root}{path}"},
                        "region": {"startLine": line},
                    }
                }
            ],
        }
        for rule, path, line in results
    ]
    titles = {"S101": "Use of `assert` detected", "S105": "Possible hardcoded password"}
    rules = [{"id": rule, "shortDescription": {"text": title}} for rule, title in titles.items()]
    driver = {"name": "ruff", "rules": rules}
    document = {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": raw, **run}]}
    return json.dumps(document).encode()


@dataclass(frozen=True)
class TestVolume:
    __test__ = False

    root: Path
    shard: str = "s001"

    def write_tree(
        self, repository: str, commit: CommitSha, files: dict[str, str], **status: Any
    ) -> None:
        source = self.root / "src" / repository
        for path, text in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text)
        (self.root / "checkout").mkdir(exist_ok=True)
        entries = [
            ManifestEntry(path, len(text), hashlib.sha1(text.encode()).hexdigest())
            for path, text in files.items()
        ]
        write_manifest(self.root / "checkout" / f"{repository}.manifest.jsonl", entries)
        fields = {"state": "ready", "reason": Reason.OK, "files": len(files), **status}
        checkout = CheckoutStatus(RepositoryName(repository), commit, **fields)
        (self.root / "checkout" / f"{repository}.json").write_text(dump(checkout))

    def folder(self, scan: str) -> Path:
        return self.root / "out" / self.shard / scan

    def write_scan(self, scan: str, cache_key: str, result: bytes | None, **fields: Any) -> None:
        folder = self.folder(scan)
        folder.mkdir(parents=True, exist_ok=True)
        if result is not None:
            (folder / "result.sarif").write_bytes(result)
        status = ScanStatus(**{
            "scan": ScanName(scan),
            "attempt": 1,
            "phase": Phase.ENDED,
            "cache_key": cache_key,
            "outcome": Outcome.SUCCEEDED,
            "reason": Reason.OK,
            "started_at": "2026-03-03T01:00:00.000Z",
            "finished_at": "2026-03-03T01:00:02.500Z",
            "files_expected": 1,
            "files_scanned": 1,
            "output_sha256": hashlib.sha256(result or b"").hexdigest(),
            "confinement": ("landlock:7",),
            "may_close": True,
            **fields,
        })
        (folder / "status.json").write_text(dump(status))
