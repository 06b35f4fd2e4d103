"""Pods that are refused

A 400 for what cannot be read, a 422 with its field for what may not be.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.access import Api, Object
from tests.contract.objects import on_node, preferred, prefers, requires

Edit = Callable[[Object], Any]
NODE_AFFINITY = "spec.affinity.nodeAffinity"
PREFERRED = f"{NODE_AFFINITY}.preferredDuringSchedulingIgnoredDuringExecution[0]"
REQUIRED = f"{NODE_AFFINITY}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"


def field_term(**fields: Any) -> Object:
    return prefers({"weight": 1, "preference": {"matchFields": [fields]}})


def label_term(**fields: Any) -> Object:
    return prefers({"weight": 1, "preference": {"matchExpressions": [fields]}})


NAME = {"key": "metadata.name", "operator": "In"}

AFFINITIES = {
    "weight 0": (prefers(preferred("n", 0)), f"{PREFERRED}.weight", "must be in the range 1-100"),
    "weight 101": (
        prefers(preferred("n", 101)),
        f"{PREFERRED}.weight",
        "must be in the range 1-100",
    ),
    "no weight": (
        prefers({"preference": on_node("n")}),
        f"{PREFERRED}.weight",
        "must be in the range 1-100",
    ),
    "two names in a field": (
        field_term(**NAME, values=["a", "b"]),
        f"{PREFERRED}.preference.matchFields[0].values",
        "must be only one value when",
    ),
    "another field": (
        field_term(key="spec.x", operator="In", values=["a"]),
        f"{PREFERRED}.preference.matchFields[0].key",
        "not a valid field selector key",
    ),
    "Exists of a field": (
        field_term(key="metadata.name", operator="Exists"),
        f"{PREFERRED}.preference.matchFields[0].operator",
        "not a valid selector operator",
    ),
    "no operator": (
        label_term(key="a", values=["b"]),
        f"{PREFERRED}.preference.matchExpressions[0].operator",
        "not a valid selector operator",
    ),
    "In without values": (
        label_term(key="a", operator="In"),
        f"{PREFERRED}.preference.matchExpressions[0].values",
        "must be specified when `operator` is 'In' or 'NotIn'",
    ),
    "Exists with values": (
        label_term(key="a", operator="Exists", values=["b"]),
        f"{PREFERRED}.preference.matchExpressions[0].values",
        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ),
    "Gt of two values": (
        label_term(key="a", operator="Gt", values=["1", "2"]),
        f"{PREFERRED}.preference.matchExpressions[0].values",
        "must be specified single value when `operator` is 'Lt' or 'Gt'",
    ),
    "key that is no label": (
        label_term(key="a b", operator="Exists"),
        f"{PREFERRED}.preference.matchExpressions[0].key",
        "name part must consist of",
    ),
    "required without a term": (requires(), REQUIRED, "must have at least one node selector term"),
}


@pytest.mark.parametrize("case", AFFINITIES)
def test_bad_affinity_is_422_with_its_field(api: Api, case: str) -> None:
    affinity, path, text = AFFINITIES[case]
    status = api.refused(422, "POST", api.path("pods"), api.gated(affinity=affinity))
    assert status["reason"] == "Invalid"
    causes = {cause["field"]: cause["message"] for cause in status["details"]["causes"]}
    assert text in causes[path]


GOOD_AFFINITIES = {
    "weights 1 and 100": prefers(preferred("a", 1), preferred("b", 100)),
    "a node that is not there": requires(on_node("no-such-node")),
    "an empty preferred term": prefers({"weight": 5, "preference": {}}),
    "an empty required term": requires({}),
    "sixteen preferred terms": prefers(*(preferred(f"n{i}", 16 - i) for i in range(16))),
}


@pytest.mark.parametrize("case", GOOD_AFFINITIES)
def test_affinity_that_is_allowed_is_stored_as_sent(api: Api, case: str) -> None:
    affinity = GOOD_AFFINITIES[case]
    stored = api.create("pods", api.gated(affinity=affinity))
    assert stored["spec"]["affinity"] == affinity


SNAKE = {
    "affinity": lambda spec: spec.update(affinity={"node_affinity": {}}),
    "restart policy": lambda spec: spec.update(restart_policy="Never"),
    "image pull policy": lambda spec: spec["containers"][0].update(image_pull_policy="Never"),
}


@pytest.mark.parametrize("case", SNAKE)
def test_snake_case_is_dropped_with_a_warning(api: Api, case: str) -> None:
    pod = api.gated()
    SNAKE[case](pod["spec"])
    answer = api.send("POST", api.path("pods"), pod)
    assert answer.status_code == 201
    assert "unknown field" in answer.headers["Warning"]
    assert "_" not in "".join(answer.json()["spec"]["containers"][0])


@pytest.mark.parametrize("case", SNAKE)
def test_snake_case_is_400_when_asked_to_be_strict(api: Api, case: str) -> None:
    pod = api.gated()
    SNAKE[case](pod["spec"])
    status = api.refused(400, "POST", api.path("pods"), pod, fieldValidation="Strict")
    assert status["reason"] == "BadRequest"
    assert "unknown field" in status["message"]


def base(**fields: Any) -> Edit:
    return lambda pod: pod["spec"]["containers"][0].update(fields)


def requests(**amounts: Any) -> Edit:
    return base(resources={"requests": amounts})


REFUSED: dict[str, tuple[Edit, int, str, str]] = {
    "quantity that cannot be read": (requests(cpu="1 core"), 400, "", "quantities must match"),
    "quantity with two suffixes": (requests(memory="1GiB"), 400, "", "quantities must match"),
    "negative quantity": (
        requests(cpu="-1"),
        422,
        "spec.containers[0].resources.requests[cpu]",
        "must be greater than or equal to 0",
    ),
    "request above its limit": (
        base(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        422,
        "spec.containers[0].resources.requests",
        "must be less than or equal to cpu limit of 1",
    ),
    "unknown resource": (
        requests(core="1"),
        422,
        "spec.containers[0].resources.requests[core]",
        "must be a standard resource",
    ),
    "number for a string": (base(image=5), 400, "", "cannot unmarshal number into Go struct field"),
    "string for a number": (
        lambda pod: pod["spec"].update(activeDeadlineSeconds="60"),
        400,
        "",
        "cannot unmarshal string into Go struct field",
    ),
    "deadline of 0": (
        lambda pod: pod["spec"].update(activeDeadlineSeconds=0),
        422,
        "spec.activeDeadlineSeconds",
        "must be between 1 and",
    ),
    "no container": (
        lambda pod: pod["spec"].update(containers=[]),
        422,
        "spec.containers",
        "Required value",
    ),
    "no image": (base(image=""), 422, "spec.containers[0].image", "Required value"),
    "container name in capitals": (
        base(name="Base"),
        422,
        "spec.containers[0].name",
        "a lowercase RFC 1123 label must consist of",
    ),
    "two containers of one name": (
        lambda pod: pod["spec"]["containers"].append(pod["spec"]["containers"][0]),
        422,
        "spec.containers[1].name",
        "Duplicate value",
    ),
    "unknown restart policy": (
        lambda pod: pod["spec"].update(restartPolicy="Sometimes"),
        422,
        "spec.restartPolicy",
        "supported values",
    ),
    "mount of no volume": (
        base(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        422,
        "spec.containers[0].volumeMounts[0].name",
        "Not found",
    ),
    "sub path that leaves its volume": (
        lambda pod: (
            pod["spec"].update(volumes=[{"name": "v", "emptyDir": {}}]),
            base(volumeMounts=[{"name": "v", "mountPath": "/v", "subPath": "../x"}])(pod),
        ),
        422,
        "spec.containers[0].volumeMounts.subPath",
        "must not contain '..'",
    ),
    "unknown toleration effect": (
        lambda pod: pod["spec"].update(tolerations=[{"key": "a", "effect": "Never"}]),
        422,
        "spec.tolerations[0].effect",
        "supported values",
    ),
    "gate without a domain": (
        lambda pod: pod["spec"].update(schedulingGates=[{"name": "a b"}]),
        422,
        "spec.schedulingGates[0]",
        "name part must consist of",
    ),
    "name in capitals": (
        lambda pod: pod["metadata"].update(name="P"),
        422,
        "metadata.name",
        "a lowercase RFC 1123 subdomain must consist of",
    ),
    "name that is too long": (
        lambda pod: pod["metadata"].update(name="p" * 254),
        422,
        "metadata.name",
        "must be no more than 253 characters",
    ),
    "no name": (
        lambda pod: pod["metadata"].pop("name"),
        422,
        "metadata.name",
        "name or generateName is required",
    ),
    "label value that is too long": (
        lambda pod: pod["metadata"].update(labels={"a": "x" * 64}),
        422,
        "metadata.labels",
        "must be no more than 63 bytes",
    ),
    "label value with a space": (
        lambda pod: pod["metadata"].update(labels={"a": "x y"}),
        422,
        "metadata.labels",
        "a valid label must be an empty string or consist of",
    ),
    "annotations above 256 KiB": (
        lambda pod: pod["metadata"].update(annotations={"a": "x" * (1 << 18)}),
        422,
        "metadata.annotations",
        "may not be more than 262144 bytes",
    ),
    "unknown priority class": (
        lambda pod: pod["spec"].update(priorityClassName="contract-none"),
        403,
        "",
        "no PriorityClass with name contract-none was found",
    ),
    "unknown service account": (
        lambda pod: pod["spec"].update(serviceAccountName="none"),
        403,
        "",
        'serviceaccount "none" not found',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_pod_is_refused_with_its_field(api: Api, case: str) -> None:
    edit, code, path, text = REFUSED[case]
    pod = api.gated()
    edit(pod)
    status = api.refused(code, "POST", api.path("pods"), pod)
    assert text in status["message"]
    if path:
        assert path in {cause["field"] for cause in status["details"]["causes"]}


def test_all_faults_of_a_pod_are_told_together(api: Api) -> None:
    pod = api.gated(restartPolicy="Sometimes")
    pod["spec"]["containers"][0]["image"] = ""
    status = api.refused(422, "POST", api.path("pods"), pod)
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert fields == {"spec.restartPolicy", "spec.containers[0].image"}
    assert status["details"]["name"] == "p"
    assert status["message"].startswith('Pod "p" is invalid: [')
