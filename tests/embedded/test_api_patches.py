"""The three kinds of patches."""

import json
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.patches import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_json_patch,
    apply_merge_patch,
    apply_strategic_patch,
    parse_patch,
)


def containers(*items: Object) -> Object:
    return {"spec": {"containers": list(items)}}


A = {"name": "a", "image": "1", "ports": [{"containerPort": 80, "name": "http"}]}
B = {"name": "b", "image": "1", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]}

STRATEGIC: dict[str, tuple[Any, Any, Any]] = {
    "maps are merged, null removes": (
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"b": None, "c": "3"}}},
        {"metadata": {"labels": {"a": "1", "c": "3"}}},
    ),
    "containers are merged by name": (
        containers(A, B),
        containers({"name": "b", "image": "2"}),
        containers(A, {**B, "image": "2"}),
    ),
    "new container comes last": (
        containers(A),
        containers({"name": "n"}),
        containers(A, {"name": "n"}),
    ),
    "container is deleted by a directive": (
        containers(A, B),
        containers({"name": "a", "$patch": "delete"}),
        containers(B),
    ),
    "env is merged by name, deep inside": (
        containers(B),
        containers({"name": "b", "env": [{"name": "Y", "value": "9"}]}),
        containers({**B, "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "9"}]}),
    ),
    "container ports are merged by containerPort": (
        containers(A),
        containers({"name": "a", "ports": [{"containerPort": 80, "name": "web"}]}),
        containers({**A, "ports": [{"containerPort": 80, "name": "web"}]}),
    ),
    "service ports are merged by port": (
        {"spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81}]}},
        {"spec": {"ports": [{"port": 80, "name": "b"}]}},
        {"spec": {"ports": [{"port": 80, "name": "b"}, {"port": 81}]}},
    ),
    "tolerations and args are replaced": (
        {"spec": {"tolerations": [{"key": "a"}], "args": ["1"]}},
        {"spec": {"tolerations": [{"key": "b"}], "args": ["2"]}},
        {"spec": {"tolerations": [{"key": "b"}], "args": ["2"]}},
    ),
    "taints of a node are replaced": (
        {"spec": {"taints": [{"key": "a"}]}},
        {"spec": {"taints": [{"key": "b"}]}},
        {"spec": {"taints": [{"key": "b"}]}},
    ),
    "conditions are merged by type": (
        {"status": {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Other"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other"}]}},
    ),
    "finalizers are added to": (
        {"metadata": {"finalizers": ["a"]}},
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"finalizers": ["a", "b"]}},
    ),
    "finalizers are removed by a directive": (
        {"metadata": {"finalizers": ["a", "b"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"metadata": {"finalizers": ["b"]}},
    ),
    "map is replaced by a directive": (
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$patch": "replace", "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
    ),
    "map is deleted by a directive": (
        {"spec": {"strategy": {"type": "Recreate"}, "x": 1}},
        {"spec": {"strategy": {"$patch": "delete"}}},
        {"spec": {"x": 1}},
    ),
    "list is replaced by a directive": (
        containers(A, B),
        containers({"$patch": "replace"}, {"name": "n"}),
        containers({"name": "n"}),
    ),
    "only named keys are retained": (
        {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}},
        {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}},
        {"spec": {"strategy": {"type": "Recreate"}}},
    ),
    "element order leaves no trace": (
        containers(A),
        {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "a"}]}},
        containers(A),
    ),
    "volumes are merged by name": (
        {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}},
        {"spec": {"volumes": [{"name": "v", "emptyDir": None, "hostPath": {"path": "/"}}]}},
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
    ),
    "list appears where there was none": ({}, containers(A), containers(A)),
}


@pytest.mark.parametrize(("obj", "patch", "expected"), STRATEGIC.values(), ids=STRATEGIC)
def test_strategic_merge(obj: Object, patch: Object, expected: Object) -> None:
    before = json.dumps(obj)
    assert apply_strategic_patch(obj, patch) == expected
    assert json.dumps(obj) == before


def test_merge_patch_replaces_lists() -> None:
    patched = apply_merge_patch(containers(A, B), containers({"name": "n"}))
    assert patched == containers({"name": "n"})


def test_merge_patch_removes_and_builds() -> None:
    patched = apply_merge_patch({"a": {"b": 1}, "c": 2}, {"a": {"b": None}, "d": {"e": {"f": 3}}})
    assert patched == {"a": {}, "c": 2, "d": {"e": {"f": 3}}}


def test_json_patch_applies_in_order() -> None:
    operations = [
        {"op": "test", "path": "/a", "value": 1},
        {"op": "replace", "path": "/a", "value": 2},
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/x~1y", "value": True},
    ]
    assert apply_json_patch({"a": 1}, operations) == {"a": 2, "b": 2, "x/y": True}


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"op": "add"}, 400),
        ([{"op": "nonsense", "path": "/a"}], 422),
        ([{"path": "/a"}], 422),
        (["text"], 400),
        ([{"op": "remove", "path": "/absent"}], 422),
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "add", "path": "no slash", "value": 2}], 422),
        ([{"op": "replace", "path": "", "value": 2}], 400),
        ([{"op": "remove", "path": "/a"}] * 10_001, 400),
    ],
)
def test_bad_json_patch_is_refused(patch: Any, code: int) -> None:
    with pytest.raises(StatusError) as caught:
        apply_json_patch({"a": 1}, patch)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "patch",
    [
        [],
        {"metadata": {"$patch": "nonsense"}},
        containers({"image": "no name"}),
    ],
    ids=["a list", "unknown directive", "item without its merge key"],
)
def test_bad_strategic_patch_is_refused(patch: Any) -> None:
    with pytest.raises(StatusError) as caught:
        apply_strategic_patch({"metadata": {"a": "b"}}, patch)
    assert caught.value.code == 400


def test_custom_resources_know_no_strategic_merge() -> None:
    with pytest.raises(StatusError) as caught:
        parse_patch(STRATEGIC_PATCH, b"{}", schemaless=True)
    assert caught.value.code == 415
    assert MERGE_PATCH in caught.value.message
    assert parse_patch(JSON_PATCH, b"[]", schemaless=True)({"a": 1}) == {"a": 1}
