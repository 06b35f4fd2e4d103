"""Laws of the embedded API server's pure parts: patches, selectors, and the store's history."""

import copy
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.patches import (
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_patch,
)
from nightshift.embedded.kube.selectors import (
    labels_match,
    parse_field_selector,
    parse_label_selector,
)
from nightshift.embedded.kube.storage import MemoryStore, copy_json
from nightshift.embedded.kube.tables_cells import human_duration

KEYS = st.sampled_from(["a", "b", "spec", "metadata", "labels", "containers", "env", "ports"])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=5)
LABELS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "1", "x"]), max_size=4)


@given(OBJECTS)
def test_copy_is_equal_and_shares_nothing(value: Object) -> None:
    before = json.dumps(value)
    copied = copy_json(value)
    assert copied == value
    _spoil(copied)
    assert json.dumps(value) == before


def _spoil(value: Any) -> None:
    if isinstance(value, dict):
        for item in value.values():
            _spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            _spoil(item)
        value.append("spoilt")


@given(OBJECTS, OBJECTS)
def test_merge_patch_is_idempotent_and_leaves_its_input_alone(obj: Object, patch: Object) -> None:
    before = copy.deepcopy((obj, patch))
    once = apply_merge_patch(obj, patch)
    assert apply_merge_patch(once, patch) == once
    assert (obj, patch) == before


@given(OBJECTS)
def test_empty_patches_change_nothing(obj: Object) -> None:
    assert apply_merge_patch(obj, {}) == obj
    assert apply_strategic_patch(obj, {}) == obj
    assert apply_json_patch(obj, []) == obj


def code_of(call: Callable[[], object]) -> int:
    """Give the HTTP status that a call would be answered with; other errors pass through."""
    try:
        call()
    except StatusError as error:
        return error.code
    return 200


@given(OBJECTS, JSON)
def test_patches_of_any_shape_are_applied_or_refused(obj: Object, patch: Any) -> None:
    for apply in (apply_merge_patch, apply_strategic_patch, apply_json_patch):
        assert code_of(partial(apply, obj, patch)) in {200, 400, 422}


@given(st.text(max_size=30), LABELS)
def test_selector_text_is_read_or_refused(text: str, labels: dict[str, str]) -> None:
    obj: Object = {"metadata": {"labels": labels}}
    assert code_of(lambda: labels_match(parse_label_selector(text), obj)) in {200, 400}
    assert code_of(lambda: parse_field_selector(text, "pods")) in {200, 400}


@given(LABELS, st.sampled_from("abcd"), st.sampled_from(["1", "x"]))
def test_a_requirement_and_its_negation_part_the_world(
    labels: dict[str, str], key: str, value: str
) -> None:
    obj: Object = {"metadata": {"labels": labels}}
    for holds, fails in (
        (f"{key}={value}", f"{key}!={value}"),
        (f"{key} in ({value},y)", f"{key} notin ({value},y)"),
        (key, f"!{key}"),
    ):
        found = [labels_match(parse_label_selector(text), obj) for text in (holds, fails)]
        assert sorted(found) == [False, True]


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "change", "delete"]), st.sampled_from("abc")), max_size=25
)


@given(STEPS, st.integers(0, 25))
def test_past_versions_are_listed_as_they_were(steps: list[tuple[str, str]], after: int) -> None:
    store = MemoryStore()
    version, then = store.resource_version, list(store.list("pods"))
    for index, (step, name) in enumerate(steps):
        _take(store, step, name, index)
        if index == after:
            version, then = store.resource_version, list(store.list("pods"))
    assert list(store.list_at("pods", version)) == then


def _take(store: MemoryStore, step: str, name: str, index: int) -> None:
    there = store.find("pods", name, "n") is not None
    if step == "create" and not there:
        store.create("pods", {"metadata": {"name": name, "namespace": "n"}})
    elif step == "change" and there:
        store.mutate("pods", name, "n", lambda obj: obj.update(spec={"step": index}))
    elif step == "delete" and there:
        store.delete("pods", name, "n")


@given(st.integers(0, 10**9))
def test_durations_are_short(seconds: int) -> None:
    assert 2 <= len(human_duration(seconds)) <= 8
