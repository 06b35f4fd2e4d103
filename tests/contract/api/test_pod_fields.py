"""Fields of pods: what is filled in, and what may change

A pod's place is decided before it is bound; afterwards hardly anything of it may change.
"""

from typing import Any

import pytest

from tests.contract.access import Api, Object, condition
from tests.contract.objects import has_label, on_node, preferred, prefers, requires


def test_defaults_are_filled_in(api: Api) -> None:
    plain = {"containers": [{"name": "base", "image": "example.com/image:1"}]}
    gates = [{"name": "contract/hold"}]
    pod = {"metadata": {"name": "p"}, "spec": {**plain, "schedulingGates": gates}}
    spec = api.create("pods", pod)["spec"]
    expected = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0,
        "securityContext": {},
    }
    assert {key: spec.get(key) for key in expected} == expected
    container = spec["containers"][0]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"
    tolerated = {t["key"]: (t["effect"], t["tolerationSeconds"]) for t in spec["tolerations"]}
    assert tolerated == {
        "node.kubernetes.io/not-ready": ("NoExecute", 300),
        "node.kubernetes.io/unreachable": ("NoExecute", 300),
    }


def test_image_without_a_tag_or_with_latest_is_always_pulled(api: Api) -> None:
    for name, image in (("a", "example.com/image"), ("b", "example.com/image:latest")):
        pod = api.gated(name)
        pod["spec"]["containers"][0]["image"] = image
        stored = api.create("pods", pod)
        assert stored["spec"]["containers"][0]["imagePullPolicy"] == "Always"


def test_limit_without_a_request_is_the_request(api: Api) -> None:
    pod = api.gated()
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    stored = api.create("pods", pod)
    assert stored["spec"]["containers"][0]["resources"]["requests"] == {"memory": "64Mi"}


@pytest.mark.parametrize(
    ("written", "stored"),
    [("0.5", "500m"), ("1000m", "1"), (2, "2"), ("1e3", "1e3"), ("0.0001", "1m")],
)
def test_cpu_is_stored_in_canonical_form(api: Api, written: Any, stored: str) -> None:
    pod = api.gated()
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": written}}
    made = api.create("pods", pod)
    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == stored


@pytest.mark.parametrize(
    ("written", "stored"),
    [("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("3758096384", "3758096384"), ("1000M", "1G")],
)
def test_memory_is_stored_in_canonical_form(api: Api, written: Any, stored: str) -> None:
    pod = api.gated()
    pod["spec"]["containers"][0]["resources"] = {"requests": {"memory": written}}
    made = api.create("pods", pod)
    assert made["spec"]["containers"][0]["resources"]["requests"]["memory"] == stored


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "10m"}}, "Burstable"),
        ({"limits": {"cpu": "10m", "memory": "16Mi"}}, "Guaranteed"),
    ],
    ids=["nothing", "a request", "limits"],
)
def test_quality_of_service_follows_requests_and_limits(
    api: Api, resources: Object, quality: str
) -> None:
    pod = api.gated()
    pod["spec"]["containers"][0]["resources"] = resources
    assert api.create("pods", pod)["status"]["qosClass"] == quality


def test_gated_pod_says_so_from_the_start(api: Api) -> None:
    pod = api.create("pods", api.gated())
    told = condition(pod, "PodScheduled")
    assert pod["status"]["phase"] == "Pending"
    assert (told["status"], told["reason"]) == ("False", "SchedulingGated")


def test_gate_may_be_removed_and_none_added(api: Api) -> None:
    api.create("pods", api.gated())
    more = {"spec": {"schedulingGates": [{"name": "contract/hold"}, {"name": "contract/more"}]}}
    status = api.refused(422, "PATCH", api.path("pods", "p"), more, patch="strategic")
    assert "only deletion is allowed" in status["message"]
    freed = api.patch("pods", "p", body={"spec": {"schedulingGates": None}})
    assert "schedulingGates" not in freed["spec"]


def change(api: Api, spec: Object) -> int:
    """Merge into the spec of the pod ``p``, and give the answer's code."""
    answer = api.send("PATCH", api.path("pods", "p"), {"spec": spec}, patch="merge")
    return answer.status_code


REQUIRED = has_label("zone", "a", "b")


def test_required_affinity_of_a_gated_pod_may_be_tightened(api: Api) -> None:
    api.create("pods", api.gated(affinity=requires(REQUIRED)))
    more = {"matchExpressions": [*REQUIRED["matchExpressions"], {"key": "x", "operator": "Exists"}]}
    assert change(api, {"affinity": requires(more)}) == 200


LOOSER = {
    "another value": requires(has_label("zone", "a", "b", "c")),
    "another term": requires(REQUIRED, has_label("zone", "c")),
    "no term at all": {"nodeAffinity": None},
    "another key": requires(has_label("rack", "a")),
}


