"""Builds batches and results for the store's tests."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from nightshift import store
from nightshift.domain.finding_matches import Seen
from nightshift.domain.fingerprints import identify
from nightshift.domain.ids import (
    AccountName,
    CommitSha,
    RepositoryName,
    ScanName,
    ScannerName,
    ShardName,
)
from nightshift.domain.sarif_values import SarifRule
from nightshift.domain.scans import Outcome, Reason

NOW = dt.datetime(2026, 3, 3, 1, 0, tzinfo=dt.UTC)
ACCOUNT = AccountName("acme")
OTHER = AccountName("umbrella")
RUFF = ScannerName("ruff")
COMMITS = [CommitSha(f"{n:040x}") for n in range(1, 40)]
FILE = "app/main.py"
Query = Callable[..., list[tuple[object, ...]]]


def repository(name: str) -> RepositoryName:
    return RepositoryName(name)


@dataclass
class Nights:
    """A store with one account, its repositories, and one scanner."""

    engine: Engine
    names: Sequence[str] = ("api",)
    version: str = "1.0"
    rules: Sequence[str] = ("S101", "S102")
    runs: int = field(default=0)

    def __post_init__(self) -> None:
        with store.transaction(self.engine) as connection:
            store.sync_repositories(
                connection,
                [store.AccountRecord(ACCOUNT), store.AccountRecord(OTHER)],
                [
                    store.RepositoryRecord(ACCOUNT, RepositoryName(n), f"https://git.test/{n}")
                    for n in self.names
                ],
            )

    def scanner_id(self) -> int:
        with store.transaction(self.engine) as connection:
            return store.sync_scanners(connection, [store.ScannerRecord(RUFF, self.version)])[RUFF]

    def planned(self, batch: int, name: str, commit: CommitSha | None) -> store.PlannedScan:
        return store.PlannedScan(
            scan=ScanName(f"{batch}-{name}-ruff"),
            account=ACCOUNT,
            repository=RepositoryName(name),
            scanner=RUFF,
            scanner_id=self.scanner_id(),
            commit=commit,
            cache_key=f"{commit}-{self.version}",
        )

    def open(
        self, commit: CommitSha = COMMITS[0], *, shard: str = "s001"
    ) -> tuple[store.BatchId, tuple[store.OpenScan, ...]]:
        """Open a batch with a scan of every repository, all in one shard."""
        self.runs += 1
        with store.transaction(self.engine) as connection:
            batch = store.open_batch(connection, f"run-{self.runs}", NOW.date(), NOW)
        scans = [self.planned(batch, name, commit) for name in self.names]
        with store.transaction(self.engine) as connection:
            store.add_scans(connection, batch, scans)
            record = store.ShardRecord(
                ShardName(shard),
                ACCOUNT,
                tuple(RepositoryName(n) for n in self.names),
                tuple(s.scan for s in scans),
                planned_node="node-1",
            )
            store.save_shards(connection, batch, [record])
            return batch, store.list_scans(connection, batch)

    def ingest(
        self,
        batch: store.BatchId,
        scan: store.OpenScan,
        seen: Sequence[Seen],
        **findings: Any,
    ) -> store.IngestResult:
        return ingest(self.engine, batch, scan, seen, rules=self.rules, **findings)

    def night(
        self, seen: Sequence[Seen], commit: CommitSha = COMMITS[0], **findings: Any
    ) -> store.IngestResult:
        """Do a whole night of the first repository, sealed at its end."""
        batch, scans = self.open(commit)
        result = self.ingest(batch, scans[0], seen, **findings)
        with store.transaction(self.engine) as connection:
            ending = store.Ending(Outcome.NOT_RUN, Reason.NIGHT_OVER)
            store.finish_open_scans(connection, batch, ending, NOW)
            store.seal_batch(connection, batch, NOW)
        return result


def ingest(
    engine: Engine,
    batch: store.BatchId,
    scan: store.OpenScan,
    seen: Sequence[Seen],
    *,
    rules: Iterable[str] = ("S101",),
    why_not_close: str = "",
    paths: Iterable[str] = (FILE,),
    now: dt.datetime = NOW,
) -> store.IngestResult:
    found = store.ScanFindings(
        sarif_sha256=f"{hash(tuple(seen)):x}",
        seen=seen,
        rules={rule: SarifRule(rule) for rule in {*rules, *(s.rule for s in seen)}},
        why_not_close=why_not_close,
        paths=frozenset(paths),
    )
    end = store.ScanEnd(Outcome.SUCCEEDED, Reason.OK, files_expected=1)
    with store.transaction(engine) as connection:
        return store.ingest_scan(connection, batch, scan, end, found, now)


def seen_at(
    line: int, text: str, *, rule: str = "S101", path: str = FILE, severity: int = 2
) -> Seen:
    """A result at a line of a file whose other lines are all different."""
    lines = [f"line {n}" for n in range(line - 1)] + [text, "after", "end"]
    identity = identify(rule, path, lines, line)
    return Seen(
        rule=rule,
        path=path,
        line=line,
        column=1,
        fingerprint=identity.fingerprint,
        context=identity.context,
        severity=severity,
        message=f"{rule} is here",
        snippet=text,
        blob="b" * 40,
    )


def many(count: int, *, path: str = FILE) -> list[Seen]:
    return [seen_at(n, f"assert value_{n}", path=path) for n in range(1, count + 1)]
