"""What may change later, and what may not."""

from collections.abc import Callable
from typing import Any

import pytest

from nightshift.embedded.kube.admission import admit
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.storage import copy_json
from tests.embedded.controllers_support import NS, World, container, job, pod, workload

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
GATED = {"schedulingGates": [{"name": "nightshift/plan"}]}
PODS, JOBS, CLAIMS = "pods", "jobs.batch", "persistentvolumeclaims"

Edit = Callable[[Object], Any]


@pytest.fixture
def world() -> World:
    return World()


def update(world: World, kind: str, old: Object, edit: Edit) -> Object:
    wanted = copy_json(old)
    edit(wanted["spec"])
    return admit(world.store, "UPDATE", kind, wanted, old)


def refusal(world: World, kind: str, old: Object, edit: Edit) -> str:
    with pytest.raises(StatusError) as caught:
        update(world, kind, old, edit)
    assert caught.value.code == 422
    return caught.value.message


def affinity(field: str, *terms: Any) -> Object:
    chosen = {"nodeSelectorTerms": list(terms)} if field == REQUIRED else list(terms)
    return {"affinity": {"nodeAffinity": {field: chosen}}}


def zone(*values: str) -> Object:
    return {"matchExpressions": [{"key": "zone", "operator": "In", "values": list(values)}]}


PREFER = {"weight": 100, "preference": zone("a")}
FIELDS = "pod updates may not change fields other than"

POD_REFUSALS: dict[str, tuple[Object, Edit, str]] = {
    "another container": (
        {},
        lambda s: s["containers"].append(container("two")),
        "spec.containers: Forbidden: pod updates may not add or remove containers",
    ),
    "other arguments": ({}, lambda s: s["containers"][0].update(args=["x"]), FIELDS),
    "another host name": ({}, lambda s: s.update(hostname="x"), FIELDS),
    "affinity once scheduled": ({}, lambda s: s.update(affinity(PREFERRED, PREFER)), FIELDS),
    "a later deadline": (
        {"activeDeadlineSeconds": 10},
        lambda s: s.update(activeDeadlineSeconds=20),
        "spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous",
    ),
    "no deadline any more": (
        {"activeDeadlineSeconds": 10},
        lambda s: s.pop("activeDeadlineSeconds"),
        "must not update from a positive integer to nil value",
    ),
    "a toleration taken away": (
        {"tolerations": [{"key": "a", "operator": "Exists"}]},
        lambda s: s.update(tolerations=[{"key": "b", "operator": "Exists"}]),
        "existing toleration can not be modified except its tolerationSeconds",
    ),
    "a gate added": (
        {},
        lambda s: s.update(GATED),
        "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new"
        " scheduling gate 'nightshift/plan'",
    ),
    "gated: a node selector loosened": (
        {**GATED, "nodeSelector": {"pool": "a"}},
        lambda s: s.update(nodeSelector={"pool": "b"}),
        "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
    ),
    "gated: a required term more": (
        {**GATED, **affinity(REQUIRED, zone("a"))},
        lambda s: s.update(affinity(REQUIRED, zone("a"), zone("b"))),
        "no additions/deletions to non-empty NodeSelectorTerms list are allowed",
    ),
    "gated: a required term changed": (
        {**GATED, **affinity(REQUIRED, zone("a"))},
        lambda s: s.update(affinity(REQUIRED, zone("b"))),
        "only additions are allowed (no mutations or deletions)",
    ),
    "gated: other arguments": (GATED, lambda s: s["containers"][0].update(args=["x"]), FIELDS),
}

POD_CHANGES: dict[str, tuple[Object, Edit]] = {
    "another image": ({}, lambda s: s["containers"][0].update(image="scanner:2")),
    "a first deadline": ({}, lambda s: s.update(activeDeadlineSeconds=20)),
    "an earlier deadline": (
        {"activeDeadlineSeconds": 10},
        lambda s: s.update(activeDeadlineSeconds=5),
    ),
    "one toleration more": (
        {},
        lambda s: s["tolerations"].append({"key": "a", "operator": "Exists"}),
    ),
    "the gate removed": (GATED, lambda s: s.pop("schedulingGates")),
    "gated: preferred terms": (GATED, lambda s: s.update(affinity(PREFERRED, PREFER))),
    "gated: other preferred terms": (
        {**GATED, **affinity(PREFERRED, PREFER)},
        lambda s: s.update(affinity(PREFERRED, {"weight": 1, "preference": zone("b")})),
    ),
    "gated: a node selector tightened": (
        {**GATED, "nodeSelector": {"pool": "a"}},
        lambda s: s.update(nodeSelector={"pool": "a", "disk": "ssd"}),
    ),
    "gated: a first required term": (GATED, lambda s: s.update(affinity(REQUIRED, zone("a")))),
    "gated: a required term tightened": (
        {**GATED, **affinity(REQUIRED, zone("a"))},
        lambda s: s["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"][0][
            "matchExpressions"
        ].append({"key": "disk", "operator": "Exists"}),
    ),
}


