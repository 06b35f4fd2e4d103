"""Scheduling: where pods go

The rules that the planner builds on; see also the model's own tests.
"""

import pytest

from tests.contract.access import Api, Object, condition, wait_for
from tests.contract.objects import has_label, on_node, preferred, prefers, requires


def place(api: Api, name: str) -> str:
    """Wait until a pod is bound, and give its node."""
    pod = api.wait("pods", name, lambda p: p["spec"].get("nodeName"), "bound")
    node: str = pod["spec"]["nodeName"]
    return node


def refusal(api: Api, name: str) -> str:
    """Wait until the scheduler says why a pod fits nowhere, and give its words."""
    pod = api.wait(
        "pods",
        name,
        lambda p: condition(p, "PodScheduled").get("reason") == "Unschedulable",
        "unschedulable",
    )
    text: str = condition(pod, "PodScheduled")["message"]
    return text


def all_nodes(api: Api) -> int:
    return len(api.items("nodes"))


def asking(pod: Object, **amounts: str) -> Object:
    pod["spec"]["containers"][0]["resources"] = {"requests": amounts}
    return pod


def test_pod_that_fits_is_bound_and_told_so(api: Api) -> None:
    api.create("pods", asking(api.pod("p"), cpu="10m", memory="16Mi"))
    node = place(api, "p")
    assert node in api.nodes
    assert condition(api.read("pods", "p"), "PodScheduled")["status"] == "True"
    told = wait_for(lambda: api.events_of("p"), "an event of the pod")
    messages = {event["reason"]: event["message"] for event in told}
    assert messages["Scheduled"] == f"Successfully assigned {api.namespace}/p to {node}"


@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_pod_larger_than_every_node_is_unschedulable(api: Api, resource: str) -> None:
    amount = {"cpu": "100000", "memory": "1Pi"}[resource]
    api.create("pods", asking(api.pod("p", **_anywhere()), **{resource: amount}))
    text = refusal(api, "p")
    assert text.startswith(f"0/{all_nodes(api)} nodes are available: ")
    assert f"Insufficient {resource}" in text
    told = wait_for(
        lambda: [e for e in api.events_of("p") if e["reason"] == "FailedScheduling"], "an event"
    )
    assert told[0]["type"] == "Warning"
    assert f"Insufficient {resource}" in told[0]["message"]


def test_unknown_resource_is_insufficient(api: Api) -> None:
    pod = api.pod("p", **_anywhere())
    amounts = {"example.com/gpu": "1"}
    pod["spec"]["containers"][0]["resources"] = {"requests": amounts, "limits": amounts}
    api.create("pods", pod)
    assert "Insufficient example.com/gpu" in refusal(api, "p")


def test_pod_of_no_nodes_labels_is_unschedulable(api: Api) -> None:
    api.create("pods", api.pod("p", nodeSelector={"contract/none": "here"}, **_anywhere()))
    count = all_nodes(api)
    text = f"{count} node(s) didn't match Pod's node affinity/selector"
    assert refusal(api, "p").startswith(f"0/{count} nodes are available: {text}.")


def test_required_node_takes_the_pod(api: Api) -> None:
    for index, node in enumerate(api.nodes[:2]):
        api.create("pods", api.pod(f"p{index}", affinity=requires(on_node(node))))
        assert place(api, f"p{index}") == node


def test_required_terms_are_alternatives(api: Api) -> None:
    affinity = requires(has_label("contract/none"), on_node(api.nodes[1]))
    api.create("pods", api.pod("p", affinity=affinity))
    assert place(api, "p") == api.nodes[1]


def test_parts_of_a_required_term_must_all_hold(api: Api) -> None:
    term = {**on_node(api.nodes[0]), **has_label("contract/none")}
    api.create("pods", api.pod("p", affinity=requires(term)))
    assert "didn't match Pod's node affinity/selector" in refusal(api, "p")


def test_excluded_node_is_avoided(api: Api) -> None:
    others = [on_node(node) for node in api.nodes if node != api.nodes[0]]
    for index in range(3):
        api.create("pods", api.pod(f"p{index}", affinity=requires(*others)))
    assert api.nodes[0] not in {place(api, f"p{index}") for index in range(3)}


