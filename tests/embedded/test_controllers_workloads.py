"""Deployments, ReplicaSets, StatefulSets, DaemonSets."""

from typing import Any

import pytest

from nightshift.embedded.kube.controllers import daemonsets, deployments, replicasets, statefulsets
from nightshift.embedded.kube.controllers.deployments import REVISION
from nightshift.embedded.kube.controllers.replicasets import DELETION_COST, rank_for_deletion
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import World, conditions, node, workload

DEPLOYMENTS, SETS = "deployments.apps", "replicasets.apps"
STATEFUL, DAEMONS = "statefulsets.apps", "daemonsets.apps"


@pytest.fixture
def world() -> World:
    controllers = (deployments, replicasets, statefulsets, daemonsets)
    return World(tuple(module.CONTROLLER for module in controllers))


def image(name: str) -> Any:
    def change(obj: Object) -> None:
        obj["spec"]["template"]["spec"]["containers"][0]["image"] = name

    return change


def sizes(world: World) -> list[int]:
    """Replicas of each ReplicaSet, in order of revision."""
    sets = sorted(
        world.store.list(SETS, "team"), key=lambda s: s["metadata"]["annotations"][REVISION]
    )
    return [s["spec"]["replicas"] for s in sets]


def images(world: World) -> set[str]:
    return {p["spec"]["containers"][0]["image"] for p in world.pods()}


def test_a_deployment_comes_up(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=3))
    world.settle()
    status = world.get(DEPLOYMENTS, "web")["status"]
    assert (status["replicas"], status["unavailableReplicas"]) == (3, 3)
    assert conditions(world.get(DEPLOYMENTS, "web"))["Available"] == "False"
    world.roll()
    found = world.get(DEPLOYMENTS, "web")
    wanted = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    assert [found["status"][field] for field in wanted] == [3, 3, 3, 3]
    assert "unavailableReplicas" not in found["status"]
    assert conditions(found) == {"Available": "True", "Progressing": "True"}
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    progressing = next(c for c in found["status"]["conditions"] if c["type"] == "Progressing")
    assert progressing["reason"] == "NewReplicaSetAvailable"


def test_scaling_reaches_the_pods(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=2))
    world.roll()
    for size in (5, 1, 0):
        world.edit(DEPLOYMENTS, "web", lambda o, n=size: o["spec"].update(replicas=n))  # type: ignore[misc]  # a default binds the loop's value
        world.roll()
        assert len(world.pods()) == size
    assert world.reasons().count("ScalingReplicaSet") == 3


def test_a_rollout_never_goes_below_or_above_its_bounds(world: World) -> None:
    rolling = {"maxSurge": 1, "maxUnavailable": 1}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    world.create(DEPLOYMENTS, workload("Deployment", replicas=4, strategy=strategy))
    world.roll()
    world.edit(DEPLOYMENTS, "web", image("scanner:2"))
    for _ in range(30):
        world.settle()
        status = world.get(DEPLOYMENTS, "web")["status"]
        assert sum(sizes(world)) <= 5
        assert status.get("availableReplicas", 0) >= 3
        world.run_pods()
    assert sizes(world) == [0, 4]
    assert images(world) == {"scanner:2"}
    revisions = [s["metadata"]["annotations"] for s in world.store.list(SETS, "team")]
    assert sorted(r[REVISION] for r in revisions) == ["1", "2"]


def test_a_rollout_that_never_becomes_ready_keeps_the_old_pods(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=4, progressDeadlineSeconds=60))
    world.roll()
    world.edit(DEPLOYMENTS, "web", image("broken:1"))
    world.settle()
    world.advance(61)
    world.settle()
    assert len([p for p in world.pods() if conditions(p).get("Ready") == "True"]) >= 3
    progressing = world.get(DEPLOYMENTS, "web")["status"]["conditions"][1]
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")


def test_recreate_empties_first(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=2, strategy={"type": "Recreate"}))
    world.roll()
    world.edit(DEPLOYMENTS, "web", image("scanner:2"))
    for _ in range(10):
        world.settle()
        assert len(images(world)) == 1
        world.run_pods()
    assert images(world) == {"scanner:2"}


