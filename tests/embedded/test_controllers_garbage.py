"""What goes when its owner, its node, its namespace or its time is gone."""

from typing import Any

import pytest

from nightshift.embedded.kube.controllers import (
    deployments,
    expirations,
    garbage,
    jobs,
    namespaces,
    quotas,
    replicasets,
)
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import NS, World, job, node, pod, workload

DEPLOYMENTS, SETS, CONFIG = "deployments.apps", "replicasets.apps", "configmaps"


@pytest.fixture
def world() -> World:
    modules = (deployments, replicasets, jobs, garbage)
    return World(tuple(module.CONTROLLER for module in modules))


def config(name: str, *owners: Object, block: bool = False) -> Object:
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": block,
        }
        for owner in owners
    ]
    metadata: Object = {"name": name, "namespace": NS}
    return {"metadata": metadata | ({"ownerReferences": references} if references else {})}


def mark(world: World, name: str, finalizer: str) -> None:
    """Do what DELETE with a propagation policy does."""
    going = {"deletionTimestamp": "2027-03-05T20:00:00Z", "deletionGracePeriodSeconds": 0}
    world.edit(CONFIG, name, lambda o: o["metadata"].update(finalizers=[finalizer], **going))


def test_deleting_a_deployment_takes_everything_below_it(world: World) -> None:
    world.create(DEPLOYMENTS, workload("Deployment", replicas=2))
    world.roll()
    world.store.delete(DEPLOYMENTS, "web", NS)
    world.roll()
    assert (world.names(SETS), world.names()) == ([], [])


def test_deleting_a_job_takes_its_pods_in_spite_of_their_finalizer(world: World) -> None:
    world.create("jobs.batch", job(parallelism=2, completions=2))
    world.roll()
    world.store.delete("jobs.batch", "scan", NS)
    world.roll()
    assert world.names() == []


def test_a_dependent_stays_as_long_as_one_owner_does(world: World) -> None:
    first, second = (world.create(CONFIG, config(name)) for name in ("first", "second"))
    world.create(CONFIG, config("shared", first, second))
    world.store.delete(CONFIG, "first", NS)
    world.settle()
    owners = world.get(CONFIG, "shared")["metadata"]["ownerReferences"]
    assert [owner["name"] for owner in owners] == ["second"]
    world.store.delete(CONFIG, "second", NS)
    world.settle()
    assert world.names(CONFIG) == []


def test_a_namesake_with_another_uid_is_no_owner(world: World) -> None:
    owner = world.create(CONFIG, config("owner"))
    world.create(CONFIG, config("dependent", owner))
    world.store.delete(CONFIG, "owner", NS)
    world.create(CONFIG, config("owner"))
    world.settle()
    assert world.names(CONFIG) == ["owner"]


def test_what_never_had_an_owner_stays(world: World) -> None:
    world.create(CONFIG, config("free"))
    world.settle()
    assert world.names(CONFIG) == ["free"]


def test_foreground_deletion_waits_for_blocking_dependents(world: World) -> None:
    owner = world.create(CONFIG, config("owner"))
    world.create(CONFIG, config("dependent", owner, block=True))
    world.edit(CONFIG, "dependent", lambda o: o["metadata"].update(finalizers=["test/hold"]))
    mark(world, "owner", garbage.FOREGROUND)
    world.settle()
    assert world.names(CONFIG) == ["dependent", "owner"]
    assert "deletionTimestamp" in world.get(CONFIG, "dependent")["metadata"]
    world.edit(CONFIG, "dependent", lambda o: o["metadata"].pop("finalizers"))
    world.settle()
    assert world.names(CONFIG) == []


def test_orphaning_lets_dependents_live(world: World) -> None:
    owner = world.create(CONFIG, config("owner"))
    world.create(CONFIG, config("dependent", owner))
    mark(world, "owner", garbage.ORPHAN)
    world.settle()
    assert world.names(CONFIG) == ["dependent"]
    assert "ownerReferences" not in world.get(CONFIG, "dependent")["metadata"]


