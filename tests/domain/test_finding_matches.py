"""Twins, renames and edits: which result is which finding."""

from dataclasses import replace

import pytest

from nightshift.domain.finding_matches import How, Known, Match, Seen, match_findings
from nightshift.domain.findings import Evidence, Sight, is_enough
from nightshift.domain.fingerprints import identify
from tests.property.strategies_findings import see, stored

OLD = ["import os", "assert x", "one()", "two()", "assert x", "three()", "assert x", "end()"]


def seen_in(lines: list[str], *numbers: int, path: str = "a.py") -> list[Seen]:
    return [see({path: lines}, "R1", path, number) for number in numbers]


def known_from(seen: list[Seen]) -> list[Known]:
    return [stored(one, ordinal, ordinal + 1) for ordinal, one in enumerate(seen)]


def pairs(matches: tuple[Match, ...]) -> list[tuple[int, int, How]]:
    return sorted((m.known.line, m.seen.line, m.how) for m in matches)


def test_of_equal_lines_the_one_that_went_away_is_found_by_its_context() -> None:
    known = known_from(seen_in(OLD, 2, 5, 7))
    new = [*OLD[:4], *OLD[5:]]  # the second of three equal lines is gone
    matching = match_findings(known, [], seen_in(new, 2, 6), {"a.py"})
    assert pairs(matching.matches) == [(2, 2, How.EQUAL), (7, 6, How.EQUAL)]
    assert [k.line for k in matching.unseen] == [5]


def test_of_equal_lines_the_new_one_is_found_by_its_context() -> None:
    known = known_from(seen_in(OLD, 2, 5, 7))
    new = ["assert x", "zero()", "zero()", *OLD]
    matching = match_findings(known, [], seen_in(new, 1, 5, 8, 10), {"a.py"})
    assert [s.line for s in matching.fresh] == [1]


def test_live_findings_come_before_fixed_ones() -> None:
    live, fixed = known_from(seen_in(OLD, 2, 5))
    fixed = replace(fixed, state="fixed", ordinal=1)
    one = match_findings([live], [fixed], seen_in(OLD, 2), {"a.py"})
    assert [m.known.id for m in one.matches] == [live.id]
    two = match_findings([live], [fixed], seen_in(OLD, 2, 5), {"a.py"})
    assert pairs(two.matches) == [(2, 2, How.EQUAL), (5, 5, How.EQUAL)]
    assert two.unseen == ()


def test_renamed_file_with_equal_lines_is_followed_by_its_blob() -> None:
    known = known_from(seen_in(OLD, 2, 5, 7))
    seen = [*seen_in(OLD, 2, 5, 7, path="b.py")]
    matching = match_findings(known, [], seen, {"b.py"})
    assert pairs(matching.matches) == [(n, n, How.RENAMED) for n in (2, 5, 7)]


def test_renamed_and_edited_file_is_followed_only_where_the_line_is_unique() -> None:
    known = known_from(seen_in(OLD, 1, 2))
    new = ["# licence", *OLD]
    unique = match_findings(known, [], seen_in(new, 2, 3, path="b.py"), {"b.py"})
    assert pairs(unique.matches) == [(1, 2, How.RENAMED), (2, 3, How.RENAMED)]
    several = match_findings(known, [], seen_in(new, 2, 3, 6, path="b.py"), {"b.py"})
    assert pairs(several.matches) == [(1, 2, How.RENAMED)]
    assert len(several.fresh) == 2


def test_file_that_is_still_there_was_not_renamed() -> None:
    known = known_from(seen_in(OLD, 1))
    matching = match_findings(known, [], seen_in(OLD, 1, path="b.py"), {"a.py", "b.py"})
    assert (matching.matches, len(matching.unseen), len(matching.fresh)) == ((), 1, 1)


