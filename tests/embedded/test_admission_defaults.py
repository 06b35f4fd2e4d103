"""What clients read back although they never wrote it."""

from typing import Any

import pytest

from nightshift.embedded.kube.defaults_pods import qos_class
from nightshift.embedded.kube.interfaces import Object
from tests.embedded.controllers_support import NS, World, container, job, pod, workload

CRON = "cronjobs.batch"
HPA = "horizontalpodautoscalers.autoscaling"


@pytest.fixture
def world() -> World:
    return World()


def test_a_pod_is_completed(world: World) -> None:
    spec = world.create("pods", pod())["spec"]
    wanted = {
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "securityContext": {},
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    assert {key: spec[key] for key in wanted} == wanted
    reasons = [(t["key"], t["effect"], t["tolerationSeconds"]) for t in spec["tolerations"]]
    assert reasons == [
        ("node.kubernetes.io/not-ready", "NoExecute", 300),
        ("node.kubernetes.io/unreachable", "NoExecute", 300),
    ]


def test_own_tolerations_are_not_doubled(world: World) -> None:
    everything = [{"operator": "Exists"}]
    assert world.create("pods", pod(tolerations=everything))["spec"]["tolerations"] == everything


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("scanner", "Always"),
        ("scanner:latest", "Always"),
        ("scanner:1.2", "IfNotPresent"),
        ("host:5000/scanner", "Always"),
        ("host:5000/scanner:1", "IfNotPresent"),
        ("scanner@sha256:" + "0" * 64, "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(world: World, image: str, policy: str) -> None:
    made = world.create("pods", pod(containers=[container(image=image)]))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_requests_come_from_limits_in_pods_but_not_in_templates(world: World) -> None:
    limits = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
    made = world.create("pods", pod(containers=[container(resources=limits)]))
    requests = made["spec"]["containers"][0]["resources"]["requests"]
    assert requests == {"cpu": "500m", "memory": "1Gi"}
    template = workload("Deployment")
    template["spec"]["template"]["spec"]["containers"][0]["resources"] = limits
    stored = world.create("deployments.apps", template)["spec"]["template"]["spec"]
    assert stored["containers"][0]["resources"] == limits


def resources(requests: Any = None, limits: Any = None) -> Object:
    given = {"requests": requests, "limits": limits}
    return container(resources={key: value for key, value in given.items() if value})


FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([resources()], "BestEffort"),
        ([resources(FULL, FULL)], "Guaranteed"),
        ([resources(None, FULL)], "Guaranteed"),
        ([resources({"cpu": "1"}, FULL)], "Guaranteed"),
        ([resources({"cpu": "500m"}, FULL)], "Burstable"),
        ([resources(FULL)], "Burstable"),
        ([resources(FULL, FULL), resources()], "Burstable"),
    ],
    ids=["nothing", "equal", "limits only", "request left out", "request below limit",
         "requests only", "one container without"],
)  # fmt: skip
def test_quality_of_service(containers: list[Object], expected: str) -> None:
    assert qos_class({"containers": containers}) == expected


def test_quality_of_service_is_in_the_status(world: World) -> None:
    status = world.create("pods", pod())["status"]
    assert status == {"phase": "Pending", "qosClass": "BestEffort"}


def test_a_deployment_is_completed(world: World) -> None:
    spec = world.create("deployments.apps", workload("Deployment"))["spec"]
    assert spec["replicas"] == 1
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_job_selects_its_own_pods_only(world: World) -> None:
    first, second = (world.create("jobs.batch", job(name))["spec"] for name in ("one", "two"))
    assert (first["backoffLimit"], first["completions"], first["parallelism"]) == (6, 1, 1)
    assert first["selector"] != second["selector"]
    labels = first["template"]["metadata"]["labels"]
    assert first["selector"]["matchLabels"].items() <= labels.items()
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "one"


def test_a_cronjob_is_completed(world: World) -> None:
    spec = {"schedule": "0 20 * * 5", "jobTemplate": {"spec": job()["spec"]}}
    cron = {"metadata": {"name": "c", "namespace": NS}, "spec": spec}
    made = world.create(CRON, cron)["spec"]
    limits = (made["successfulJobsHistoryLimit"], made["failedJobsHistoryLimit"])
    assert (made["concurrencyPolicy"], made["suspend"], limits) == ("Allow", False, (3, 1))


def test_an_autoscaler_gets_its_default_behaviour_only_where_it_has_some(world: World) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec: Object = {"maxReplicas": 4, "scaleTargetRef": target}
    made = world.create(HPA, {"metadata": {"name": "a", "namespace": NS}, "spec": spec})["spec"]
    assert made["minReplicas"] == 1
    assert made["metrics"][0]["resource"]["target"]["averageUtilization"] == 80
    assert "behavior" not in made
    spec["behavior"] = {"scaleUp": {"selectPolicy": "Disabled"}}
    made = world.create(HPA, {"metadata": {"name": "b", "namespace": NS}, "spec": spec})["spec"]
    assert made["behavior"]["scaleUp"]["selectPolicy"] == "Disabled"
    assert [p["value"] for p in made["behavior"]["scaleUp"]["policies"]] == [4, 100]
    assert [p["value"] for p in made["behavior"]["scaleDown"]["policies"]] == [100]


def test_a_claim_gets_the_default_class_and_a_finalizer(world: World) -> None:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data", "namespace": NS}, "spec": spec}
    made = world.create("persistentvolumeclaims", claim)
    assert made["spec"]["storageClassName"] == "standard"
    assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert made["status"] == {"phase": "Pending"}


def test_a_secret_takes_plain_text(world: World) -> None:
    secret = {"metadata": {"name": "s", "namespace": NS}, "stringData": {"token": "abc"}}
    made = world.create("secrets", secret)
    assert made["data"] == {"token": "YWJj"}
    assert made["type"] == "Opaque"
    assert "stringData" not in made
