import dataclasses
import datetime as dt

import pytest
from sqlalchemy import Connection, Engine

from nightshift import store
from nightshift.domain.ids import CommitSha, RepositoryName, ScanName, ScannerName, ShardName
from nightshift.domain.scans import Outcome, Reason
from nightshift.errors import Conflict, NotFound
from tests.store.nights import ACCOUNT, COMMITS, NOW, RUFF, Nights, Query, many

LATER = NOW + dt.timedelta(days=1)
NIGHT_OVER = store.Ending(Outcome.NOT_RUN, Reason.NIGHT_OVER)


@pytest.fixture
def nights(engine: Engine) -> Nights:
    return Nights(engine, names=("api", "web"))


def candidate(name: str, commit: CommitSha) -> store.Candidate:
    return store.Candidate(ACCOUNT, RepositoryName(name), RUFF, f"{commit}-1.0")


def test_same_run_opens_one_batch(connection: Connection) -> None:
    first = store.open_batch(connection, "run-1", NOW.date(), NOW)
    assert store.open_batch(connection, "run-1", NOW.date(), LATER) == first
    assert store.open_batch(connection, "run-2", NOW.date(), NOW) != first


def test_syncing_again_updates_and_keeps_numbers(connection: Connection) -> None:
    repositories = [store.RepositoryRecord(ACCOUNT, RepositoryName("api"), "https://git.test/api")]
    first = store.sync_repositories(connection, [store.AccountRecord(ACCOUNT)], repositories)
    renamed = [store.RepositoryRecord(ACCOUNT, RepositoryName("api2"), "https://git.test/api")]
    again = store.sync_repositories(connection, [store.AccountRecord(ACCOUNT, weight=3)], renamed)
    assert list(first.values()) == list(again.values())
    assert connection.exec_driver_sql("SELECT weight FROM accounts").scalar() == 3


def test_two_repositories_may_swap_their_names(connection: Connection) -> None:
    def record(name: str, remote: str) -> store.RepositoryRecord:
        return store.RepositoryRecord(ACCOUNT, RepositoryName(name), f"https://git.test/{remote}")

    accounts = [store.AccountRecord(ACCOUNT)]
    before = store.sync_repositories(connection, accounts, [record("a", "x"), record("b", "y")])
    after = store.sync_repositories(connection, accounts, [record("b", "x"), record("a", "y")])
    assert after[ACCOUNT, RepositoryName("b")] == before[ACCOUNT, RepositoryName("a")]


def test_repository_of_an_unknown_account_is_refused(connection: Connection) -> None:
    record = store.RepositoryRecord(ACCOUNT, RepositoryName("api"), "https://git.test/api")
    with pytest.raises(NotFound, match="acme"):
        store.sync_repositories(connection, [], [record])


def test_adding_scans_again_changes_nothing(nights: Nights, query: Query) -> None:
    batch, scans = nights.open(COMMITS[0])
    with store.transaction(nights.engine) as connection:
        store.add_scans(connection, batch, [nights.planned(batch, "api", COMMITS[1])])
        assert store.list_scans(connection, batch) == scans
    assert query("SELECT path, remote FROM checkouts ORDER BY path") == [
        ("src/api", "https://git.test/api"),
        ("src/web", "https://git.test/web"),
    ]


def test_pair_can_be_in_one_open_batch_only(nights: Nights) -> None:
    first, _ = nights.open()
    with pytest.raises(Conflict, match=r"batch 1 of run run-1 is open.*abort it"):
        nights.open()
    with store.transaction(nights.engine) as connection:
        assert store.abort_batch(connection, first, "crashed", NOW) == 2
        second = store.open_batch(connection, "run-2", NOW.date(), NOW)
        store.add_scans(connection, second, [nights.planned(second, "api", COMMITS[0])])
        assert store.list_open_batches(connection) == ((second, "run-2"),)