@pytest.mark.parametrize(("spec", "edit", "said"), POD_REFUSALS.values(), ids=POD_REFUSALS)
def test_a_pod_may_not_change_in(world: World, spec: Object, edit: Edit, said: str) -> None:
    assert said in refusal(world, PODS, world.create(PODS, pod(**copy_json(spec))), edit)


@pytest.mark.parametrize(("spec", "edit"), POD_CHANGES.values(), ids=POD_CHANGES)
def test_a_pod_may_change_in(world: World, spec: Object, edit: Edit) -> None:
    old = world.create(PODS, pod(**copy_json(spec)))
    assert update(world, PODS, old, edit)["spec"] != old["spec"]


def test_an_update_keeps_what_admission_had_set(world: World) -> None:
    old = world.create(PODS, pod())
    plain = {**copy_json(old), "spec": pod()["spec"]}
    assert admit(world.store, "UPDATE", PODS, plain, old)["spec"] == old["spec"]


def test_a_jobs_template_is_fixed_unless_it_is_suspended(world: World) -> None:
    def steer(spec: Object) -> None:
        spec["template"]["spec"]["nodeSelector"] = {"pool": "night"}

    running = world.create(JOBS, job())
    assert "spec.template: Invalid value" in refusal(world, JOBS, running, steer)
    suspended = world.create(JOBS, job("later", suspend=True))
    assert update(world, JOBS, suspended, steer)["spec"]["template"]["spec"]["nodeSelector"]

    def rewrite(spec: Object) -> None:
        spec["template"]["spec"]["containers"][0]["image"] = "other:1"

    assert "field is immutable" in refusal(world, JOBS, suspended, rewrite)


@pytest.mark.parametrize("field", ["completions", "completionMode", "selector"])
def test_a_jobs_shape_is_fixed(world: World, field: str) -> None:
    values: Object = {
        "completions": 5,
        "completionMode": "Indexed",
        "selector": {"matchLabels": {"job-name": "scan"}},
    }
    old = world.create(JOBS, job())
    said = refusal(world, JOBS, old, lambda spec: spec.update({field: values[field]}))
    assert f"spec.{field}: Invalid value" in said
    assert "field is immutable" in said


def test_parallelism_and_suspension_of_a_job_may_change(world: World) -> None:
    old = world.create(JOBS, job())
    changed = update(world, JOBS, old, lambda spec: spec.update(parallelism=4, suspend=True))
    assert (changed["spec"]["parallelism"], changed["spec"]["suspend"]) == (4, True)


def test_a_claim_may_grow_and_nothing_else(world: World) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    old = world.create(CLAIMS, {"metadata": {"name": "d", "namespace": NS}, "spec": spec})

    def size(amount: str) -> Edit:
        return lambda s: s["resources"]["requests"].update(storage=amount)

    assert update(world, CLAIMS, old, size("3Gi"))
    assert "spec.resources.requests.storage: Forbidden" in refusal(world, CLAIMS, old, size("1Gi"))
    said = refusal(world, CLAIMS, old, lambda s: s.update(accessModes=["ReadWriteMany"]))
    assert "spec is immutable after creation except resources.requests" in said


@pytest.mark.parametrize(
    ("kind", "key"), [("Deployment", "deployments.apps"), ("ReplicaSet", "replicasets.apps")]
)
def test_a_selector_is_fixed(world: World, kind: str, key: str) -> None:
    def edit(spec: Object) -> None:
        spec["selector"]["matchLabels"] = spec["template"]["metadata"]["labels"] = {"app": "other"}

    said = refusal(world, key, world.create(key, workload(kind)), edit)
    assert "spec.selector: Invalid value" in said


def test_a_statefulset_is_fixed_but_for_a_few_fields(world: World) -> None:
    key = "statefulsets.apps"
    old = world.create(key, workload("StatefulSet", serviceName="web"))
    assert update(world, key, old, lambda s: s.update(replicas=5))["spec"]["replicas"] == 5
    said = refusal(world, key, old, lambda s: s.update(serviceName="other"))
    assert "updates to statefulset spec for fields other than 'replicas', 'ordinals'" in said
