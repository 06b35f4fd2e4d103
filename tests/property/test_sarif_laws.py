import contextlib
import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.printable import printable, printable_path
from nightshift.domain.sarif import SourceTree, parse_sarif
from nightshift.errors import InvalidSarif

_IN_RESULTS = "message text ruleId ruleIndex locations level kind suppressions rule index id"
_IN_PLACES = "physicalLocation artifactLocation uri uriBaseId region startLine originalUriBaseIds"
_IN_RUNS = (
    "version runs tool driver rules results invocations toolExecutionNotifications properties"
)
KEYS = st.sampled_from([*_IN_RESULTS.split(), *_IN_PLACES.split(), *_IN_RUNS.split()])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["2.1.0", "a.py", "../a.py", "file:///x/a.py", "error", "fail"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(JSON, JSON)
def test_any_json_is_read_or_refused_and_never_breaks_us(run: Any, result: Any) -> None:
    for value in (run, {"runs": run, "version": "2.1.0"}, _wrap(run), _wrap({"results": [result]})):
        try:
            read = parse_sarif(json.dumps(value).encode(), SourceTree("/x", {"a.py"}))
        except InvalidSarif:
            continue
        for found in read.results:
            assert found.path == "a.py"
            assert found.rule_id in read.rules
            (found.rule_id + found.message).encode()  # PostgreSQL takes it


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidSarif):
        parse_sarif(data)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 9)), max_size=12), st.randoms())
def test_the_order_of_results_does_not_matter(
    results: list[tuple[str, int]], rng: random.Random
) -> None:
    raw = [_result(rule, line) for rule, line in results]
    before = parse_sarif(json.dumps(_wrap({"results": raw})).encode())
    rng.shuffle(raw)
    after = parse_sarif(json.dumps(_wrap({"results": raw})).encode())
    assert before.results == after.results
    assert len(before.results) == len(set(results))


@given(st.text(), st.integers(1, 50))
def test_printable_text_is_stable_storable_and_short(text: str, limit: int) -> None:
    safe = printable(text, limit)
    assert printable(safe, limit) == safe
    assert len(safe) <= limit
    assert "\x00" not in safe.encode().decode()


@given(st.text(max_size=20), st.text(max_size=20))
def test_printable_paths_keep_paths_apart(a: str, b: str) -> None:
    assert printable_path(a).isprintable() or "\u3000" in printable_path(a)
    if "\\" not in a + b:
        assert (printable_path(a) == printable_path(b)) == (a == b)


def _wrap(run: Any) -> dict[str, Any]:
    return {"version": "2.1.0", "runs": [run]}


def _result(rule: str, line: int) -> dict[str, Any]:
    place = {"artifactLocation": {"uri": "a.py"}, "region": {"startLine": line}}
    location = {"physicalLocation": place}
    return {"ruleId": rule, "message": {"text": "x"}, "locations": [location]}
