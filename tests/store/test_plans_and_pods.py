import datetime as dt

import pytest
from sqlalchemy import Engine

from nightshift import store
from nightshift.domain.ids import RepositoryName, ShardName
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, LeftOut, Tampering
from nightshift.errors import Conflict, NotFound
from tests.store.nights import ACCOUNT, COMMITS, NOW, Nights, Query, many

LATER = NOW + dt.timedelta(minutes=5)


@pytest.fixture
def nights(engine: Engine) -> Nights:
    return Nights(engine, names=("api", "web"))


def shard(name: str, scans: tuple[store.OpenScan, ...], **fields: str) -> store.ShardRecord:
    return store.ShardRecord(
        ShardName(name),
        ACCOUNT,
        tuple(s.repository for s in scans),
        tuple(s.scan for s in scans),
        planned_node=fields.get("node", ""),
    )


def checkout(name: str, **fields: object) -> CheckoutStatus:
    values = {"state": "ready", "reason": Reason.OK, **fields}
    return CheckoutStatus(RepositoryName(name), COMMITS[0], **values)  # type: ignore[arg-type]  # a test's shorthand


def test_new_plan_replaces_the_old_but_not_a_pod_that_ran(nights: Nights, query: Query) -> None:
    batch, scans = nights.open()
    with store.transaction(nights.engine) as connection:
        store.save_shards(connection, batch, [shard("s001", scans[:1]), shard("s002", scans[1:])])
        pod = store.PodRecord("pod-2", "node-7", NOW, LATER, "Completed")
        store.record_pod(connection, batch, ShardName("s002"), pod)
        store.save_shards(connection, batch, [shard("s003", scans, node="node-9")])
    assert query("SELECT shard, planned_node, node FROM shards ORDER BY shard") == [
        ("s002", "", "node-7"),
        ("s003", "node-9", ""),
    ]
    assert query("SELECT DISTINCT shard FROM scans") == [("s003",)]
    assert query("SELECT state FROM batches") == [("running",)]


def test_ended_scan_keeps_the_shard_that_did_it(nights: Nights, query: Query) -> None:
    batch, scans = nights.open(shard="s001")
    nights.ingest(batch, scans[0], many(1))
    with store.transaction(nights.engine) as connection:
        store.save_shards(connection, batch, [shard("s005", scans)])
    assert query("SELECT scan, shard FROM scans ORDER BY scan") == [
        ("1-api-ruff", "s001"),
        ("1-web-ruff", "s005"),
    ]


def test_clone_shards_and_scan_shards_do_not_replace_each_other(
    nights: Nights, query: Query
) -> None:
    batch, scans = nights.open(shard="s001")
    clone = store.ShardRecord(ShardName("c001"), ACCOUNT, tuple(s.repository for s in scans))
    with store.transaction(nights.engine) as connection:
        store.save_clone_shards(connection, batch, [clone])
        store.save_clone_shards(connection, batch, [clone])
        store.save_shards(connection, batch, [shard("s001", scans)])
    assert query("SELECT shard, kind FROM shards ORDER BY 1") == [
        ("c001", "clone"),
        ("s001", "scan"),
    ]
    assert query("SELECT DISTINCT shard FROM checkouts") == [("c001",)]


def test_pod_is_told_in_parts_and_of_known_shards_only(nights: Nights, query: Query) -> None:
    batch, _ = nights.open(shard="s001")
    with store.transaction(nights.engine) as connection:
        name = ShardName("s001")
        store.record_pod(connection, batch, name, store.PodRecord("pod-1", "node-1", NOW))
        store.record_pod(
            connection, batch, name, store.PodRecord("pod-1", "", None, LATER, "OOMKilled")
        )
        with pytest.raises(NotFound, match="s777"):
            store.record_pod(connection, batch, ShardName("s777"), store.PodRecord("pod"))
    assert query("SELECT node, started_at, finished_at, terminated_reason FROM shards") == [
        ("node-1", NOW, LATER, "OOMKilled")
    ]


def test_checkout_that_failed_ends_the_repositorys_scans(nights: Nights, query: Query) -> None:
    batch, scans = nights.open()
    status = checkout("api", state="not_run", reason=Reason.TOO_LARGE, message="3 GB packed")
    with store.transaction(nights.engine) as connection:
        store.record_checkout(connection, batch, scans[0].repository_id, status, NOW)
    assert query("SELECT state, reason, message FROM scans ORDER BY scan") == [
        ("not_run", "too_large", "3 GB packed"),
        ("planned", "", ""),
    ]


