from dataclasses import replace

import pytest

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import (
    Node,
    Taint,
    TaintEffect,
    Toleration,
    describe_resources,
    has_room,
    untolerated,
    why_no_room,
    why_not,
)
from nightshift.domain.resources import Resources

GIB = 1024**3
NO_SCHEDULE, NO_EXECUTE, PREFER = (
    TaintEffect.NO_SCHEDULE,
    TaintEffect.NO_EXECUTE,
    TaintEffect.PREFER_NO_SCHEDULE,
)
TAINT = Taint("dedicated", NO_SCHEDULE, "scans")
NODE = Node(NodeName("n"), Resources(4_000, 16 * GIB), Resources(1_000, 4 * GIB), 10, 3)
ASK = Resources(500, GIB)


@pytest.mark.parametrize(
    ("toleration", "covers"),
    [
        pytest.param(Toleration("dedicated", "Equal", "scans", NO_SCHEDULE), True, id="equal"),
        pytest.param(Toleration("dedicated", "Equal", "web", NO_SCHEDULE), False, id="other value"),
        pytest.param(Toleration("dedicated", "Exists"), True, id="any value and effect"),
        pytest.param(Toleration(operator="Exists"), True, id="everything"),
        pytest.param(Toleration("other", "Exists"), False, id="other key"),
        pytest.param(
            Toleration("dedicated", "Exists", effect=NO_EXECUTE), False, id="other effect"
        ),
        pytest.param(Toleration("dedicated", "", "scans"), True, id="no operator means Equal"),
        pytest.param(Toleration("dedicated", "Gt", "1"), False, id="comparison is not enabled"),
    ],
)
def test_toleration(toleration: Toleration, covers: bool) -> None:
    assert toleration.tolerates(TAINT) is covers
    assert untolerated((TAINT,), (toleration,)) == (() if covers else (TAINT,))


def test_without_tolerations_every_taint_is_untolerated_in_order() -> None:
    taints = (TAINT, Taint("x", PREFER))
    assert untolerated(taints, ()) == taints


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        pytest.param(NODE, None, id="it fits"),
        pytest.param(
            replace(NODE, unschedulable=True), "node(s) were unschedulable", id="cordoned"
        ),
        pytest.param(
            replace(NODE, taints=(TAINT,)),
            "node(s) had untolerated taint(s): dedicated=scans:NoSchedule",
            id="NoSchedule",
        ),
        pytest.param(
            replace(NODE, taints=(Taint("gone", NO_EXECUTE),)),
            "node(s) had untolerated taint(s): gone:NoExecute",
            id="NoExecute",
        ),
        pytest.param(replace(NODE, taints=(Taint("x", PREFER),)), None, id="PreferNoSchedule"),
        pytest.param(
            replace(NODE, ready=False, not_ready_reason="DiskPressure"),
            "not ready: DiskPressure",
            id="under pressure",
        ),
        pytest.param(replace(NODE, pods=10), "Too many pods: 10 of 10", id="no slot left"),
        pytest.param(
            replace(NODE, requested=Resources(3_600, 4 * GIB)),
            "Insufficient cpu (500m asked, 400m free)",
            id="cpu is taken",
        ),
        pytest.param(
            replace(NODE, requested=Resources(4_000, 16 * GIB)),
            "Insufficient cpu (500m asked, 0 free), Insufficient memory (1Gi asked, 0 free)",
            id="both are taken",
        ),
        pytest.param(
            replace(NODE, allocatable=Resources(400, 16 * GIB), requested=Resources()),
            "too_large: Insufficient cpu (500m asked, 400m allocatable)",
            id="too large even when empty",
        ),
        pytest.param(
            replace(NODE, pod_slots=0, pods=0), "too_large: no pod slots", id="takes no pods"
        ),
    ],
)
def test_why_not(node: Node, reason: str | None) -> None:
    assert why_not(node, ASK) == reason


def test_a_tolerated_cordon_is_no_obstacle() -> None:
    cordon = Toleration("node.kubernetes.io/unschedulable", "Exists")
    assert why_not(replace(NODE, unschedulable=True), ASK, (cordon,)) is None


def test_an_extended_resource_must_be_there() -> None:
    ask = Resources(0, 0, {"nvidia.com/gpu": 1})
    assert why_not(NODE, ask) == ("too_large: Insufficient nvidia.com/gpu (1 asked, 0 allocatable)")


def test_a_request_for_nothing_fits_an_over_committed_node() -> None:
    full = replace(NODE, requested=Resources(9_000, 99 * GIB))
    assert why_not(full, Resources()) is None


@pytest.mark.parametrize("pods", [3, 9, 10, 11])
@pytest.mark.parametrize("cpu", [0, 3_000, 3_001, 4_001])
def test_has_room_agrees_with_the_reason(pods: int, cpu: int) -> None:
    node = replace(NODE, pods=pods)
    assert has_room(node, Resources(cpu)) == (why_no_room(node, Resources(cpu)) is None)


def test_resources_are_described_in_quantities() -> None:
    amounts = Resources(1_500, 2 * GIB, {"ephemeral-storage": 10**9, "nvidia.com/gpu": 2})
    assert describe_resources(amounts) == (
        "cpu 1500m, memory 2Gi, ephemeral-storage 1G, nvidia.com/gpu 2"
    )
    assert describe_resources(Resources()) == "nothing"
