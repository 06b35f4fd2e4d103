"""Label selectors, and pods that keep the cluster going."""

from typing import Any

import pytest

from nightshift.domain.capacity.roles import OwnPods, roles_of
from nightshift.domain.capacity.selectors import (
    LabelSelector,
    parse_label_selector,
    read_label_selector,
)
from nightshift.domain.capacity.snapshots import Role
from tests.domain.capacity.capacity_support import pod


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("tier=batch", [{"tier": "batch"}], [{}, {"tier": "x"}]),
        ("tier==batch", [{"tier": "batch"}], [{}]),
        ("tier!=batch", [{}, {"tier": "x"}], [{"tier": "batch"}]),
        ("app in (a, b)", [{"app": "a"}, {"app": "b"}], [{"app": "c"}, {}]),
        ("app notin (a,b)", [{"app": "c"}, {}], [{"app": "a"}]),
        ("tier,!canary", [{"tier": ""}], [{}, {"tier": "a", "canary": ""}]),
        ("example.org/rest=", [{"example.org/rest": ""}], [{"example.org/rest": "x"}, {}]),
    ],
)
def test_a_selector_means_what_kubectl_means(
    text: str, yes: list[dict[str, str]], no: list[dict[str, str]]
) -> None:
    selector = parse_label_selector(text)
    assert all(selector.matches(labels) for labels in yes)
    assert not any(selector.matches(labels) for labels in no)
    assert parse_label_selector(str(selector)) == selector


@pytest.mark.parametrize("text", ["", "a b", "a=b c", "=a", "a in b", "a in (b", "-a", "a,", "a>1"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no label selector"):
        parse_label_selector(text)


def test_a_selector_of_the_api_is_read() -> None:
    found = read_label_selector(
        {
            "matchLabels": {"app": "api"},
            "matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}],
        },
        "spec.selector",
    )
    assert str(found) == "app=api,env!=dev"
    assert read_label_selector(None, "spec.selector") == LabelSelector()
    assert LabelSelector().matches({"any": "thing"})


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ({"key": "a", "operator": "In"}, r"matchExpressions\[0\]\.values"),
        ({"key": "a", "operator": "Gt", "values": ["1"]}, "is not for labels"),
        ({"key": "a", "operator": "Like"}, "operator"),
        ({"key": 1, "operator": "Exists"}, "expected a key"),
    ],
)
def test_a_faulty_selector_of_the_api_is_refused(expression: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_label_selector({"matchExpressions": [expression]}, "spec.selector")


@pytest.mark.parametrize(
    ("labels", "roles"),
    [
        ({"k8s-app": "kube-dns"}, {Role.DNS}),
        ({"app.kubernetes.io/name": "ebs-csi-controller"}, {Role.STORAGE}),
        ({"app.kubernetes.io/name": "cluster-autoscaler"}, {Role.AUTOSCALER}),
        ({"tier": "airflow", "component": "scheduler"}, {Role.AIRFLOW}),
        (
            {
                "app.kubernetes.io/part-of": "nightshift",
                "app.kubernetes.io/component": "database",
            },
            {Role.DATABASE},
        ),
        ({"app": "shop"}, set()),
    ],
)
def test_pods_are_known_by_their_charts_labels(labels: dict[str, str], roles: set[Role]) -> None:
    assert roles_of(pod("x", labels=labels).drain, OwnPods()) == roles


def test_the_pod_of_this_task_is_ourselves_even_if_it_is_a_scan() -> None:
    own = OwnPods(task="app/x")
    scan = {"app.kubernetes.io/part-of": "nightshift"}
    assert roles_of(pod("x", of="", labels=scan).drain, own) == {Role.SELF}
    assert roles_of(pod("y", of="", labels=scan).drain, own) == set()
