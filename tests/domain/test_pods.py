from typing import Any

import pytest

from nightshift.domain.nodes import Taint, TaintEffect, Toleration
from nightshift.domain.pods import HostPort, parse_node, parse_pod, snapshot, tagged_image
from nightshift.domain.resources import Resources

GIB = 1024**3
READY = {"type": "Ready", "status": "True"}


def pod(name: str = "p", node: str = "", cpu: str = "1", **more: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}
    meta = {"name": name, "namespace": "scans", **more.pop("metadata", {})}
    status = more.pop("status", {})
    return {"metadata": meta, "spec": {**spec, "nodeName": node, **more}, "status": status}


def node(name: str = "n1", *conditions: dict[str, str], **status: Any) -> dict[str, Any]:
    allocatable = {"cpu": "4", "memory": "16Gi", "pods": "10", "nvidia.com/gpu": "1"}
    reported = list(conditions) or [READY]
    return {
        "metadata": {"name": name, "labels": {"zone": "a"}},
        "spec": {},
        "status": {"allocatable": allocatable, "conditions": reported, **status},
    }


def test_a_pod_is_read_whole() -> None:
    obj = pod(
        tolerations=[{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
        nodeSelector={"zone": "a"},
        priority=7,
        schedulingGates=[{"name": "wait"}],
        metadata={"labels": {"app": "scan"}},
        status={"nominatedNodeName": "n3", "phase": "Pending"},
    )
    read = parse_pod(obj)
    assert read.key == "scans/p"
    assert read.need == Resources(1000)
    assert read.tolerations == (Toleration("dedicated", "Exists", "", TaintEffect.NO_SCHEDULE),)
    assert (read.priority, read.gated, read.nominated, read.ended) == (7, True, "n3", False)
    assert read.labels == {"app": "scan"}
    assert read.may_run_on("n1", {"zone": "a"})
    assert not read.may_run_on("n1", {"zone": "b"})


def test_required_and_preferred_node_affinity_are_read() -> None:
    def term(name: str) -> dict[str, Any]:
        return {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}

    read = parse_pod(
        pod(
            affinity={
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [term("n1"), term("n2")]
                    },
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 5, "preference": term("n2")}
                    ],
                }
            }
        )
    )
    assert [read.may_run_on(name, {}) for name in ("n1", "n2", "n3")] == [True, True, False]
    assert [(p.weight, p.term.matches("n2", {})) for p in read.preferred] == [(5, True)]


def test_required_affinity_without_terms_matches_no_node() -> None:
    hard: dict[str, Any] = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}
    }
    assert not parse_pod(pod(affinity={"nodeAffinity": hard})).may_run_on("n1", {})


def test_images_and_host_ports_are_collected() -> None:
    port = {"containerPort": 80, "hostPort": 8080}
    read = parse_pod(
        pod(
            containers=[{"image": "scan:1", "ports": [port, {"containerPort": 81}]}],
            initContainers=[
                {"image": "reg:5000/tool", "ports": [port]},
                {"restartPolicy": "Always", "ports": [{"hostPort": 53, "protocol": "UDP"}]},
            ],
            volumes=[{"image": {"reference": "rules"}}, {"name": "ws"}],
        )
    )
    assert sorted(read.images) == ["reg:5000/tool:latest", "rules:latest", "scan:1"]
    assert read.containers == 3
    assert read.host_ports == (HostPort(53, "UDP"), HostPort(8080))


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        pytest.param(HostPort(80), HostPort(80), True, id="same"),
        pytest.param(HostPort(80), HostPort(81), False, id="other port"),
        pytest.param(HostPort(80), HostPort(80, "UDP"), False, id="other protocol"),
        pytest.param(HostPort(80), HostPort(80, ip="10.0.0.1"), True, id="every address"),
        pytest.param(HostPort(80, ip="10.0.0.1"), HostPort(80), True, id="every address, turned"),
        pytest.param(
            HostPort(80, ip="10.0.0.1"), HostPort(80, ip="10.0.0.2"), False, id="other address"
        ),
    ],
)
def test_host_ports_conflict(one: HostPort, other: HostPort, conflict: bool) -> None:
    assert one.conflicts_with(other) is conflict


@pytest.mark.parametrize(
    ("name", "tagged"),
    [
        ("scan", "scan:latest"),
        ("scan:2", "scan:2"),
        ("reg:5000/scan", "reg:5000/scan:latest"),
        ("scan@sha256:ab", "scan@sha256:ab"),
    ],
)
def test_an_image_without_a_tag_is_the_latest(name: str, tagged: str) -> None:
    assert tagged_image(name) == tagged


ANTI = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        pytest.param(
            {"affinity": {"podAntiAffinity": ANTI}}, "podAntiAffinity", id="anti-affinity"
        ),
        pytest.param({"affinity": {"podAffinity": ANTI}}, "podAffinity", id="pod affinity"),
        pytest.param(
            {"topologySpreadConstraints": [{"whenUnsatisfiable": "DoNotSchedule"}]},
            "DoNotSchedule",
            id="hard spread",
        ),
        pytest.param({"resourceClaims": [{"name": "gpu"}]}, "resource claims", id="DRA"),
    ],
)
def test_what_the_scheduler_cannot_do_is_named(spec: dict[str, Any], word: str) -> None:
    assert word in parse_pod(pod(**spec)).unsupported


