from typing import Any

import pytest

from nightshift.domain.requests import effective_requests, parse_resource_list
from nightshift.domain.resources import Resources

MIB = 1024**2


def container(cpu: str = "", memory: str = "", **more: Any) -> dict[str, Any]:
    requests = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v}
    return {"name": more.pop("name", "c"), "resources": {"requests": requests}, **more}


def sidecar(cpu: str) -> dict[str, Any]:
    return container(cpu, restartPolicy="Always", name="s")


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def cpu_of(obj: dict[str, Any]) -> int:
    return effective_requests(obj).need.cpu_millis


@pytest.mark.parametrize(
    ("obj", "millis"),
    [
        pytest.param(pod(container("1"), container("500m")), 1500, id="containers add up"),
        pytest.param(
            pod(container("1"), initContainers=[container("3"), container("2")]),
            3000,
            id="init containers run one by one, the largest counts",
        ),
        pytest.param(
            pod(container("4"), initContainers=[container("3")]), 4000, id="init below the sum"
        ),
        pytest.param(
            pod(container("1"), initContainers=[sidecar("500m")]), 1500, id="a sidecar stays"
        ),
        pytest.param(
            pod(container("1"), initContainers=[sidecar("1"), container("3")]),
            4000,
            id="an init container after a sidecar runs beside it",
        ),
        pytest.param(
            pod(container("1"), initContainers=[container("3"), sidecar("1")]),
            3000,
            id="an init container before a sidecar does not",
        ),
        pytest.param(
            pod(container("1"), initContainers=[sidecar("1"), container("1"), sidecar("2")]),
            4000,
            id="all sidecars with the containers",
        ),
        pytest.param(pod(container("1"), overhead={"cpu": "250m"}), 1250, id="overhead"),
        pytest.param(
            pod(container("1"), container("1"), resources={"requests": {"cpu": "1500m"}}),
            1500,
            id="the pod level replaces the sum",
        ),
        pytest.param(
            pod(container("1"), resources={"requests": {"cpu": "2"}}, overhead={"cpu": "1"}),
            3000,
            id="overhead comes on top of the pod level",
        ),
        pytest.param(
            pod(container("1"), resources={"limits": {"cpu": "4"}}),
            1000,
            id="a pod-level limit does not replace what containers ask for",
        ),
        pytest.param(
            pod(container(), resources={"limits": {"cpu": "4"}}),
            4000,
            id="a pod-level limit is the request when no container asks",
        ),
        pytest.param(
            pod({"name": "c", "resources": {"limits": {"cpu": "2"}}}),
            2000,
            id="a missing request is the limit",
        ),
        pytest.param(
            pod({"name": "c", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}),
            1000,
            id="a request below its limit stands",
        ),
        pytest.param(
            pod(container("500u"), container("500u")), 1, id="rounded up once, after adding"
        ),
        pytest.param(pod(), 0, id="nothing asked"),
        pytest.param({}, 0, id="no spec"),
    ],
)
def test_cpu_need(obj: dict[str, Any], millis: int) -> None:
    assert cpu_of(obj) == millis


def resized(
    asked: str, actuated: str, allocated: str, *conditions: dict[str, str]
) -> dict[str, Any]:
    entry = {
        "name": "c",
        "resources": {"requests": {"cpu": actuated}},
        "allocatedResources": {"cpu": allocated},
    }
    status = {"containerStatuses": [entry], "conditions": list(conditions)}
    return {**pod(container(asked)), "status": status}


@pytest.mark.parametrize(
    ("obj", "millis"),
    [
        pytest.param(resized("2", "1", "1"), 2000, id="growing counts as grown"),
        pytest.param(resized("1", "2", "1"), 2000, id="shrinking counts until it is done"),
        pytest.param(resized("1", "1", "3"), 3000, id="what the kubelet promised counts"),
        pytest.param(
            resized("8", "1", "2", {"type": "PodResizePending", "reason": "Infeasible"}),
            2000,
            id="an infeasible wish does not count",
        ),
        pytest.param(
            resized("8", "1", "2", {"type": "PodResizePending", "reason": "Deferred"}),
            8000,
            id="a deferred one does",
        ),
    ],
)
def test_a_resize_in_progress(obj: dict[str, Any], millis: int) -> None:
    assert cpu_of(obj) == millis


def test_other_resources_are_counted_and_pod_level_ones_are_not_invented() -> None:
    gpu = {"name": "c", "resources": {"limits": {"nvidia.com/gpu": 1, "hugepages-2Mi": "4Mi"}}}
    level = {"requests": {"nvidia.com/gpu": 9, "hugepages-2Mi": "8Mi"}}
    need = effective_requests(pod(gpu, resources=level)).need
    assert (need.get("nvidia.com/gpu"), need.get("hugepages-2Mi")) == (1, 8 * MIB)


def test_scoring_assumes_100m_and_200_mib_for_each_container_that_does_not_ask() -> None:
    found = effective_requests(pod(container(), container("1")))
    assert (found.need.cpu_millis, found.need.memory_bytes) == (1000, 0)
    assert found.scoring == found.scoring_placed == Resources(1100, 400 * MIB)


def test_a_request_of_zero_is_a_request() -> None:
    assert effective_requests(pod(container("0", "0"))).scoring == Resources(0, 0)


def test_a_pod_level_request_ends_the_assumptions_for_what_is_asked_somewhere() -> None:
    obj = pod(container("1"), container(), resources={"requests": {"memory": "1Gi"}})
    found = effective_requests(obj)
    assert found.scoring_placed == Resources(1000, 1024 * MIB)


def test_the_pod_level_is_not_scored_while_the_pod_is_being_placed() -> None:
    level = {"requests": {"cpu": "3", "memory": "1Gi"}}
    found = effective_requests(pod(container("1"), container(), resources=level))
    assert found.scoring == Resources(1100, 400 * MIB)
    assert found.scoring_placed == Resources(3000, 1024 * MIB)


def test_scoring_does_not_lose_the_largest_init_container() -> None:
    obj = pod(container(), initContainers=[container("2")])
    assert effective_requests(obj).scoring == Resources(2000, 200 * MIB)


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        pytest.param(
            pod(container("1"), container("many")),
            r"spec.containers\[1\].resources.requests.cpu: 'many'",
            id="no quantity",
        ),
        pytest.param(pod(container("-1")), "below zero", id="negative"),
        pytest.param({"spec": {"containers": {}}}, "spec.containers: expected a list", id="object"),
        pytest.param({"spec": {"containers": ["x"]}}, r"spec.containers\[0\]", id="text"),
        pytest.param(
            {"spec": {"containers": [{}] * 1001}}, "at most 1000", id="too many containers"
        ),
        pytest.param(pod(overhead=[]), "spec.overhead: expected an object", id="list"),
        pytest.param(
            pod(resources={"requests": {"cpu": None}}), "spec.resources.requests.cpu", id="null"
        ),
    ],
)
def test_a_fault_is_refused_with_its_path(obj: dict[str, Any], path: str) -> None:
    with pytest.raises(ValueError, match=path):
        effective_requests(obj)


def test_a_resource_list_is_read() -> None:
    listed = parse_resource_list({"cpu": "3920m", "memory": "12Gi", "pods": "110"}, "allocatable")
    assert (listed.cpu_millis, listed.memory_bytes, listed.get("pods")) == (3920, 12 * 1024**3, 110)