@pytest.mark.parametrize(
    ("line", "text", "followed"),
    [
        pytest.param(10, "subprocess.call(command, shell=True, env=e)", True, id="same place"),
        pytest.param(15, "subprocess.call(command, shell=True, env=e)", True, id="five lines on"),
        pytest.param(16, "subprocess.call(command, shell=True, env=e)", False, id="too far"),
        pytest.param(10, "os.system(other_thing)", False, id="another text"),
    ],
)
def test_edited_line_is_followed_if_it_is_near_and_alike(
    line: int, text: str, followed: bool
) -> None:
    before = ["#"] * 9 + ["subprocess.call(command, shell=True)"]
    after = ["#"] * (line - 1) + [text]
    matching = match_findings(known_from(seen_in(before, 10)), [], seen_in(after, line), {"a.py"})
    assert [m.how for m in matching.matches] == ([How.EDITED] if followed else [])


def test_edited_lines_go_to_the_likeliest_not_to_the_first() -> None:
    before = ["call(alpha_value, 1)", "call(gamma_value, 1)"]
    after = ["call(gamma_value, 2)", "call(alpha_value, 2)"]
    matching = match_findings(known_from(seen_in(before, 1, 2)), [], seen_in(after, 1, 2), {"a.py"})
    assert pairs(matching.matches) == [(1, 2, How.EDITED), (2, 1, How.EDITED)]


def test_lines_of_secrets_have_no_text_to_compare() -> None:
    before = [replace(s, snippet="") for s in seen_in(["key = 'abcdef'"], 1)]
    after = [replace(s, snippet="") for s in seen_in(["key = 'abcdeg'"], 1)]
    matching = match_findings(known_from(before), [], after, {"a.py"})
    assert (len(matching.unseen), len(matching.fresh)) == (1, 1)


def test_a_file_of_equal_lines_costs_no_quadratic_time() -> None:
    lines = ["x"] * 6_000
    identity = identify("R1", "a.py", lines, 100)
    base = see({"a.py": lines}, "R1", "a.py", 100)
    seen = [replace(base, line=n, fingerprint=identity.fingerprint) for n in range(1, 6_001)]
    known = [stored(s, n, n + 1) for n, s in enumerate(seen[:5_000])]
    matching = match_findings(known, [], seen, {"a.py"})
    assert (len(matching.matches), len(matching.fresh)) == (5_000, 1_000)


@pytest.mark.parametrize(
    ("fields", "proved"),
    [
        pytest.param({}, True, id="read and not seen"),
        pytest.param({"may_close": False}, False, id="the scan is not whole"),
        pytest.param({"something_changed": False}, False, id="nothing changed"),
        pytest.param({"has_rule": lambda rule: False}, False, id="the rule is gone"),
        pytest.param({"unread": {"a.py"}}, False, id="the file was not read"),
        pytest.param({"paths": set()}, True, id="the file is gone"),
        pytest.param({"paths": set(), "unread": {"a.py"}}, False, id="the file was left out"),
        pytest.param(
            {"paths": set(), "lists_all_left_out": False}, False, id="the file may be left out"
        ),
    ],
)
def test_absence_is_proof_only_if_everything_holds(fields: dict[str, object], proved: bool) -> None:
    whole = Evidence(may_close=True, has_rule=lambda rule: True, paths={"a.py"})
    evidence = replace(whole, **fields)  # type: ignore[arg-type]  # a test's shorthand
    (known,) = known_from(seen_in(OLD, 2))
    sight = Sight.ABSENT_PROVED if proved else Sight.ABSENT_UNPROVED
    assert evidence.sight_of_absent(known) is sight


@pytest.mark.parametrize(
    ("scanned", "expected", "enough"),
    [(None, 10, True), (9, 10, True), (8, 10, False), (0, 0, True), (0, 1, False)],
)
def test_nine_in_ten_files_are_enough(scanned: int | None, expected: int, enough: bool) -> None:
    assert is_enough(scanned, expected) is enough
