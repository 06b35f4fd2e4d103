"""Label and field selectors."""

import pytest

from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.selectors import (
    labels_match,
    parse_field_selector,
    parse_label_selector,
    requirements_of,
)

POD: Object = {
    "metadata": {"name": "p", "namespace": "d", "labels": {"app": "x", "n": "5", "k8s.io/a": "b"}},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=x", True),
        ("app==x", True),
        ("app = x", True),
        ("app=y", False),
        ("app!=y", True),
        ("app!=x", False),
        ("absent!=x", True),
        ("absent=", False),
        ("app", True),
        ("absent", False),
        ("!absent", True),
        ("!app", False),
        ("! app", False),
        ("app in (y, x)", True),
        ("app in (y)", False),
        ("app notin (y)", True),
        ("app notin (x,y)", False),
        ("absent notin (x)", True),
        ("app in (x),n", True),
        ("app in (x),!n", False),
        ("k8s.io/a=b", True),
        ("n>4", True),
        ("n>5", False),
        ("n<6", True),
        ("app>1", False),
        ("app=x,already_checked!=True,!airflow-worker", True),
    ],
)
def test_label_selector(selector: str, matches: bool) -> None:
    assert labels_match(parse_label_selector(selector), POD) is matches


@pytest.mark.parametrize("selector", ["app in x", "=x", "a=b=c", "app in (x", "a b", "-a", "a=b c"])
def test_malformed_label_selector_is_a_bad_request(selector: str) -> None:
    with pytest.raises(StatusError) as caught:
        parse_label_selector(selector)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("metadata.name=p", True),
        ("metadata.name==p", True),
        ("metadata.name!=p", False),
        ("metadata.namespace=d,metadata.name=p", True),
        ("spec.nodeName=n1", True),
        ("spec.nodeName=", False),
        ("status.phase!=Succeeded,status.phase!=Failed", True),
        ("status.phase=Pending", False),
        ("status.nominatedNodeName=", True),
        ("spec.hostNetwork=false", True),
    ],
)
def test_field_selector_of_pods(selector: str, matches: bool) -> None:
    found = parse_field_selector(selector, "pods")
    assert all(field.holds(POD) for field in found) is matches


@pytest.mark.parametrize(
    ("kind", "selector", "message"),
    [
        ("pods", "spec.hostname=h", "field label not supported: spec.hostname"),
        ("configmaps", "status.phase=x", "field label not supported: status.phase"),
        ("pods", "nonsense", "invalid selector"),
    ],
)
def test_unknown_field_is_a_bad_request(kind: str, selector: str, message: str) -> None:
    with pytest.raises(StatusError, match=message) as caught:
        parse_field_selector(selector, kind)
    assert caught.value.code == 400


def test_event_is_selected_by_what_it_is_about() -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "p", "kind": "Pod"}}
    for selector in ("involvedObject.name=p,involvedObject.kind=Pod", "regarding.name=p"):
        assert all(field.holds(event) for field in parse_field_selector(selector, "events"))
    assert not parse_field_selector("involvedObject.name=q", "events")[0].holds(event)


def test_cordoned_nodes_are_selected_by_a_boolean() -> None:
    selector = parse_field_selector("spec.unschedulable=true", "nodes")
    assert selector[0].holds({"metadata": {}, "spec": {"unschedulable": True}})
    assert not selector[0].holds({"metadata": {}, "spec": {}})


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "x"}}, True),
        ({"matchLabels": {"app": "y"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["x"]}]}, False),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selector_object(selector: Object | None, matches: bool) -> None:
    assert labels_match(requirements_of(selector), POD) is matches