def test_checkout_that_is_ready_is_stored_whole(nights: Nights, query: Query) -> None:
    batch, scans = nights.open()
    status = checkout(
        "api",
        bytes=1_000,
        files=7,
        left_out=(LeftOut("link", "symlink"),),
        left_out_count=1,
        tampering=(Tampering("symlink_escape", "link", "../../etc"),),
    )
    with store.transaction(nights.engine) as connection:
        for _ in range(2):
            store.record_checkout(connection, batch, scans[0].repository_id, status, NOW)
        summary = store.read_batch_summary(connection, batch)
        again = store.list_scans(connection, batch)
    assert query("SELECT seen_commit, size_bytes, files FROM repositories ORDER BY id") == [
        (COMMITS[0], 1_000, 7),
        ("", 0, 0),
    ]
    assert [(t.repository, t.kind, t.path) for t in summary.tampering] == [
        ("api", "symlink_escape", "link")
    ]
    assert [(s.checkout_state, s.last_bytes) for s in again] == [("ready", 1_000), ("planned", 0)]


def test_empty_repository_is_not_applicable(nights: Nights, query: Query) -> None:
    batch, scans = nights.open()
    status = checkout("api", state="not_run", reason=Reason.EMPTY_REPOSITORY)
    with store.transaction(nights.engine) as connection:
        store.record_checkout(connection, batch, scans[0].repository_id, status, NOW)
    assert query("SELECT state, reason FROM scans WHERE scan = '1-api-ruff'") == [
        ("not_applicable", "empty_repository")
    ]


def test_lost_clone_pods_end_what_they_left_without_a_word(nights: Nights, query: Query) -> None:
    batch, scans = nights.open()
    ending = store.Ending(Outcome.NOT_RUN, Reason.CLONE_FAILED, "the pod was evicted")
    with store.transaction(nights.engine) as connection:
        store.record_checkout(connection, batch, scans[0].repository_id, checkout("api"), NOW)
        assert store.record_lost_checkouts(connection, batch, ending, NOW) == 1
    assert query("SELECT state, reason FROM checkouts ORDER BY path") == [
        ("ready", "ok"),
        ("not_run", "clone_failed"),
    ]


def test_history_helps_to_plan_the_next_night(nights: Nights) -> None:
    batch, scans = nights.open()
    end = store.ScanEnd(
        Outcome.SUCCEEDED, Reason.OK, started_at=NOW, finished_at=LATER, peak_bytes=77
    )
    with store.transaction(nights.engine) as connection:
        nothing = store.ScanFindings("", (), {}, why_not_close="a test")
        store.ingest_scan(connection, batch, scans[0], end, nothing, NOW)
        store.abort_batch(connection, batch, "a test", NOW)
    _, again = nights.open()
    assert [(s.last_seconds, s.last_peak_bytes) for s in again] == [(300.0, 77), (None, 0)]


def test_one_slow_night_does_not_change_what_is_expected(nights: Nights) -> None:
    for seconds in (20, 300, 10):
        batch, scans = nights.open()
        finished = NOW + dt.timedelta(seconds=seconds)
        end = store.ScanEnd(Outcome.SUCCEEDED, Reason.OK, started_at=NOW, finished_at=finished)
        with store.transaction(nights.engine) as connection:
            nothing = store.ScanFindings("", (), {}, why_not_close="a test")
            store.ingest_scan(connection, batch, scans[0], end, nothing, NOW)
            store.abort_batch(connection, batch, "a test", NOW)
    _, again = nights.open()
    assert again[0].last_seconds == 20.0
    assert again[0].account_weight == 1


def test_workspace_is_released_when_no_scan_needs_it(nights: Nights) -> None:
    batch, scans = nights.open()
    with store.transaction(nights.engine) as connection:
        store.lease_workspace(connection, batch, ACCOUNT, "claim-1", NOW)
        store.lease_workspace(connection, batch, ACCOUNT, "claim-1", NOW)
        assert store.list_releasable(connection) == ()
        with pytest.raises(store.OpenScans, match="1-api-ruff, 1-web-ruff"):
            store.release_workspace(connection, batch, ACCOUNT, NOW)
        with pytest.raises(Conflict, match="in_use, not trash"):
            store.mark_deleted(connection, batch, ACCOUNT, NOW)
    for scan in scans:
        nights.ingest(batch, scan, [])
    with store.transaction(nights.engine) as connection:
        assert [(w.path, w.state) for w in store.list_releasable(connection)] == [
            ("claim-1", "in_use")
        ]
        for _ in range(2):
            store.release_workspace(connection, batch, ACCOUNT, NOW)
        assert [w.state for w in store.list_releasable(connection)] == ["trash"]
        for _ in range(2):
            store.mark_deleted(connection, batch, ACCOUNT, NOW)
        assert store.list_releasable(connection) == ()
        with pytest.raises(Conflict, match="deleted"):
            store.lease_workspace(connection, batch, ACCOUNT, "claim-1", NOW)


def test_workspace_of_a_batch_in_planning_is_kept(nights: Nights) -> None:
    with store.transaction(nights.engine) as connection:
        batch = store.open_batch(connection, "run", NOW.date(), NOW)
        store.lease_workspace(connection, batch, ACCOUNT, "claim-1", NOW)
        assert store.list_releasable(connection) == ()