@pytest.mark.parametrize("case", LOOSER)
def test_required_affinity_of_a_gated_pod_may_not_be_loosened(api: Api, case: str) -> None:
    api.create("pods", api.gated(affinity=requires(REQUIRED)))
    assert change(api, {"affinity": LOOSER[case]}) == 422


def test_gated_pod_without_required_affinity_may_get_some(api: Api) -> None:
    api.create("pods", api.gated())
    assert change(api, {"affinity": requires(on_node("n"))}) == 200


def test_preferred_terms_of_a_gated_pod_may_change_freely(api: Api) -> None:
    api.create("pods", api.gated(affinity=prefers(preferred("a"))))
    assert change(api, {"affinity": prefers(preferred("b", 3), preferred("c", 2))}) == 200
    assert change(api, {"affinity": None}) == 200
    assert change(api, {"affinity": prefers(preferred("a"))}) == 200


def test_node_selector_of_a_gated_pod_may_only_grow(api: Api) -> None:
    api.create("pods", api.gated(nodeSelector={"a": "1"}))
    assert change(api, {"nodeSelector": {"b": "2"}}) == 200
    assert change(api, {"nodeSelector": {"a": "3"}}) == 422
    assert change(api, {"nodeSelector": {"b": None}}) == 422


FIXED = {
    "preferred terms": {"affinity": prefers(preferred("a"))},
    "required terms": {"affinity": requires(on_node("a"))},
    "node selector": {"nodeSelector": {"a": "b"}},
    "node": {"nodeName": "elsewhere"},
    "restart policy": {"restartPolicy": "Always"},
    "priority class": {"priorityClassName": "system-node-critical"},
    "service account": {"serviceAccountName": "other"},
    "volumes": {"volumes": [{"name": "v", "emptyDir": {}}]},
}


@pytest.fixture
def unplaceable(api: Api) -> Api:
    """A pod ``p`` without gates that fits on no node."""
    api.create("pods", api.pod("p", nodeSelector={"contract/none": "here"}))
    return api


@pytest.mark.parametrize("case", FIXED)
def test_pod_without_gates_is_fixed(unplaceable: Api, case: str) -> None:
    path = unplaceable.path("pods", "p")
    body = {"spec": FIXED[case]}
    status = unplaceable.refused(422, "PATCH", path, body, patch="merge")
    assert "pod updates may not change fields other than" in status["message"]


def test_command_and_resources_of_a_pod_are_fixed(unplaceable: Api) -> None:
    for fields in ({"command": ["true"]}, {"resources": {"requests": {"cpu": "1"}}}):
        body = {"spec": {"containers": [{"name": "base", **fields}]}}
        path = unplaceable.path("pods", "p")
        assert unplaceable.refused(422, "PATCH", path, body, patch="strategic")


def test_image_labels_deadline_and_tolerations_of_a_pod_may_change(unplaceable: Api) -> None:
    spec = unplaceable.read("pods", "p")["spec"]
    more = [*spec["tolerations"], {"key": "a", "operator": "Exists"}]
    image = {"containers": [{"name": "base", "image": "example.com/other:1"}]}
    body = {
        "metadata": {"labels": {"new": "label"}},
        "spec": {**image, "activeDeadlineSeconds": 60, "tolerations": more},
    }
    changed = unplaceable.patch("pods", "p", body=body, kind="strategic")
    assert changed["metadata"]["labels"] == {"app": "p", "new": "label"}
    assert changed["spec"]["containers"][0]["image"] == "example.com/other:1"
    assert changed["spec"]["activeDeadlineSeconds"] == 60
    assert {"key": "a", "operator": "Exists"} in changed["spec"]["tolerations"]


def test_deadline_may_shrink_and_not_grow(unplaceable: Api) -> None:
    assert change(unplaceable, {"activeDeadlineSeconds": 60}) == 200
    assert change(unplaceable, {"activeDeadlineSeconds": 30}) == 200
    assert change(unplaceable, {"activeDeadlineSeconds": 40}) == 422
    assert change(unplaceable, {"activeDeadlineSeconds": None}) == 422


def test_toleration_may_not_be_removed(unplaceable: Api) -> None:
    before = unplaceable.read("pods", "p")["spec"]["tolerations"]
    own = {"key": "a", "operator": "Exists"}
    assert change(unplaceable, {"tolerations": [*before, own]}) == 200
    assert change(unplaceable, {"tolerations": before}) == 422


def test_bound_pod_is_not_bound_again(api: Api) -> None:
    api.create("pods", api.pod("p", "sleep 600"))
    api.wait("pods", "p", lambda pod: pod["spec"].get("nodeName"), "bound")
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": api.nodes[0]}}
    status = api.refused(409, "POST", api.path("pods", "p", "binding"), binding)
    assert "is already assigned to node" in status["message"]
