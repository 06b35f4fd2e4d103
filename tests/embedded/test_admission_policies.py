"""What depends on the namespace: its life, Pod Security, quotas, limits, priorities."""

from typing import Any

import pytest

from nightshift.embedded.kube.admission import admit
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.validation_security import violations
from tests.embedded.controllers_support import NS, World, container, pod

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@pytest.fixture
def world() -> World:
    return World()


def refusal(world: World, kind: str, obj: Object) -> StatusError:
    with pytest.raises(StatusError) as caught:
        world.create(kind, obj)
    return caught.value


def hard(**amounts: str) -> Object:
    listed = {name.replace("_", "."): amount for name, amount in amounts.items()}
    return {"metadata": {"name": "q", "namespace": NS}, "spec": {"hard": listed}}


def asking(name: str, **requests: str) -> Object:
    return pod(name, containers=[container(resources={"requests": requests})])


def test_a_missing_namespace_is_404(world: World) -> None:
    lost = pod()
    lost["metadata"]["namespace"] = "nowhere"
    error = refusal(world, "pods", lost)
    assert (error.code, error.message) == (404, 'namespaces "nowhere" not found')


def test_a_terminating_namespace_takes_nothing_new(world: World) -> None:
    world.edit("namespaces", NS, lambda o: o["metadata"].update(deletionTimestamp="2027-01-01"))
    error = refusal(world, "pods", pod("x"))
    assert error.code == 403
    assert error.message == (
        'pods "x" is forbidden: unable to create new content in namespace team because it is being'
        " terminated"
    )
    assert error.details["causes"][0]["reason"] == "NamespaceTerminating"


def test_system_namespaces_may_not_be_deleted(world: World) -> None:
    found = world.store.get("namespaces", "kube-system")
    with pytest.raises(StatusError, match="this namespace may not be deleted") as caught:
        admit(world.store, "DELETE", "namespaces", found, found)
    assert caught.value.code == 403
    team = world.store.get("namespaces", NS)
    assert admit(world.store, "DELETE", "namespaces", team, team) is team