def test_soft_wishes_between_pods_are_no_reason_to_refuse() -> None:
    soft = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1}]}
    read = parse_pod(
        pod(
            affinity={"podAntiAffinity": soft},
            topologySpreadConstraints=[{"whenUnsatisfiable": "ScheduleAnyway"}],
        )
    )
    assert read.unsupported == ""


@pytest.mark.parametrize(
    ("obj", "fault"),
    [
        pytest.param(pod(cpu="much"), "pod scans/p: spec.containers", id="quantity"),
        pytest.param(pod(tolerations=[{"effect": "Never"}]), "tolerations.effect", id="effect"),
        pytest.param(pod(priority="high"), "spec.priority", id="priority"),
        pytest.param(pod(nodeSelector={"a": 1}), "spec.nodeSelector.a: expected text", id="label"),
        pytest.param(pod(affinity={"nodeAffinity": "x"}), "nodeAffinity: expected", id="affinity"),
    ],
)
def test_a_pods_fault_names_the_pod_and_the_path(obj: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_pod(obj)


def test_a_node_is_read_whole() -> None:
    obj = node(images=[{"names": ["a:1", "a@sha256:x"], "sizeBytes": 9}])
    obj["spec"] = {
        "unschedulable": True,
        "taints": [{"key": "dedicated", "value": "scans", "effect": "NoExecute"}],
    }
    read = parse_node(obj, [parse_pod(pod(node="n1"))])
    assert read.allocatable == Resources(4000, 16 * GIB, {"nvidia.com/gpu": 1})
    assert (read.pod_slots, read.pods, read.requested) == (10, 1, Resources(1000))
    assert read.taints == (Taint("dedicated", TaintEffect.NO_EXECUTE, "scans"),)
    assert read.images == {"a:1": 9, "a@sha256:x": 9}
    assert (read.unschedulable, read.ready) == (True, True)


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        pytest.param([READY], "", id="ready"),
        pytest.param([{"type": "Other", "status": "True"}], "Ready was never reported", id="new"),
        pytest.param(
            [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}],
            "Ready is Unknown (NodeStatusUnknown)",
            id="kubelet is silent",
        ),
        pytest.param(
            [READY, {"type": "DiskPressure", "status": "True"}], "DiskPressure", id="disk"
        ),
        pytest.param([READY, {"type": "DiskPressure", "status": "False"}], "", id="no pressure"),
    ],
)
def test_readiness(conditions: list[dict[str, str]], reason: str) -> None:
    read = parse_node(node("n1", *conditions))
    assert (read.ready, read.not_ready_reason) == (not reason, reason)


def test_allocatable_falls_back_to_capacity() -> None:
    read = parse_node(node("n1", READY, allocatable=None, capacity={"cpu": "2", "pods": "5"}))
    assert (read.allocatable, read.pod_slots) == (Resources(2000), 5)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ({"allocatable": {"cpu": "x"}}, "node n1: status.allocatable.cpu"),
        ({"images": [{"names": "x"}]}, "status.images.names: expected a list"),
    ],
)
def test_a_nodes_fault_names_the_node_and_the_path(status: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_node(node("n1", READY, **status))


def counted(*pods: dict[str, Any]) -> Any:
    (read,) = snapshot([node("n1")], pods)
    return read.requested.cpu_millis, read.pods


@pytest.mark.parametrize(
    ("obj", "result"),
    [
        pytest.param(pod(node="n1", status={"phase": "Running"}), (1000, 1), id="running"),
        pytest.param(pod(node="n1", status={"phase": "Pending"}), (1000, 1), id="not started"),
        pytest.param(
            pod(node="n1", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            (1000, 1),
            id="terminating",
        ),
        pytest.param(pod(node="n1", status={"phase": "Succeeded"}), (0, 0), id="succeeded"),
        pytest.param(pod(node="n1", status={"phase": "Failed"}), (0, 0), id="failed"),
        pytest.param(pod(node="n2"), (0, 0), id="on another node"),
        pytest.param(pod(), (0, 0), id="pending without a node"),
        pytest.param(pod(status={"nominatedNodeName": "n1"}), (1000, 1), id="nominated"),
    ],
)
def test_which_pods_take_room(obj: dict[str, Any], result: tuple[int, int]) -> None:
    assert counted(obj) == result


OURS = {"labels": {"app.kubernetes.io/part-of": "nightshift"}}
DAEMON = {"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}
MIRROR = {"annotations": {"kubernetes.io/config.mirror": "x"}}


@pytest.mark.parametrize(
    ("metadata", "busy"),
    [
        pytest.param({}, True, id="somebody's"),
        pytest.param(OURS, False, id="ours"),
        pytest.param(DAEMON, False, id="a DaemonSet's"),
        pytest.param(MIRROR, False, id="a mirror of a static pod"),
        pytest.param(
            {"ownerReferences": [{"kind": "ReplicaSet", "controller": True}]}, True, id="rs"
        ),
    ],
)
def test_a_node_is_busy_by_pods_that_keep_it_from_being_emptied(
    metadata: dict[str, Any], busy: bool
) -> None:
    (read,) = snapshot([node("n1")], [pod(node="n1", metadata=metadata)])
    assert read.busy is busy


def test_a_snapshot_keeps_the_order_of_nodes() -> None:
    nodes = [node(name) for name in ("b", "a", "c")]
    assert [read.name for read in snapshot(nodes, [])] == ["b", "a", "c"]