def test_unchanged_needs_the_same_key_and_a_recent_scan(nights: Nights, query: Query) -> None:
    nights.night(many(1), COMMITS[0])
    known, moved = candidate("api", COMMITS[0]), candidate("api", COMMITS[1])
    never = candidate("web", COMMITS[0])
    with store.transaction(nights.engine) as connection:
        assert store.find_unchanged(connection, [known, never]) == {known}
        assert store.find_unchanged(connection, [moved]) == set()
        assert store.find_unchanged(connection, [known], scanned_since=LATER) == set()
        batch = store.open_batch(connection, "next", NOW.date(), LATER)
        assert store.verify_unchanged(connection, batch, [known], LATER) == 1
        assert store.verify_unchanged(connection, batch, [known], LATER) == 1
    assert query("SELECT verified_at, scanned_at FROM latest_scans") == [(LATER, NOW)]
    assert query("SELECT unchanged FROM batches WHERE id = 2") == [(1,)]


def test_a_scan_waits_since_the_first_night_that_did_not_come_to_it(nights: Nights) -> None:
    def night(day: int, ending: store.Ending) -> dt.datetime | None:
        """Open a night, end it, and say since when its scans of ``api`` had waited."""
        now = NOW + dt.timedelta(days=day)
        with store.transaction(nights.engine) as connection:
            batch = store.open_batch(connection, f"night-{day}", now.date(), now)
            store.add_scans(connection, batch, [nights.planned(batch, "api", COMMITS[day])])
            (scan,) = store.list_scans(connection, batch)
            store.finish_open_scans(connection, batch, ending, now)
            store.seal_batch(connection, batch, now)
        return scan.waiting_since

    over = store.Ending(Outcome.NOT_RUN, Reason.NIGHT_OVER)
    failed = store.Ending(Outcome.FAILED, Reason.EXIT_CODE)
    found = [night(day, end) for day, end in enumerate([over, over, failed, over, over])]
    assert found == [None, NOW, NOW, None, NOW + dt.timedelta(days=3)]


def test_failed_scan_is_never_unchanged(nights: Nights) -> None:
    batch, (scan, _) = nights.open()
    with store.transaction(nights.engine) as connection:
        failed = store.ScanEnd(Outcome.FAILED, Reason.EXIT_CODE)
        store.ingest_scan(connection, batch, scan, failed, None, NOW)
        assert store.find_unchanged(connection, [candidate("api", COMMITS[0])]) == set()


def test_repository_that_does_not_answer_is_recorded_as_not_run(
    nights: Nights, query: Query
) -> None:
    with store.transaction(nights.engine) as connection:
        batch = store.open_batch(connection, "run", NOW.date(), NOW)
        ending = store.Ending(Outcome.NOT_RUN, Reason.AUTH_FAILED, "no such token")
        for _ in range(2):
            store.record_ended(
                connection, batch, [(nights.planned(batch, "api", None), ending)], NOW
            )
        totals = store.seal_batch(connection, batch, NOW)
    assert totals["outcomes"] == {"not_run": {"auth_failed": 1}}
    assert query("SELECT state, reason, message FROM checkouts") == [
        ("not_run", "auth_failed", "no such token")
    ]


def test_repository_is_still_fetched_when_only_one_of_its_scans_ended(
    nights: Nights, query: Query
) -> None:
    batch, _ = nights.open()
    quarantined = dataclasses.replace(
        nights.planned(batch, "api", COMMITS[0]),
        scan=ScanName("1-api-bandit"),
        scanner=ScannerName("bandit"),
    )
    with store.transaction(nights.engine) as connection:
        bandit = store.ScannerRecord(ScannerName("bandit"), "1")
        number = store.sync_scanners(connection, [bandit])[bandit.name]
        scan = dataclasses.replace(quarantined, scanner_id=number)
        ending = store.Ending(Outcome.NOT_RUN, Reason.QUARANTINED)
        store.record_ended(connection, batch, [(scan, ending)], NOW)
    assert query("SELECT scan, state FROM scans WHERE scan LIKE '%api%' ORDER BY scan") == [
        ("1-api-bandit", "not_run"),
        ("1-api-ruff", "planned"),
    ]
    assert query("SELECT DISTINCT state FROM checkouts") == [("planned",)]


