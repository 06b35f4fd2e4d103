"""What a drain does with each pod."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from nightshift.domain.capacity.drain_pods import (
    BlockReason,
    DrainPod,
    PodController,
    PodFate,
    PodRules,
    is_leader,
    is_scan_pod,
    judge_pod,
    parse_drain_pod,
)
from nightshift.domain.capacity.policies_pools import EmptyDir
from nightshift.domain.capacity.selectors import parse_label_selector

SCAN = {"app.kubernetes.io/part-of": "nightshift"}


def pod(name: str, kind: str = "ReplicaSet", owner: str = "api-1", **more: object) -> DrainPod:
    controller = PodController(kind, owner, "c1") if kind else None
    made = DrainPod("app", name, f"u-{name}", "n1", controller=controller, ready=True)
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of DrainPod


@pytest.mark.parametrize(
    ("found", "rules", "fate", "block"),
    [
        pytest.param(pod("a"), PodRules(), PodFate.EVICT, None, id="a ReplicaSet's"),
        pytest.param(pod("a", "DaemonSet"), PodRules(), PodFate.SKIP, None, id="a DaemonSet's"),
        pytest.param(
            pod("a", "", annotations={"kubernetes.io/config.mirror": "x"}),
            PodRules(),
            PodFate.SKIP,
            None,
            id="static",
        ),
        pytest.param(
            pod("a", deleting=True), PodRules(), PodFate.WAIT, BlockReason.TERMINATING, id="ending"
        ),
        pytest.param(
            pod("a", "", labels=SCAN), PodRules(), PodFate.WAIT, BlockReason.SCAN_RUNNING, id="scan"
        ),
        pytest.param(
            pod("a", "", labels=SCAN),
            PodRules(force=True),
            PodFate.WAIT,
            BlockReason.SCAN_RUNNING,
            id="scan, with force",
        ),
        pytest.param(
            pod("a", "", labels=SCAN, ended=True), PodRules(), PodFate.SKIP, None, id="ended scan"
        ),
        pytest.param(
            pod("a", labels=SCAN), PodRules(), PodFate.EVICT, None, id="a service of ours"
        ),
        pytest.param(
            pod("a", labels={"app": "etl"}),
            PodRules(waited=(parse_label_selector("app=etl"),)),
            PodFate.WAIT,
            BlockReason.SCAN_RUNNING,
            id="waited for by policy",
        ),
        pytest.param(
            pod("a", annotations={"cluster.x-k8s.io/drain": "wait-completed"}),
            PodRules(),
            PodFate.WAIT,
            BlockReason.DO_NOT_EVICT,
            id="asks to be waited for",
        ),
        pytest.param(
            pod("a", namespace="kube-system"),
            PodRules(),
            PodFate.REFUSE,
            BlockReason.PROTECTED,
            id="protected",
        ),
        pytest.param(
            pod("a", annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}),
            PodRules(),
            PodFate.REFUSE,
            BlockReason.DO_NOT_EVICT,
            id="not safe to evict",
        ),
        pytest.param(
            pod("a", empty_dirs=("Memory",)), PodRules(), PodFate.EVICT, None, id="in memory"
        ),
        pytest.param(
            pod("a", empty_dirs=("Memory",)),
            PodRules(empty_dir=EmptyDir.NEVER),
            PodFate.REFUSE,
            BlockReason.EMPTY_DIR,
            id="in memory, never",
        ),
        pytest.param(
            pod("a", empty_dirs=("",)),
            PodRules(),
            PodFate.REFUSE,
            BlockReason.EMPTY_DIR,
            id="on the disk",
        ),
        pytest.param(
            pod("a", empty_dirs=("",)),
            PodRules(empty_dir=EmptyDir.ALWAYS),
            PodFate.EVICT,
            None,
            id="on the disk, always",
        ),
        pytest.param(
            pod("a", ""), PodRules(), PodFate.REFUSE, BlockReason.NO_CONTROLLER, id="bare"
        ),
        pytest.param(pod("a", ""), PodRules(force=True), PodFate.EVICT, None, id="bare, forced"),
        pytest.param(pod("a", "", ended=True), PodRules(), PodFate.EVICT, None, id="bare, ended"),
    ],
)
def test_a_pods_fate(
    found: DrainPod, rules: PodRules, fate: PodFate, block: BlockReason | None
) -> None:
    judgement = judge_pod(found, rules)
    assert (judgement.fate, judgement.block) == (fate, block)
    assert judgement.why


def test_a_job_of_ours_is_a_scan_and_a_stranger_is_none() -> None:
    assert is_scan_pod(pod("a", "Job", labels=SCAN))
    assert not is_scan_pod(pod("a", "Job"))


@pytest.mark.parametrize(
    ("labels", "leads"),
    [({"role": "primary"}, True), ({"spilo-role": "replica"}, False), ({}, False)],
)
def test_who_leads_a_set(labels: Mapping[str, str], leads: bool) -> None:
    assert is_leader(labels) is leads


def test_a_pod_is_read_from_the_api() -> None:
    found = parse_drain_pod({
        "metadata": {
            "name": "api-1-x",
            "namespace": "app",
            "uid": "u1",
            "labels": {"pod-template-hash": "1"},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": "api-1", "uid": "r", "controller": True}
            ],
            "deletionTimestamp": "2027-05-14T18:00:00Z",
        },
        "spec": {
            "nodeName": "n1",
            "priority": 7,
            "volumes": [{"emptyDir": {}}, {"emptyDir": {"medium": "Memory"}}, {"secret": {}}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    })
    assert found.workload == "app/api"
    assert found.empty_dirs == ("", "Memory")
    assert (found.priority, found.ready, found.deleting) == (7, True, True)
    with pytest.raises(ValueError, match=r"pod app/x: spec\.priority"):
        parse_drain_pod({
            "metadata": {"name": "x", "namespace": "app"},
            "spec": {"priority": "high"},
        })