def test_pods_of_a_node_that_is_gone_go_at_once() -> None:
    world = World((garbage.build_pod_collector(100),))
    for name in ("n1", "n2"):
        world.create("nodes", node(name))
    world.create("pods", pod("lost", nodeName="n1"))
    world.create("pods", pod("kept", nodeName="n2"))
    world.store.delete("nodes", "n1")
    world.settle()
    assert world.names() == ["kept"]


def test_finished_pods_beyond_the_limit_go_oldest_first() -> None:
    world = World((garbage.build_pod_collector(2),))
    world.create("nodes", node())
    for name in ("d", "c", "b", "a"):
        world.create("pods", pod(name))
        world.finish(name, "Succeeded")
        world.advance(1)
    world.create("pods", pod("running"))
    world.settle()
    assert world.names() == ["a", "b", "running"]


def emptying(*more: Any) -> World:
    return World((namespaces.CONTROLLER, *more))


def test_every_namespace_gets_its_account_again() -> None:
    world = emptying()
    world.settle()
    world.store.delete("serviceaccounts", "default", NS)
    world.settle()
    assert world.names("serviceaccounts") == ["default"]


def test_a_terminating_namespace_is_emptied_then_removed() -> None:
    world = emptying()
    world.settle()
    world.create("pods", pod())
    world.run_pods()
    world.create(CONFIG, config("c"))
    going = {"deletionTimestamp": "2027-03-05T20:00:00Z", "deletionGracePeriodSeconds": 0}
    world.edit("namespaces", NS, lambda o: o["metadata"].update(going))
    world.settle()
    assert (world.names(CONFIG), world.names()) == ([], ["p"])
    remaining = world.store.get("namespaces", NS)["status"]["conditions"][0]
    assert remaining["message"] == "Some resources are remaining: pods has 1 resource instances"
    world.run_pods()  # the pod's grace period is respected; then it is gone
    world.settle()
    assert world.store.find("namespaces", NS) is None
    assert world.store.find("namespaces", "default") is not None


def test_bootstrapping_twice_changes_nothing() -> None:
    world = emptying()
    before = world.store.resource_version
    namespaces.bootstrap(world.store)
    assert world.store.resource_version == before
    names = [n["metadata"]["name"] for n in world.store.list("namespaces")]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system", NS]


def test_events_expire_an_hour_after_they_were_seen_last() -> None:
    world = World((expirations.CONTROLLER,))
    for name, seen in (("old", "2027-03-05T20:00:00Z"), ("new", "2027-03-05T20:30:00Z")):
        metadata = {"name": name, "namespace": NS}
        world.store.create("events", {"metadata": metadata, "lastTimestamp": seen})
    world.advance(3599)
    assert world.names("events") == ["new", "old"]
    world.advance(1)
    assert world.names("events") == ["new"]
    plan = expirations.plan_expirations(world.store.list("events"), world.now)
    assert plan.again_at is not None
    assert plan.again_at.isoformat() == "2027-03-05T21:30:00+00:00"


def test_a_quota_shows_what_is_used() -> None:
    world = World((quotas.CONTROLLER,))
    hard = {"pods": "5", "requests.memory": "4Gi", "count/configmaps": "9"}
    metadata = {"name": "q", "namespace": NS}
    world.create("resourcequotas", {"metadata": metadata, "spec": {"hard": hard}})
    resources = {"requests": {"memory": "1536Mi"}}
    one = pod("one", containers=[{"name": "a", "image": "b", "resources": resources}])
    world.create("pods", one)
    world.create(CONFIG, config("c"))
    world.settle()
    used = {"pods": "1", "requests.memory": "1536Mi", "count/configmaps": "1"}
    assert world.get("resourcequotas", "q")["status"] == {"hard": hard, "used": used}
    world.finish("one", "Succeeded")
    world.settle()
    used = {"pods": "0", "requests.memory": "0", "count/configmaps": "1"}
    assert world.get("resourcequotas", "q")["status"]["used"] == used