def test_reason_that_does_not_go_with_the_outcome_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be not_run because of ok"):
        store.Ending(Outcome.NOT_RUN, Reason.OK)


def test_batch_is_sealed_only_when_every_scan_has_ended(nights: Nights) -> None:
    batch, (scan, other) = nights.open()
    nights.ingest(batch, scan, many(2))
    with (
        pytest.raises(store.OpenScans, match="1 scans that have not ended: 1-web-ruff") as caught,
        store.transaction(nights.engine) as connection,
    ):
        store.seal_batch(connection, batch, NOW)
    assert caught.value.scans == (other.scan,)
    with store.transaction(nights.engine) as connection:
        assert store.finish_open_scans(connection, batch, NIGHT_OVER, NOW) == 1
        totals = store.seal_batch(connection, batch, NOW)
        assert store.seal_batch(connection, batch, LATER) == totals
    assert totals["new"] == 2
    assert totals["outcomes"] == {"succeeded": {"ok": 1}, "not_run": {"night_over": 1}}


def test_finishing_one_shard_leaves_the_others_open(nights: Nights) -> None:
    batch, scans = nights.open()
    with store.transaction(nights.engine) as connection:
        records = [
            store.ShardRecord(ShardName(name), ACCOUNT, (scan.repository,), (scan.scan,))
            for name, scan in zip(("s001", "s002"), scans, strict=True)
        ]
        store.save_shards(connection, batch, records)
        assert store.finish_open_scans(connection, batch, NIGHT_OVER, NOW, shard="s002") == 1
        assert [s.scan for s in store.list_scans(connection, batch, only_open=True)] == [
            scans[0].scan
        ]


@pytest.mark.parametrize("state", ["sealed", "aborted"])
def test_closed_batch_takes_no_more_scans(nights: Nights, state: str) -> None:
    nights.night(many(1))
    with store.transaction(nights.engine) as connection:
        connection.exec_driver_sql(f"UPDATE batches SET state = '{state}'")
    with (
        pytest.raises(Conflict, match=f"batch 1 is {state}"),
        store.transaction(nights.engine) as connection,
    ):
        store.add_scans(connection, store.BatchId(1), [])


def test_sealed_batch_cannot_be_aborted_nor_an_aborted_one_sealed(nights: Nights) -> None:
    nights.night(many(1))
    with (
        pytest.raises(Conflict, match="nothing to abort"),
        store.transaction(nights.engine) as connection,
    ):
        store.abort_batch(connection, store.BatchId(1), "late", NOW)
    batch, _ = nights.open()
    with store.transaction(nights.engine) as connection:
        store.abort_batch(connection, batch, "a fault", NOW)
    with (
        pytest.raises(Conflict, match="a fault"),
        store.transaction(nights.engine) as connection,
    ):
        store.seal_batch(connection, batch, NOW)


def test_scans_of_equal_name_in_two_accounts_stay_apart(connection: Connection) -> None:
    other = store.AccountRecord(type(ACCOUNT)("umbrella"))
    name = RepositoryName("api")
    store.sync_repositories(
        connection,
        [store.AccountRecord(ACCOUNT), other],
        [store.RepositoryRecord(a, name, f"https://git.test/{a}") for a in (ACCOUNT, other.name)],
    )
    scanner = store.sync_scanners(connection, [store.ScannerRecord(RUFF, "1")])[RUFF]
    batch = store.open_batch(connection, "run", NOW.date(), NOW)
    scans = [
        store.PlannedScan(ScanName("1-api-ruff"), a, name, RUFF, scanner, COMMITS[0], "k")
        for a in (ACCOUNT, other.name)
    ]
    store.add_scans(connection, batch, scans)
    shards = [
        store.ShardRecord(ShardName(s), a, (name,), (ScanName("1-api-ruff"),))
        for s, a in (("s001", ACCOUNT), ("s002", other.name))
    ]
    store.save_shards(connection, batch, shards)
    found = {s.account: s.shard for s in store.list_scans(connection, batch)}
    assert found == {ACCOUNT: "s001", other.name: "s002"}
