import pytest
from sqlalchemy import Engine

from nightshift import store
from nightshift.domain.ids import CommitSha
from nightshift.store.changes import Applied
from tests.store.nights import (
    ACCOUNT,
    COMMITS,
    FILE,
    RUFF,
    Nights,
    Query,
    many,
    repository,
    seen_at,
)


@pytest.fixture
def nights(engine: Engine) -> Nights:
    return Nights(engine)


def findings(nights: Nights, states: tuple[str, ...]) -> list[tuple[str, int, str]]:
    with store.transaction(nights.engine) as connection:
        rows = store.list_findings(connection, store.FindingFilter(states=states))
        return sorted((row.path, row.line, row.state) for row in rows)


ALL = ("open", "reopened", "fixed", "suppressed")


def test_first_night_opens_what_it_sees(nights: Nights) -> None:
    result = nights.night(many(3))
    assert (result.counts.opened, result.applied) == (3, True)
    assert findings(nights, ALL) == [(FILE, n, "open") for n in (1, 2, 3)]


def test_unchanged_night_writes_nothing_to_findings(nights: Nights, query: Query) -> None:
    nights.night(many(3), COMMITS[0])
    before = query("SELECT id, xmin::text FROM findings ORDER BY id")
    result = nights.night(many(3), COMMITS[1])
    assert result.counts == Applied()
    assert query("SELECT id, xmin::text FROM findings ORDER BY id") == before


def test_same_scan_twice_is_done_once(nights: Nights, query: Query) -> None:
    batch, (scan,) = nights.open()
    first = nights.ingest(batch, scan, many(3))
    again = nights.ingest(batch, scan, many(3))
    assert (first.applied, again.applied, again.results) == (True, False, 3)
    assert query("SELECT count(*) FROM finding_events") == [(3,)]
    assert query("SELECT count(*) FROM finding_spans") == [(3,)]


def test_absent_at_a_new_commit_is_fixed(nights: Nights, query: Query) -> None:
    nights.night(many(3), COMMITS[0])
    result = nights.night(many(2), COMMITS[1])
    assert result.counts.fixed == 1
    assert findings(nights, ("fixed",)) == [(FILE, 3, "fixed")]
    assert query("SELECT opened_batch_id, closed_batch_id FROM finding_spans ORDER BY 2") == [
        (1, 2),
        (1, None),
        (1, None),
    ]


@pytest.mark.parametrize(
    ("commit", "extra"),
    [
        pytest.param(COMMITS[0], {}, id="same commit and scanner: the scanner is not believed"),
        pytest.param(COMMITS[1], {"why_not_close": "truncated"}, id="the scan proves nothing"),
    ],
)
def test_absent_without_proof_stays_and_is_counted(
    nights: Nights, query: Query, commit: CommitSha, extra: dict[str, str]
) -> None:
    nights.night(many(3), COMMITS[0])
    result = nights.night(many(2), commit, **extra)
    assert (result.counts.fixed, result.counts.unproved) == (0, 1)
    assert query("SELECT unproved FROM findings ORDER BY line") == [(0,), (0,), (1,)]
    nights.night(many(3), COMMITS[2])
    assert query("SELECT unproved FROM findings ORDER BY line") == [(0,), (0,), (0,)]


def test_rule_that_a_new_version_does_not_have_proves_nothing(nights: Nights) -> None:
    nights.night([seen_at(1, "a = 1", rule="S999")], COMMITS[0])
    nights.version = "2.0"
    result = nights.night([], COMMITS[1])
    assert (result.counts.fixed, result.counts.unproved) == (0, 1)


def test_comes_back_as_reopened_with_a_second_span(nights: Nights, query: Query) -> None:
    nights.night(many(1), COMMITS[0])
    nights.night([], COMMITS[1])
    result = nights.night(many(1), COMMITS[2])
    assert (result.counts.reopened, result.counts.opened) == (1, 0)
    assert findings(nights, ALL) == [(FILE, 1, "reopened")]
    assert query("SELECT opened_batch_id, closed_batch_id FROM finding_spans ORDER BY 1") == [
        (1, 2),
        (3, None),
    ]
    events = query("SELECT batch_id, event FROM finding_events ORDER BY batch_id")
    assert events == [(1, "opened"), (2, "fixed"), (3, "reopened")]