def enforce(world: World, level: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": level}
    world.edit("namespaces", NS, lambda o: o["metadata"].update(labels=labels))


def test_restricted_lists_every_violation_in_kubernetes_words(world: World) -> None:
    enforce(world, "restricted")
    error = refusal(world, "pods", pod("x"))
    assert error.code == 403
    assert error.message == (
        'pods "x" is forbidden: violates PodSecurity "restricted:latest":'
        ' allowPrivilegeEscalation != false (container "main" must set'
        " securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container"
        ' "main" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or'
        ' container "main" must set securityContext.runAsNonRoot=true), seccompProfile (pod or'
        ' container "main" must set securityContext.seccompProfile.type to "RuntimeDefault" or'
        ' "Localhost")'
    )


def test_restricted_takes_a_hardened_pod(world: World) -> None:
    enforce(world, "restricted")
    assert world.create("pods", pod(containers=[container(securityContext=RESTRICTED)]))


def hardened(**context: Any) -> Object:
    return {"containers": [container(securityContext={**RESTRICTED, **context})]}


SECURITY: dict[str, tuple[str, Object, str]] = {
    "a host path": (
        "restricted",
        {**hardened(), "volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
        'restricted volume types (volume "h" uses restricted volume type "hostPath")',
    ),
    "a host path, baseline": (
        "baseline",
        {**hardened(), "volumes": [{"name": "h", "hostPath": {"path": "/"}}]},
        'hostPath volumes (volume "h")',
    ),
    "the host's network": (
        "baseline",
        {**hardened(), "hostNetwork": True, "hostPID": True},
        "host namespaces (hostNetwork=true, hostPID=true)",
    ),
    "a privileged container": (
        "baseline",
        hardened(privileged=True),
        'privileged (container "main" must not set securityContext.privileged=true)',
    ),
    "root by number": (
        "restricted",
        hardened(runAsUser=0),
        'runAsUser=0 (container "main" must not set runAsUser=0)',
    ),
    "root by name": (
        "restricted",
        hardened(runAsNonRoot=False),
        'runAsNonRoot != true (container "main" must not set securityContext.runAsNonRoot=false)',
    ),
    "a capability": (
        "restricted",
        hardened(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        'unrestricted capabilities (container "main" must not include "SYS_ADMIN" in'
        " securityContext.capabilities.add)",
    ),
    "no seccomp": (
        "restricted",
        hardened(seccompProfile={"type": "Unconfined"}),
        'seccompProfile (container "main" must not set securityContext.seccompProfile.type to'
        ' "Unconfined")',
    ),
    "a host port": (
        "baseline",
        {"containers": [container(ports=[{"containerPort": 1, "hostPort": 80}])]},
        'hostPort (container "main" uses hostPort 80)',
    ),
}


@pytest.mark.parametrize(("level", "spec", "said"), SECURITY.values(), ids=SECURITY)
def test_what_a_level_forbids(level: str, spec: Object, said: str) -> None:
    assert violations(level, spec) == said
    assert violations("privileged", spec) == ""


def test_the_pods_context_stands_for_its_containers() -> None:
    shared = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    own = {key: RESTRICTED[key] for key in ("allowPrivilegeEscalation", "capabilities")}
    spec = {"securityContext": shared, "containers": [container(securityContext=own)]}
    assert violations("restricted", spec) == ""


def test_a_quota_counts_pods(world: World) -> None:
    world.create("resourcequotas", hard(pods="1"))
    world.create("pods", pod("one"))
    error = refusal(world, "pods", pod("two"))
    assert error.code == 403
    assert error.message == (
        'pods "two" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited:'
        " pods=1"
    )
    world.finish("one", "Succeeded")
    assert world.create("pods", pod("two"))


def test_a_quota_counts_cpu_and_memory(world: World) -> None:
    world.create("resourcequotas", hard(requests_cpu="1", requests_memory="2Gi"))
    world.create("pods", asking("one", cpu="700m", memory="1Gi"))
    message = refusal(world, "pods", asking("two", cpu="700m", memory="512Mi")).message
    assert message.endswith("requested: requests.cpu=700m, used: requests.cpu=700m, limited:"
                            " requests.cpu=1")  # fmt: skip
    assert world.create("pods", asking("three", cpu="300m", memory="1Gi"))


def test_a_quota_wants_to_be_told(world: World) -> None:
    world.create("resourcequotas", hard(requests_cpu="1"))
    message = refusal(world, "pods", pod("x")).message
    assert message.endswith("failed quota: q: must specify requests.cpu for: main")


def test_a_quota_of_a_priority_class_counts_its_pods_only(world: World) -> None:
    scans = {"metadata": {"name": "scans"}, "value": -11, "preemptionPolicy": "Never"}
    world.create("priorityclasses.scheduling.k8s.io", scans)
    rule = {"scopeName": "PriorityClass", "operator": "In", "values": ["scans"]}
    quota = hard(pods="1")
    quota["spec"]["scopeSelector"] = {"matchExpressions": [rule]}
    world.create("resourcequotas", quota)
    for name in ("a", "b"):
        world.create("pods", pod(name))
    world.create("pods", pod("scan-1", priorityClassName="scans"))
    assert "exceeded quota" in refusal(world, "pods", pod("s", priorityClassName="scans")).message


def test_a_quota_counts_other_objects(world: World) -> None:
    world.create("resourcequotas", {**hard(), "spec": {"hard": {"count/configmaps": "1"}}})
    config = {"metadata": {"name": "one", "namespace": NS}}
    world.create("configmaps", config)
    config["metadata"]["name"] = "two"
    assert "count/configmaps=1" in refusal(world, "configmaps", config).message


def test_a_priority_class_gives_its_value_and_policy(world: World) -> None:
    scans = {"metadata": {"name": "scans"}, "value": -11, "preemptionPolicy": "Never"}
    world.create("priorityclasses.scheduling.k8s.io", scans)
    spec = world.create("pods", pod(priorityClassName="scans"))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (-11, "Never")
    system = world.create("pods", pod("s", priorityClassName="system-node-critical"))["spec"]
    assert system["priority"] == 2_000_001_000


def test_a_priority_may_not_be_made_up(world: World) -> None:
    unknown = refusal(world, "pods", pod("x", priorityClassName="nope"))
    assert unknown.code == 403
    said = 'pods "x" is forbidden: no PriorityClass with name nope was found'
    assert unknown.message == said
    number = refusal(world, "pods", pod("x", priority=1000)).message
    assert "the integer value of priority (1000) must not be provided in pod spec" in number


def test_a_limit_range_fills_in_and_checks(world: World) -> None:
    item = {
        "type": "Container",
        "default": {"memory": "1Gi"},
        "defaultRequest": {"memory": "512Mi"},
        "max": {"memory": "2Gi"},
    }
    limits = {"metadata": {"name": "l", "namespace": NS}, "spec": {"limits": [item]}}
    world.create("limitranges", limits)
    made = world.create("pods", pod())["spec"]["containers"][0]["resources"]
    assert made == {"requests": {"memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    big = container(resources={"limits": {"memory": "3Gi"}})
    message = refusal(world, "pods", pod("x", containers=[big])).message
    assert message.endswith("maximum memory usage per Container is 2Gi, but limit is 3Gi")