def test_going_back_uses_the_old_replica_set_again(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment"))
    world.roll()
    for name in ("scanner:2", "scanner:1"):
        world.edit(DEPLOYMENTS, "web", image(name))
        world.roll()
    assert len(world.names(SETS)) == 2
    assert images(world) == {"scanner:1"}


def test_a_paused_deployment_does_not_roll(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment"))
    world.roll()
    world.edit(DEPLOYMENTS, "web", lambda o: o["spec"].update(paused=True))
    world.edit(DEPLOYMENTS, "web", image("scanner:2"))
    world.roll()
    assert images(world) == {"scanner:1"}


def test_old_replica_sets_are_forgotten_beyond_the_limit(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", revisionHistoryLimit=1))
    world.roll()
    for number in range(2, 6):
        world.edit(DEPLOYMENTS, "web", image(f"scanner:{number}"))
        world.roll()
    assert len(world.names(SETS)) == 2


def ranked(name: str, **facts: Any) -> Object:
    ready = facts.get("ready", True)
    status = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2027-01-01T00:00:00Z"}
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": facts.get("created", "2027-01-01T00:00:00Z"),
            "annotations": {DELETION_COST: str(facts.get("cost", 0))},
        },
        "spec": {"nodeName": facts.get("node", name)},
        "status": {"phase": facts.get("phase", "Running"), "conditions": [status]},
    }


@pytest.mark.parametrize(
    ("facts", "against"),
    [
        ({"node": ""}, {}),
        ({"phase": "Pending"}, {}),
        ({"ready": False}, {"cost": -5}),
        ({"cost": -1000}, {}),
        ({"created": "2027-02-01T00:00:00Z"}, {}),
    ],
    ids=["not scheduled", "pending", "not ready beats cost", "cheaper", "younger"],
)
def test_who_is_given_up_first(facts: Object, against: Object) -> None:
    doomed, kept = ranked("doomed", **facts), ranked("kept", **against)
    assert rank_for_deletion([kept, doomed])[0] is doomed
    assert rank_for_deletion([doomed, kept])[0] is doomed


def test_the_crowded_node_gives_up_first() -> None:
    pods = [ranked("a", node="n1"), ranked("b", node="n2"), ranked("c", node="n2")]
    assert rank_for_deletion(pods)[0]["spec"]["nodeName"] == "n2"


def test_shrinking_honours_the_deletion_cost(world: World) -> None:
    world.create(SETS, workload("ReplicaSet", replicas=3))
    world.roll()
    victim = world.names()[1]
    cost = {DELETION_COST: "-1000"}
    world.edit("pods", victim, lambda o: o["metadata"].update(annotations=cost))
    world.edit(SETS, "web", lambda o: o["spec"].update(replicas=2))
    world.roll()
    assert victim not in world.names()


def test_a_statefulset_comes_up_in_order(world: World) -> None:
    world.create(STATEFUL, workload("StatefulSet", replicas=3, serviceName="web"))
    seen = []
    for _ in range(6):
        world.settle()
        seen.append(len(world.names()))
        world.run_pods()
    assert seen == [1, 2, 3, 3, 3, 3]
    assert world.names() == ["web-0", "web-1", "web-2"]
    first = world.pods()[0]
    assert (first["spec"]["hostname"], first["spec"]["subdomain"]) == ("web-0", "web")
    assert world.get(STATEFUL, "web")["status"]["readyReplicas"] == 3


def test_a_statefulset_shrinks_from_the_end_one_at_a_time(world: World) -> None:
    world.create(STATEFUL, workload("StatefulSet", replicas=3))
    world.roll()
    world.edit(STATEFUL, "web", lambda o: o["spec"].update(replicas=1))
    world.settle()
    going = [p["metadata"]["name"] for p in world.pods() if "deletionTimestamp" in p["metadata"]]
    assert going == ["web-2"]
    world.roll()
    assert world.names() == ["web-0"]


def test_a_statefulset_makes_an_evicted_pod_again_under_its_name(world: World) -> None:
    world.create(STATEFUL, workload("StatefulSet", replicas=2))
    world.roll()
    uid = world.pods()[0]["metadata"]["uid"]
    world.store.delete("pods", "web-0", "team")
    world.roll()
    assert world.names() == ["web-0", "web-1"]
    assert world.pods()[0]["metadata"]["uid"] != uid


def test_a_statefulset_updates_from_the_end_down_to_its_partition(world: World) -> None:
    world.create(STATEFUL, workload("StatefulSet", replicas=3))
    world.roll()
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    world.edit(STATEFUL, "web", lambda o: o["spec"].update(updateStrategy=rolling))
    world.edit(STATEFUL, "web", image("scanner:2"))
    world.roll()
    by_name = {p["metadata"]["name"]: p["spec"]["containers"][0]["image"] for p in world.pods()}
    assert by_name == {"web-0": "scanner:1", "web-1": "scanner:2", "web-2": "scanner:2"}
    status = world.get(STATEFUL, "web")["status"]
    assert status["updatedReplicas"] == 2
    assert status["currentRevision"] != status["updateRevision"]


def test_a_statefulset_keeps_a_claim_for_each_pod(world: World) -> None:
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": size}]
    world.create(STATEFUL, workload("StatefulSet", replicas=2, volumeClaimTemplates=claims))
    world.roll()
    assert world.names("persistentvolumeclaims") == ["data-web-0", "data-web-1"]
    volumes = world.pods()[1]["spec"]["volumes"]
    wanted = {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-1"}}
    assert volumes == [wanted]


def test_a_daemonset_runs_where_it_may(world: World) -> None:
    taint = {"key": "gpu", "effect": "NoSchedule"}
    for name, spec in (("n1", {}), ("n2", {"unschedulable": True}), ("n3", {"taints": [taint]})):
        world.create("nodes", node(name, **spec))
    world.create(DAEMONS, workload("DaemonSet"))
    world.settle()
    nodes = sorted(daemonsets.node_of(pod) for pod in world.pods())
    assert nodes == ["n1", "n2"]
    assert world.get(DAEMONS, "web")["status"]["desiredNumberScheduled"] == 2
    world.store.delete("nodes", "n2")
    world.settle()
    assert [daemonsets.node_of(pod) for pod in world.pods()] == ["n1"]
