"""Opening a batch: what is wanted, what remotes say, what is unchanged, what will be scanned."""

import datetime as dt
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from nightshift.clock import Clock
from nightshift.config.batch_files import read_batch_file
from nightshift.config.entries import Allowed
from nightshift.config.repositories import read_repositories
from nightshift.domain.batches import ScanNeeds
from nightshift.domain.ids import (
    AccountName,
    ScannerName,
    parse_repository_name,
    parse_scan_name,
)
from nightshift.domain.names import label_value
from nightshift.domain.repositories import Account, RefName, Repository, parse_ref
from nightshift.domain.scans import Outcome, Reason
from nightshift.errors import ConfigError
from nightshift.git.admission import HeadResult, read_heads
from nightshift.git.commands import Git
from nightshift.git.sessions import git_session
from nightshift.orchestration.steps.connections import Night, connected
from nightshift.orchestration.steps.selection import Selection
from nightshift.scanners.definitions import Scanner
from nightshift.scanners.loading import SHIPPED, cache_key, load_scanners
from nightshift.settings import Settings
from nightshift.store.batches import (
    abort_batch,
    add_scans,
    find_unchanged,
    list_open_batches,
    open_batch,
    record_ended,
    verify_unchanged,
)
from nightshift.store.engines import Connection, transaction
from nightshift.store.records import (
    AccountRecord,
    BatchId,
    Candidate,
    Ending,
    PlannedScan,
    RepositoryRecord,
    ScannerRecord,
)
from nightshift.store.registry import sync_repositories, sync_scanners

log = logging.getLogger(__name__)

