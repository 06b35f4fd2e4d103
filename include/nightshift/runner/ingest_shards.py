"""Takes the results of whole shards into the store, scan by scan."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from nightshift.clock import Clock
from nightshift.domain.ids import AccountName, RepositoryName, ShardName
from nightshift.domain.printable import printable_line
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus
from nightshift.errors import ConfigError, InvalidSarif, NotFound
from nightshift.runner.ingest_scans import (
    SourceFacts,
    end_of,
    end_without_status,
    read_ended_status,
    read_findings,
    read_source_facts,
)
from nightshift.runner.ingest_volume import list_unknown, read_checkout
from nightshift.runner.patience import Patience
from nightshift.runner.workspace import Workspace
from nightshift.store.checkouts import record_checkout
from nightshift.store.engines import Engine, transaction
from nightshift.store.ingest import IngestResult, ScanEnd, ScanFindings, ingest_scan
from nightshift.store.records import PLANNED, BatchId, OpenScan
from nightshift.store.scans import list_scans_of_shards
from nightshift.store.shards import read_terminated_reasons

OPEN = "open"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class IngestJob:
    """What one ingest pod does.

    :param secret_key: goes into the identity of lines that may hold a secret.
    :param last_attempt: scans without a result are ended; else they are left open.
    """

    batch: BatchId
    account: AccountName
    shards: tuple[ShardName, ...]
    workspace: Workspace
    secret_key: bytes
    last_attempt: bool = False


@dataclass(frozen=True, slots=True)
class ScanNote:
    """What became of one scan, for the pod's log.

    :param scan: its name; or that of a repository or a folder, for ``unknown``.
    :param state: the outcome; ``open`` if it was left open; ``unknown`` for something on the volume
        that nobody asked for or that cannot be believed.
    """

    scan: str
    state: str
    reason: str = ""
    message: str = ""
    result: IngestResult | None = None

    @property
    def is_open(self) -> bool:
        """Whether another attempt is needed."""
        return self.state == OPEN

    def as_line(self) -> dict[str, object]:
        """Give what to log."""
        line: dict[str, object] = {"scan": self.scan, "state": self.state, "reason": self.reason}
        if self.message:
            line["message"] = self.message
        if self.result is not None:
            counts = self.result.counts
            line |= {
                "applied": self.result.applied,
                "results": self.result.results,
                "new": counts.opened,
                "fixed": counts.fixed,
                "reopened": counts.reopened,
                "suspect": self.result.suspect,
            }
        return line


def ingest_shards(
    job: IngestJob,
    engine: Engine,
    patience: Patience,
    clock: Clock,
    *,
    say: Callable[[ScanNote], None],
) -> list[ScanNote]:
    """Ingest every scan of the job's shards; scans that have ended already are kept as they are.

    :param say: is told of each scan as it is done.
    :raises StoreBusy: if the database stays away; what was done until then is kept.
    :raises NotFound: if the batch has no such scans.
    """
    reader = _Ingest(job, engine, patience, clock)
    notes = []
    for note in reader.run():
        say(note)
        notes.append(note)
    return notes


class _Ingest:
    def __init__(self, job: IngestJob, engine: Engine, patience: Patience, clock: Clock) -> None:
        self._job = job
        self._engine = engine
        self._patience = patience
        self._clock = clock
        self._facts: SourceFacts | None = None

    def run(self) -> Iterator[ScanNote]:
        scans = self._list()
        if not scans:
            raise NotFound(
                f"batch {self._job.batch} has no scans of {self._job.account} in the shards "
                f"{', '.join(self._job.shards)}"
            )
        yield from self._report_unknown(scans)
        checkouts: dict[RepositoryName, CheckoutStatus] = {}
        yield from self._record_checkouts(scans, checkouts)
        ends = self._patience.call(self._read_pod_ends)
        for scan in self._list():
            if scan.state != PLANNED:
                yield ScanNote(scan.scan, scan.state, scan.reason, "ended before")
            else:
                yield self._ingest(scan, checkouts.get(scan.repository), ends.get(scan.shard, ""))

    def _list(self) -> tuple[OpenScan, ...]:
        job = self._job

        def read() -> tuple[OpenScan, ...]:
            with transaction(self._engine) as connection:
                return list_scans_of_shards(connection, job.batch, job.account, job.shards)

        return self._patience.call(read)

    def _read_pod_ends(self) -> dict[str, str]:
        with transaction(self._engine) as connection:
            return read_terminated_reasons(connection, self._job.batch, self._job.shards)

    def _report_unknown(self, scans: Iterable[OpenScan]) -> Iterator[ScanNote]:
        for shard in self._job.shards:
            expected = [scan.scan for scan in scans if scan.shard == shard]
            for name in list_unknown(self._job.workspace, shard, expected):
                yield ScanNote(name, UNKNOWN, message=f"is in {shard} and was not asked for")

    def _record_checkouts(
        self, scans: Iterable[OpenScan], found: dict[RepositoryName, CheckoutStatus]
    ) -> Iterator[ScanNote]:
        """Store what the clone pods said; a repository without a tree ends its scans here.

        A status that cannot be believed is reported and counts as none: nothing is closed then.
        """
        for repository, scan in {scan.repository: scan for scan in scans}.items():
            try:
                status = read_checkout(self._job.workspace, repository)
            except ConfigError as error:
                yield ScanNote(repository, UNKNOWN, message=printable_line(str(error), 1_000))
                continue
            if status is not None and status.commit != scan.commit:
                message = f"its checkout is of {status.commit}, not of {scan.commit}"
                yield ScanNote(repository, UNKNOWN, message=message)
            elif status is not None:
                found[repository] = status
                if scan.checkout_state == PLANNED:
                    self._patience.call(self._recorder(scan, status))

    def _recorder(self, scan: OpenScan, status: CheckoutStatus) -> Callable[[], None]:
        def record() -> None:
            with transaction(self._engine) as connection:
                record_checkout(
                    connection, self._job.batch, scan.repository_id, status, self._clock()
                )

        return record

    def _ingest(self, scan: OpenScan, checkout: CheckoutStatus | None, pod_end: str) -> ScanNote:
        fault = "the scan's pod left no result"
        try:
            status = read_ended_status(self._job.workspace, scan)
            end = None if status is None else end_of(status)
        except ConfigError as error:
            status, end, fault = None, None, printable_line(str(error), 1_000)
        if status is not None and end is not None:
            facts = self._source_facts(scan, checkout)
            findings: ScanFindings | None = None
            try:
                findings = read_findings(
                    self._job.workspace, scan, status, facts, self._job.secret_key
                )
            except (InvalidSarif, ConfigError, NotFound) as error:
                end = _without_result(end, error)
            return self._store(scan, end, findings)
        if not self._job.last_attempt:
            return ScanNote(scan.scan, OPEN, message=fault)
        if checkout is None and not pod_end:
            lost = ScanEnd(Outcome.NOT_RUN, Reason.CLONE_FAILED, "the clone pod left no word")
            return self._store(scan, lost, None)
        return self._store(scan, end_without_status(fault, pod_end), None)

    def _source_facts(self, scan: OpenScan, checkout: CheckoutStatus | None) -> SourceFacts:
        """Read a repository's manifest once for all of its scans, which follow one another."""
        if self._facts is None or self._facts.repository != scan.repository:
            self._facts = read_source_facts(self._job.workspace, scan.repository, checkout)
        return self._facts

    def _store(self, scan: OpenScan, end: ScanEnd, findings: ScanFindings | None) -> ScanNote:
        def write() -> IngestResult:
            with transaction(self._engine) as connection:
                return ingest_scan(connection, self._job.batch, scan, end, findings, self._clock())

        result = self._patience.call(write)
        return ScanNote(scan.scan, result.outcome, result.reason, end.message, result)


def _without_result(end: ScanEnd, error: Exception) -> ScanEnd:
    """Fail a scan that says that it succeeded, but whose result cannot be believed."""
    reason = Reason.NO_OUTPUT if isinstance(error, NotFound) else Reason.BAD_SARIF
    message = printable_line(str(error), 1_000)
    return replace(end, outcome=Outcome.FAILED, reason=reason, message=message)
