"""Pods that Kubernetes refuses are refused here, in its words."""

from typing import Any

import pytest

from nightshift.embedded.kube.admission import admit
from nightshift.embedded.kube.interfaces import Object, StatusError
from tests.embedded.controllers_support import World, container, pod

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFIX = f"spec.affinity.nodeAffinity.{PREFERRED}[0]"


def preferred(weight: int = 1, **preference: Any) -> Object:
    term = {"weight": weight, "preference": preference}
    return {"affinity": {"nodeAffinity": {PREFERRED: [term]}}}


def by_name(operator: str = "In", key: str = "metadata.name", values: Any = ("n1",)) -> Object:
    return preferred(matchFields=[{"key": key, "operator": operator, "values": list(values)}])


def by_label(operator: str, values: list[str]) -> Object:
    return preferred(matchExpressions=[{"key": "zone", "operator": operator, "values": values}])


def requests(cpu: str, limit: str = "1") -> Object:
    resources = {"requests": {"cpu": cpu}, "limits": {"cpu": limit}}
    return {"containers": [container(resources=resources)]}


def mounting(*mounts: tuple[str, str], volumes: Any = ()) -> Object:
    listed = [{"name": name, "mountPath": path} for name, path in mounts]
    return {"containers": [container(volumeMounts=listed)], "volumes": list(volumes)}


