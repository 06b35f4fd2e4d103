import json

import pytest
from sqlalchemy import Engine

from nightshift import store
from nightshift.domain.ids import RepositoryName, ShardName
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, LeftOut, Tampering
from nightshift.errors import NotFound
from tests.store.nights import ACCOUNT, COMMITS, NOW, Nights, many, seen_at

CRITICAL, MEDIUM = 4, 2


@pytest.fixture
def nights(engine: Engine) -> Nights:
    return Nights(engine, names=("api", "web"))


@pytest.fixture
def batch(nights: Nights) -> store.BatchId:
    """A second night: api lost one of three findings and got a critical one; web failed."""
    nights.night(many(3), COMMITS[0])
    batch, (api, web) = nights.open(COMMITS[1])
    nights.ingest(batch, api, [*many(2), seen_at(9, "eval(x)", severity=CRITICAL)])
    notes = (Tampering("inline_suppression", "app/main.py", "nosec"),)
    failed = store.ScanEnd(Outcome.FAILED, Reason.EXIT_CODE, "exit 2", tampering=notes)
    with store.transaction(nights.engine) as connection:
        store.ingest_scan(connection, batch, web, failed, None, NOW)
        status = CheckoutStatus(
            RepositoryName("api"),
            COMMITS[1],
            "ready",
            Reason.OK,
            left_out=(LeftOut("big.bin", "too_large"),),
            left_out_count=1,
            tampering=(Tampering("symlink_escape", "link", "/etc"), *notes),
        )
        store.record_checkout(connection, batch, api.repository_id, status, NOW)
        pod = store.PodRecord("pod-1", "node-2", NOW, NOW.replace(minute=3), "Completed")
        store.record_pod(connection, batch, ShardName("s001"), pod)
    return batch


def test_summary_says_what_became_of_the_night(batch: store.BatchId, reader: Engine) -> None:
    with store.transaction(reader) as connection:
        summary = store.read_batch_summary(connection, batch)
    totals = summary.totals
    assert totals.outcomes == {"succeeded": {"ok": 1}, "failed": {"exit_code": 1}}
    assert (totals.scans, totals.open_scans, totals.results) == (2, 0, 3)
    assert (totals.new, totals.fixed, totals.reopened, totals.unproved) == (1, 1, 0, 0)
    assert totals.open_findings == {CRITICAL: 1, MEDIUM: 2}
    api, web = summary.repositories
    assert (api.new, api.fixed, api.left_out, api.findings) == (1, 1, 1, {CRITICAL: 1, MEDIUM: 2})
    assert (web.checkout, web.not_succeeded, web.findings) == ("planned", 1, {})
    (failed,) = summary.not_scanned
    assert (failed.repository, failed.outcome, failed.reason) == ("web", "failed", "exit_code")
    assert [(t.repository, t.kind) for t in summary.tampering] == [
        ("api", "inline_suppression"),
        ("api", "symlink_escape"),
        ("web", "inline_suppression"),
    ]
    (shard,) = summary.shards
    assert (shard.planned_node, shard.node, shard.scans, shard.seconds) == (
        "node-1",
        "node-2",
        2,
        180.0,
    )
    assert json.loads(json.dumps(store.as_json(summary)))["totals"]["open_findings"] == {
        "4": 1,
        "2": 2,
    }


def test_a_night_that_skips_everything_still_names_what_is_open(
    batch: store.BatchId, nights: Nights, reader: Engine
) -> None:
    with store.transaction(nights.engine) as connection:
        idle = store.open_batch(connection, "idle", NOW.date(), NOW)
    with store.transaction(reader) as connection:
        totals = store.read_batch_summary(connection, idle).totals
    assert (totals.scans, totals.open_findings) == (0, {CRITICAL: 1, MEDIUM: 2})


def test_progress_counts_what_has_ended(nights: Nights, reader: Engine) -> None:
    with store.transaction(nights.engine) as connection:
        empty = store.open_batch(connection, "empty", NOW.date(), NOW)
    batch, (api, _) = nights.open()
    nights.ingest(batch, api, many(2))
    with store.transaction(reader) as connection:
        progress = store.read_batch_progress(connection, batch)
        none = store.read_batch_progress(connection, empty)
    assert (progress.state, progress.scans) == ("running", {"planned": 1, "succeeded": 1})
    assert (progress.ended, progress.new, progress.checkouts) == (1, 2, {"planned": 2})
    assert (none.state, none.scans, none.ended) == ("planning", {}, 0)


def test_batch_that_is_not_there_is_not_found(reader: Engine) -> None:
    for read in (store.read_batch_summary, store.read_batch_progress):
        with (
            pytest.raises(NotFound, match="no batch 99"),
            store.transaction(reader) as connection,
        ):
            read(connection, store.BatchId(99))


def test_pages_go_from_the_worst_to_the_last_without_gap(
    batch: store.BatchId, reader: Engine
) -> None:
    with store.transaction(reader) as connection:
        whole = store.list_findings(connection)
        pages: list[store.FindingRow] = []
        while page := store.list_findings(
            connection,
            after=(pages[-1].severity, pages[-1].id) if pages else None,
            limit=2,
        ):
            pages += page
    assert pages == list(whole)
    assert [row.severity for row in whole] == [CRITICAL, MEDIUM, MEDIUM]


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, [1, 2, 9]),
        ({"severity_at_least": CRITICAL}, [9]),
        ({"states": ("fixed",)}, [3]),
        ({"states": ("open", "fixed"), "new_in": 2}, [9]),
        ({"states": ("fixed",), "fixed_in": 2}, [3]),
        ({"account": ACCOUNT}, [1, 2, 9]),
        ({"account": "umbrella"}, []),
        ({"repository": "web"}, []),
        ({"scanner": "bandit"}, []),
    ],
    ids=str,
)
def test_filter(
    batch: store.BatchId, reader: Engine, fields: dict[str, object], lines: list[int]
) -> None:
    wanted = store.FindingFilter(**fields)  # type: ignore[arg-type]  # a table's shorthand
    with store.transaction(reader) as connection:
        found = {row.line for row in store.list_findings(connection, wanted)}
    assert sorted(found) == lines


def test_sealed_totals_stay_when_findings_move_on(nights: Nights, batch: store.BatchId) -> None:
    with store.transaction(nights.engine) as connection:
        totals = store.seal_batch(connection, batch, NOW)
    nights.night([], COMMITS[2])
    with store.transaction(nights.engine) as connection:
        assert store.seal_batch(connection, batch, NOW) == totals
    assert totals["open_findings"] == {"4": 1, "2": 2}