Scanners = Mapping[ScannerName, Scanner]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A repository to be scanned, and by what."""

    repository: Repository
    scanners: tuple[ScannerName, ...]
    provider: str = "git"
    weight: int = 1
    needs: ScanNeeds = field(default_factory=ScanNeeds)


@dataclass(frozen=True, slots=True)
class OpenedNight:
    """What came of opening a batch, for the log."""

    batch: BatchId
    repositories: int
    planned: int
    unchanged: int
    ended: int

    def __str__(self) -> str:
        return (
            f"batch {self.batch}: {self.repositories} repositories, {self.planned} scans to do, "
            f"{self.unchanged} unchanged, {self.ended} without a commit to scan"
        )


def open_night(settings: Settings, selection: Selection, run_id: str, now: Clock) -> OpenedNight:
    """Open the run's batch and write its scans; safe to repeat, which changes nothing.

    :raises ConfigErrors: for faults of the registry or of the batch file, all at once.
    :raises ConfigError: if the run names an account or a repository that there is not.
    :raises Conflict: if another open batch scans the same.
    """
    scanners = load_scanners(scanners_folder(settings))
    wanted = read_wanted(settings, selection, scanners)
    heads = _ask_remotes(settings, [one.repository for one in wanted])
    with connected(settings) as night:
        return _write_batch(night, wanted, heads, scanners, selection, run_id, now())


def scanners_folder(settings: Settings) -> Path:
    """Find the definitions of the scanners that the settings ask for."""
    return Path(settings.scanners_dir) if settings.scanners_dir else SHIPPED


def read_wanted(settings: Settings, selection: Selection, scanners: Scanners) -> list[Wanted]:
    """Read the registry, or the batch file of the run, and keep what the run is about."""
    allowed = Allowed(tuple(scanners), settings.git_protocols, settings.git_hosts_allowed)
    if selection.batch_file:
        path = settings.config_dir / "batches" / selection.batch_file
        every = list(_from_batch_file(path, allowed))
    else:
        every = list(_from_registry(settings.config_dir / "repositories.yaml", allowed, scanners))
    known = frozenset(f"{one.repository.account}/{one.repository.name}" for one in every)
    selection.check_known(known, frozenset(one.repository.account for one in every))
    chosen = [one for one in every if selection.wants(*one.repository.key)]
    return [_narrow(one, selection) for one in chosen]


def _from_registry(path: Path, allowed: Allowed, scanners: Scanners) -> Iterator[Wanted]:
    if not path.exists():
        raise ConfigError(
            str(path),
            "is not there: list your repositories in it (see repositories.example.yaml), or set "
            "NIGHTSHIFT_CONFIG_DIR to the folder that has it",
        )
    for account in read_repositories(path, allowed).accounts:
        for entry in account.repositories:
            names = tuple(scanners) if entry.scanners is None else entry.scanners
            yield Wanted(entry.repository, names, account.account.provider, account.weight)


def _from_batch_file(path: Path, allowed: Allowed) -> Iterator[Wanted]:
    for job in read_batch_file(path, allowed).in_starting_order():
        repository = Repository(job.account, job.name, job.remote, job.ref)
        yield Wanted(repository, job.scanners, needs=job.needs)


def _narrow(wanted: Wanted, selection: Selection) -> Wanted:
    """Apply the run's own scanners and ref.

    Another ref is tracked as a repository of its own: its findings would otherwise close those of
    the usual one, and come back as new the night after.
    """
    repository = wanted.repository
    if selection.ref:
        name = parse_repository_name(label_value(f"{repository.name}--{selection.ref}"))
        repository = replace(repository, name=name, ref=_read_ref(selection.ref))
    names = tuple(n for n in wanted.scanners if not selection.scanners or n in selection.scanners)
    return replace(wanted, repository=repository, scanners=names)


def _read_ref(text: str) -> RefName:
    try:
        return parse_ref(text)
    except ValueError as error:
        raise ConfigError("params.ref", str(error)) from error


def _ask_remotes(settings: Settings, repositories: Sequence[Repository]) -> list[HeadResult]:
    with ExitStack() as stack:
        sessions: dict[AccountName, Git] = {}
        for account in {repository.account for repository in repositories}:
            session = git_session(settings.git_protocols, _credentials(settings, account))
            sessions[account] = stack.enter_context(session)
        return read_heads(repositories, sessions.__getitem__, on_result=_log_failure)


def _credentials(settings: Settings, account: AccountName) -> Path | None:
    if not settings.git_credentials_dir:
        return None
    folder = Path(settings.git_credentials_dir) / account
    return folder if folder.is_dir() else None


def _log_failure(result: HeadResult) -> None:
    if result.failure is not None:
        name = "/".join(result.repository.key)
        log.warning("%s: %s (%s)", name, result.failure, result.failure.reason)


def _write_batch(
    night: Night,
    wanted: Sequence[Wanted],
    heads: Sequence[HeadResult],
    scanners: Scanners,
    selection: Selection,
    run_id: str,
    now: dt.datetime,
) -> OpenedNight:
    local = now.astimezone(ZoneInfo(night.settings.time_zone)).date()
    with transaction(night.writer) as connection:
        sync_repositories(connection, _account_records(wanted), _repository_records(wanted))
        numbers = sync_scanners(connection, [_scanner_record(s) for s in scanners.values()])
        batch = open_batch(connection, run_id, local, now)
        _give_up_others(connection, batch, now)
    planned, ended = _plan(batch, wanted, heads, scanners, numbers, night.settings.scan_image)
    with transaction(night.writer) as connection:
        candidates = {_candidate(scan): scan for scan in planned}
        unchanged = set() if selection.force else find_unchanged(connection, list(candidates))
        verify_unchanged(connection, batch, unchanged, now)
        due = [scan for candidate, scan in candidates.items() if candidate not in unchanged]
        add_scans(connection, batch, due)
        record_ended(connection, batch, ended, now)
    return OpenedNight(batch, len(wanted), len(due), len(unchanged), len(ended))


def _give_up_others(connection: Connection, batch: BatchId, now: dt.datetime) -> None:
    """Abort what earlier runs left open: there is one run at a time, so nobody works on it."""
    for other, run in list_open_batches(connection):
        if other != batch:
            reason = f"batch {batch} was opened while this one was still open"
            count = abort_batch(connection, other, reason, now)
            log.warning("gave up batch %s of run %s with %s open scans", other, run, count)


def _plan(
    batch: BatchId,
    wanted: Sequence[Wanted],
    heads: Sequence[HeadResult],
    scanners: Scanners,
    numbers: Mapping[ScannerName, int],
    image: str,
) -> tuple[list[PlannedScan], list[tuple[PlannedScan, Ending]]]:
    """Turn each repository and scanner into a scan to do, or into one that has ended already."""
    planned: list[PlannedScan] = []
    ended: list[tuple[PlannedScan, Ending]] = []
    for one, head in zip(wanted, heads, strict=True):
        commit = head.head.commit if head.head is not None else None
        for name in one.scanners:
            account, repository = one.repository.key
            scan = PlannedScan(
                scan=parse_scan_name(f"{batch}-{repository}-{name}"),
                account=account,
                repository=repository,
                scanner=name,
                scanner_id=numbers[name],
                commit=commit,
                cache_key="" if commit is None else cache_key(commit, scanners[name], image),
                needs=one.needs,
            )
            if commit is None:
                ended.append((scan, _ending(head)))
            else:
                planned.append(scan)
    return planned, ended


def _ending(head: HeadResult) -> Ending:
    if head.failure is not None:
        return Ending(Outcome.NOT_RUN, head.failure.reason, str(head.failure))
    return Ending(Outcome.NOT_APPLICABLE, Reason.EMPTY_REPOSITORY, "the repository has no commit")


def _candidate(scan: PlannedScan) -> Candidate:
    return Candidate(scan.account, scan.repository, scan.scanner, scan.cache_key)


def _account_records(wanted: Sequence[Wanted]) -> list[AccountRecord]:
    found: dict[AccountName, AccountRecord] = {}
    for one in wanted:
        account = Account(one.repository.account, one.provider)
        found[account.name] = AccountRecord(account.name, account.provider, one.weight)
    return list(found.values())


def _repository_records(wanted: Sequence[Wanted]) -> list[RepositoryRecord]:
    return [
        RepositoryRecord(
            account=one.repository.account,
            name=one.repository.name,
            remote=one.repository.remote.url,
            ref=one.repository.ref or "",
        )
        for one in wanted
    ]


def _scanner_record(scanner: Scanner) -> ScannerRecord:
    return ScannerRecord(
        name=scanner.name,
        version=scanner.version,
        rules_digest=scanner.digest,
        finds_secrets=scanner.finds_secrets,
    )