EMPTY = {"name": "data", "emptyDir": {}}
ANY_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
CASES = {
    "weight above 100": (
        preferred(500, matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n"]}]),
        f"{PREFIX}.weight: Invalid value: 500: must be in the range 1-100",
    ),
    "weight of rank 16": (
        preferred(0, matchExpressions=[]),
        f"{PREFIX}.weight: Invalid value: 0: must be in the range 1-100",
    ),
    "two names in one field selector": (
        by_name(values=("a", "b")),
        f"{PREFIX}.preference.matchFields[0].values: Required value: must be only one value when"
        " `operator` is 'In' or 'NotIn' for node field selector",
    ),
    "a field other than the name": (
        by_name(key="spec.unschedulable"),
        f'{PREFIX}.preference.matchFields[0].key: Invalid value: "spec.unschedulable": not a valid'
        " field selector key",
    ),
    "Exists on a field": (
        by_name("Exists", values=()),
        f'{PREFIX}.preference.matchFields[0].operator: Invalid value: "Exists": not a valid'
        " selector operator",
    ),
    "In without values": (
        by_label("In", []),
        f"{PREFIX}.preference.matchExpressions[0].values: Required value: must be specified when"
        " `operator` is 'In' or 'NotIn'",
    ),
    "Gt with two values": (
        by_label("Gt", ["1", "2"]),
        f"{PREFIX}.preference.matchExpressions[0].values: Required value: must be specified single"
        " value when `operator` is 'Lt' or 'Gt'",
    ),
    "Exists with values": (
        by_label("Exists", ["a"]),
        f"{PREFIX}.preference.matchExpressions[0].values: Forbidden: may not be specified when"
        " `operator` is 'Exists' or 'DoesNotExist'",
    ),
    "an unknown operator": (
        by_label("Near", ["a"]),
        f'{PREFIX}.preference.matchExpressions[0].operator: Invalid value: "Near": not a valid'
        " selector operator",
    ),
    "required affinity without terms": (
        {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
        f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: Required value: must have at"
        " least one node selector term",
    ),
    "request above limit": (
        requests("2"),
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to'
        " cpu limit of 1",
    ),
    "a negative request": (
        requests("-1"),
        'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or'
        " equal to 0",
    ),
    "an unknown resource": (
        {"containers": [container(resources={"requests": {"gpu": "1"}})]},
        'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard'
        " resource type or fully qualified",
    ),
    "two containers of one name": (
        {"containers": [container(), container()]},
        'spec.containers[1].name: Duplicate value: "main"',
    ),
    "no container": ({"containers": []}, "spec.containers: Required value"),
    "no image": (
        {"containers": [{"name": "main"}]},
        "spec.containers[0].image: Required value",
    ),
    "a container's name in capitals": (
        {"containers": [container("Main")]},
        'spec.containers[0].name: Invalid value: "Main": a lowercase RFC 1123 label must consist',
    ),
    "a mount of no volume": (
        mounting(("data", "/a")),
        'spec.containers[0].volumeMounts[0].name: Not found: "data"',
    ),
    "two mounts in one place": (
        mounting(("data", "/a"), ("data", "/a"), volumes=[EMPTY]),
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
    ),
    "two volumes of one name": (
        mounting(volumes=[EMPTY, EMPTY]),
        'spec.volumes[1].name: Duplicate value: "data"',
    ),
    "a host path that climbs": (
        mounting(volumes=[{"name": "h", "hostPath": {"path": "/a/../b"}}]),
        "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
    ),
    "a deadline of nothing": (
        {"activeDeadlineSeconds": 0},
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ),
    "an unknown restart policy": (
        {"restartPolicy": "Sometimes"},
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always",'
        ' "OnFailure", "Never"',
    ),
    "a toleration without key": (
        {"tolerations": [{"operator": "Equal"}]},
        f'spec.tolerations[0].operator: Invalid value: "Equal": {ANY_KEY}',
    ),
    "tolerationSeconds without NoExecute": (
        {"tolerations": [{"key": "a", "operator": "Exists", "tolerationSeconds": 5}]},
        "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when"
        " `tolerationSeconds` is set",
    ),
    "an environment variable with =": (
        {"containers": [container(env=[{"name": "A=B", "value": "x"}])]},
        'spec.containers[0].env[0].name: Invalid value: "A=B": a valid environment variable name',
    ),
    "a port out of range": (
        {"containers": [container(ports=[{"containerPort": 70000}])]},
        "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and"
        " 65535, inclusive",
    ),
    "a node selector value with spaces": (
        {"nodeSelector": {"zone": "a b"}},
        'spec.nodeSelector: Invalid value: "a b": a valid label must be an empty string',
    ),
    "a probe on an init container": (
        {"initContainers": [container("init", livenessProbe={"exec": {"command": ["true"]}})]},
        "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers"
        " without restartPolicy=Always",
    ),
    "spreading without a key": (
        {"topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]},
        "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
    ),
}


@pytest.fixture
def world() -> World:
    return World()


def refusal(world: World, obj: Object, kind: str = "pods") -> StatusError:
    with pytest.raises(StatusError) as caught:
        admit(world.store, "CREATE", kind, obj, None)
    return caught.value


@pytest.mark.parametrize(("spec", "said"), CASES.values(), ids=CASES)
def test_a_bad_pod_is_refused_in_kubernetes_words(world: World, spec: Object, said: str) -> None:
    error = refusal(world, pod("x", **spec))
    assert (error.code, error.reason) == (422, "Invalid")
    assert said in error.message
    path = said.partition(": ")[0]
    assert path in {cause["field"] for cause in error.details["causes"]}


def test_one_fault_is_told_plainly_and_several_in_brackets(world: World) -> None:
    one = refusal(world, pod("x", activeDeadlineSeconds=0))
    assert one.message.startswith('Pod "x" is invalid: spec.activeDeadlineSeconds: ')
    assert (one.details["name"], one.details["kind"]) == ("x", "Pod")
    two = refusal(world, pod("x", activeDeadlineSeconds=0, restartPolicy="No"))
    assert two.message.startswith('Pod "x" is invalid: [spec.')
    assert len(two.details["causes"]) == 2


@pytest.mark.parametrize(
    "spec",
    [
        preferred(100, matchFields=[{"key": "metadata.name", "operator": "In", "values": ["n"]}]),
        preferred(1, matchExpressions=[{"key": "zone", "operator": "Exists"}]),
        requests("1"),
        mounting(("data", "/a"), ("data", "/b"), volumes=[EMPTY]),
        {"initContainers": [container("log", restartPolicy="Always")]},
        {"tolerations": [{"operator": "Exists"}]},
    ],
    ids=[
        "weight 100",
        "weight 1",
        "request at limit",
        "one volume twice",
        "sidecar",
        "tolerate all",
    ],
)
def test_what_is_just_allowed_passes(world: World, spec: Object) -> None:
    assert admit(world.store, "CREATE", "pods", pod("x", **spec), None)["spec"]["dnsPolicy"]


def test_names_are_checked_and_generated_ones_by_their_prefix(world: World) -> None:
    assert "RFC 1123 subdomain" in refusal(world, pod("A_b")).message
    generated = pod()
    generated["metadata"] = {"namespace": "team", "generateName": "scan-"}
    assert admit(world.store, "CREATE", "pods", generated, None)
    generated["metadata"]["generateName"] = "Scan-"
    assert "RFC 1123 subdomain" in refusal(world, generated).message


def test_labels_and_annotations_are_checked(world: World) -> None:
    bad = pod("x")
    bad["metadata"] |= {"labels": {"a/b/c": "1", "ok": "-"}, "annotations": {"big": "x" * 300_000}}
    message = refusal(world, bad).message
    assert 'metadata.labels: Invalid value: "a/b/c": a valid label key' in message
    assert 'metadata.labels: Invalid value: "-": a valid label must be' in message
    assert "metadata.annotations: Too long: may not be more than 262144 bytes" in message
