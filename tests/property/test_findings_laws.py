import random

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.finding_matches import Known, match_findings
from nightshift.domain.findings import (
    TRANSITIONS,
    Changes,
    Evidence,
    FindingState,
    History,
    Sight,
    plan_changes,
)
from nightshift.domain.fingerprints import identify
from tests.property.strategies_findings import LINES, Night, apply, nights, see, stored


def evidence(night: Night, *, may_close: bool = True, confirms_suspect: bool = True) -> Evidence:
    return Evidence(
        may_close=may_close,
        has_rule=lambda rule: True,
        paths=night.paths,
        confirms_suspect=confirms_suspect,
    )


def history(rows: list[Known]) -> History:
    return History(
        live=tuple(row for row in rows if row.state != FindingState.FIXED),
        fixed=tuple(row for row in rows if row.state == FindingState.FIXED),
    )


def live_through(story: list[Night]) -> list[Known]:
    rows: list[Known] = []
    for night in story:
        rows = apply(rows, plan_changes(history(rows), night.seen, evidence(night)))
    return rows


stories = st.lists(nights(), min_size=1, max_size=4)


@given(stories)
def test_the_same_night_again_changes_nothing(story: list[Night]) -> None:
    rows = live_through(story)
    assert plan_changes(history(rows), story[-1].seen, evidence(story[-1])) == Changes()


@given(stories)
def test_no_two_findings_ever_have_one_key(story: list[Night]) -> None:
    rows = live_through(story)
    keys = [(row.fingerprint, row.ordinal) for row in rows]
    assert len(keys) == len(set(keys))


@given(stories)
def test_after_a_proving_night_exactly_the_seen_results_are_open(story: list[Night]) -> None:
    rows = live_through(story)
    live = sorted((r.rule, r.path, r.line) for r in rows if r.state != FindingState.FIXED)
    assert live == sorted((s.rule, s.path, s.line) for s in story[-1].seen)


@given(stories, nights(), st.randoms(use_true_random=False))
def test_the_order_of_results_does_not_matter(
    story: list[Night], night: Night, rng: random.Random
) -> None:
    rows = live_through(story)
    shuffled = list(night.seen)
    rng.shuffle(shuffled)
    plans = [plan_changes(history(rows), s, evidence(night)) for s in (night.seen, shuffled)]
    assert plans[0] == plans[1]


@given(stories, nights())
def test_matching_is_one_to_one_and_complete(story: list[Night], night: Night) -> None:
    past = history(live_through(story))
    matching = match_findings(past.live, past.fixed, night.seen, night.paths)
    known = [m.known.id for m in matching.matches]
    assert len(known) == len(set(known))
    assert sorted(map(id, [*(m.seen for m in matching.matches), *matching.fresh])) == sorted(
        map(id, night.seen)
    )
    assert {*known, *(k.id for k in matching.unseen)} >= {k.id for k in past.live}
    assert not set(known) & {k.id for k in matching.unseen}


@given(stories, nights())
def test_a_night_that_proves_nothing_fixes_nothing(story: list[Night], night: Night) -> None:
    rows = live_through(story)
    changes = plan_changes(history(rows), night.seen, evidence(night, may_close=False))
    assert changes.fixed == ()
    assert {k.id for k in changes.unproved} <= {k.id for k in rows}


@given(nights(), st.integers(1, 5))
def test_lines_inserted_above_change_no_key(night: Night, count: int) -> None:
    for path, lines in night.tree.items():
        for number in range(1, len(lines) + 1):
            before = identify("R1", path, lines, number)
            after = identify("R1", path, ["new"] * count + lines, number + count)
            assert before.fingerprint == after.fingerprint
            assert before.own_line == after.own_line


@given(st.sampled_from(LINES), st.text(max_size=5), st.binary(min_size=1, max_size=64))
def test_rule_path_text_and_key_are_all_in_the_fingerprint(
    line: str, more: str, key: bytes
) -> None:
    base = identify("R1", "a.py", [line], 1).fingerprint
    assert identify("R1", "a.py", [f"  {line}\t"], 1).fingerprint == base
    assert identify("R2", "a.py", [line], 1).fingerprint != base
    assert identify("R1", "b.py", [line], 1).fingerprint != base
    assert identify("R1", "a.py", [line + "!"], 1).fingerprint != base
    assert identify("R1", "a.py", [line], 1, key=key).fingerprint != base
    assert identify("R1a", ".py", [line], 1).fingerprint != base


@given(stories, nights())
def test_states_only_change_as_the_table_says(story: list[Night], night: Night) -> None:
    rows = live_through(story)
    after = {k.id: k for k in apply(rows, plan_changes(history(rows), night.seen, evidence(night)))}
    for row in rows:
        moves = {
            TRANSITIONS[FindingState(row.state), sight]
            for sight in (Sight.SEEN, Sight.ABSENT_PROVED)
        }
        assert after[row.id].state in moves


@given(st.integers(20, 40), st.data())
def test_a_suspect_night_fixes_nothing_until_a_second_agrees(
    count: int, data: st.DataObject
) -> None:
    lines = [f"assert value_{n}" for n in range(count)]
    whole = Night({"a.py": lines}, [])
    many = [stored(see(whole.tree, "R1", "a.py", n + 1), 0, n + 1) for n in range(count)]
    kept = data.draw(st.integers(0, count // 2 - 1))
    half = Night(whole.tree, [see(whole.tree, "R1", "a.py", n + 1) for n in range(kept)])
    first = plan_changes(history(many), half.seen, evidence(half, confirms_suspect=False))
    assert (first.suspect, first.fixed, len(first.unproved)) == (True, (), count - kept)
    second = plan_changes(history(many), half.seen, evidence(half))
    assert (second.suspect, len(second.fixed)) == (False, count - kept)