def test_empty_required_term_matches_nothing(api: Api) -> None:
    api.create("pods", api.pod("p", affinity=requires({})))
    assert "didn't match Pod's node affinity/selector" in refusal(api, "p")


@pytest.mark.parametrize("index", [0, 1])
def test_preferred_node_of_weight_100_wins(api: Api, index: int) -> None:
    node = api.nodes[index]
    for number in range(2):
        api.create("pods", api.pod(f"p{number}", affinity=_prefers(api, preferred(node))))
    assert {place(api, f"p{number}") for number in range(2)} == {node}


def test_weights_of_all_matching_terms_are_added(api: Api) -> None:
    first, second = api.nodes[:2]
    terms = (preferred(first, 50), preferred(first, 50), preferred(second, 20))
    api.create("pods", api.pod("p", affinity=_prefers(api, *terms)))
    assert place(api, "p") == first


def test_preferred_node_that_is_not_there_hinders_nothing(api: Api) -> None:
    affinity = _prefers(api, preferred("no-such-node"))
    api.create("pods", api.pod("p", affinity=affinity))
    assert place(api, "p") in api.nodes


def test_pods_without_a_preference_go_to_any_node_that_fits(api: Api) -> None:
    for number in range(4):
        api.create("pods", asking(api.pod(f"p{number}"), cpu="10m", memory="16Mi"))
    assert {place(api, f"p{number}") for number in range(4)} <= set(api.nodes)


def test_other_schedulers_pods_are_left_alone(api: Api) -> None:
    api.create("pods", api.pod("p", schedulerName="contract-none"))
    api.create("pods", api.pod("q"))
    place(api, "q")
    other = api.read("pods", "p")
    assert "nodeName" not in other["spec"]
    assert not other["status"].get("conditions")


def test_gated_pod_is_not_scheduled_until_its_gate_goes(api: Api) -> None:
    api.create("pods", api.gated("p"))
    api.create("pods", api.pod("q"))
    place(api, "q")
    assert "nodeName" not in api.read("pods", "p")["spec"]
    api.patch("pods", "p", body={"spec": {"schedulingGates": None}})
    assert place(api, "p") in api.nodes


def test_nominated_node_is_taken_before_preferences_and_then_cleared(api: Api) -> None:
    wanted, other = api.nodes[:2]
    api.create("pods", api.gated("p", affinity=_prefers(api, preferred(other))))
    nominated = {"status": {"nominatedNodeName": wanted}}
    told = api.patch("pods", "p", "status", body=nominated)
    assert told["status"]["nominatedNodeName"] == wanted
    api.patch("pods", "p", body={"spec": {"schedulingGates": None}})
    assert place(api, "p") == wanted
    api.wait("pods", "p", lambda p: "nominatedNodeName" not in p["status"], "rid of its nomination")


def test_nominated_node_that_does_not_fit_is_passed_over(api: Api) -> None:
    wanted, other = api.nodes[:2]
    api.create("pods", api.gated("p", affinity=requires(on_node(other))))
    api.patch("pods", "p", "status", body={"status": {"nominatedNodeName": wanted}})
    api.patch("pods", "p", body={"spec": {"schedulingGates": None}})
    assert place(api, "p") == other


def test_nomination_by_a_strategic_patch_is_stored_too(api: Api) -> None:
    api.create("pods", api.gated("p"))
    body = {"status": {"nominatedNodeName": api.nodes[0]}}
    told = api.patch("pods", "p", "status", body=body, kind="strategic")
    assert told["status"]["nominatedNodeName"] == api.nodes[0]


def test_pod_bound_by_its_author_needs_no_scheduler(api: Api) -> None:
    api.create("pods", api.pod("p", nodeName=api.nodes[1]))
    api.wait_phase("p", "Succeeded")
    assert not [e for e in api.events_of("p") if e["reason"] == "Scheduled"]


def _anywhere() -> Object:
    """Ask for no particular nodes, so that the scheduler's words count them all alike."""
    return {"affinity": {}}


def _prefers(api: Api, *terms: Object) -> Object:
    """Prefer some nodes, among those that run containers."""
    steering = api.steering.get("affinity", {}).get("nodeAffinity", {})
    return {"nodeAffinity": {**steering, **prefers(*terms)["nodeAffinity"]}}