def test_moved_line_is_the_same_finding_and_no_event(nights: Nights, query: Query) -> None:
    nights.night([seen_at(10, "assert x")], COMMITS[0])
    result = nights.night([seen_at(50, "assert x")], COMMITS[1])
    assert (result.counts.updated, result.counts.opened) == (1, 0)
    assert query("SELECT line FROM findings") == [(50,)]
    assert query("SELECT event FROM finding_events") == [("opened",)]


def test_edited_line_keeps_its_finding_under_a_new_key(nights: Nights, query: Query) -> None:
    nights.night([seen_at(10, "assert value_of_x == 1")], COMMITS[0])
    before = query("SELECT id, fingerprint FROM findings")
    nights.night([seen_at(11, "assert value_of_x == 2")], COMMITS[1])
    after = query("SELECT id, fingerprint FROM findings")
    assert [row[0] for row in after] == [row[0] for row in before]
    assert after != before
    assert query("SELECT event FROM finding_events ORDER BY id") == [("opened",), ("updated",)]


def test_lines_edited_into_equal_ones_stay_two_findings(nights: Nights, query: Query) -> None:
    before = [seen_at(n, f"assert value_of_x == {n}") for n in (10, 12)]
    nights.night(before, COMMITS[0])
    result = nights.night([seen_at(n, "assert value_of_x == 7") for n in (10, 12)], COMMITS[1])
    assert (result.counts.updated, result.counts.opened, result.counts.fixed) == (2, 0, 0)
    assert query("SELECT id, line, count(*) OVER (PARTITION BY fingerprint) FROM findings") == [
        (1, 10, 2),
        (2, 12, 2),
    ]


def test_renamed_file_keeps_its_findings(nights: Nights, query: Query) -> None:
    nights.night([seen_at(10, "assert x")], COMMITS[0])
    nights.night([seen_at(10, "assert x", path="lib/main.py")], COMMITS[1], paths=["lib/main.py"])
    assert query("SELECT path, state FROM findings") == [("lib/main.py", "open")]


def test_swapped_keys_are_written_in_one_statement(nights: Nights, query: Query) -> None:
    """Two findings whose files swap names also swap keys; no order of rows may collide."""
    both = [seen_at(3, "assert same", path=p) for p in ("a.py", "b.py")]
    nights.night(both, COMMITS[0], paths=["a.py", "b.py"])
    result = nights.night(both[::-1], COMMITS[1], paths=["a.py", "b.py"])
    assert result.counts == Applied()
    assert query("SELECT count(*) FROM findings") == [(2,)]


def test_scan_that_would_close_most_is_suspect_until_a_second_night_agrees(
    nights: Nights, query: Query
) -> None:
    nights.night(many(30), COMMITS[0])
    first = nights.night(many(5), COMMITS[1])
    assert (first.suspect, first.counts.fixed, first.counts.unproved) == (True, 0, 25)
    candidate = store.Candidate(ACCOUNT, repository("api"), RUFF, f"{COMMITS[1]}-1.0")
    with store.transaction(nights.engine) as connection:
        assert store.find_unchanged(connection, [candidate]) == set()
    second = nights.night(many(5), COMMITS[1])
    assert (second.suspect, second.counts.fixed) == (False, 25)
    with store.transaction(nights.engine) as connection:
        assert store.find_unchanged(connection, [candidate]) == {candidate}


def test_new_at_an_unchanged_commit_is_by_upgrade(nights: Nights, query: Query) -> None:
    nights.night(many(1), COMMITS[0])
    nights.version = "2.0"
    nights.night(many(2), COMMITS[0])
    assert query("SELECT new, by_upgrade FROM scans ORDER BY batch_id") == [(1, 0), (1, 1)]
    assert query("SELECT detail FROM finding_events ORDER BY id") == [
        ({},),
        ({"by_upgrade": True},),
    ]


def test_older_batch_that_comes_late_changes_no_finding(nights: Nights, query: Query) -> None:
    old, (old_scan,) = nights.open(COMMITS[0])
    with store.transaction(nights.engine) as connection:  # else no newer batch may have the pair
        connection.exec_driver_sql("UPDATE batches SET state = 'aborted' WHERE id = 1")
    nights.night(many(2), COMMITS[1])
    late = nights.ingest(old, old_scan, many(5))
    assert (late.applied, late.outcome, late.counts.opened) == (False, "succeeded", 0)
    assert query("SELECT count(*) FROM findings") == [(2,)]
    assert "was ingested first" in str(query("SELECT message FROM scans WHERE batch_id = 1"))
