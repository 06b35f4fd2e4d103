"""Quotas, leases, policies and other objects

Objects that Nightshift writes or that a cluster's owner sets in its way.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.orchestration.pods import Stage, read_pod_template
from nightshift.settings import Settings
from tests.contract.access import Api, Object
from tests.contract.objects import budget, cron_job, job, workload

DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "base"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def add_quota(api: Api, **hard: str) -> None:
    api.create("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
    api.wait("resourcequotas", "q", lambda q: q.get("status", {}).get("hard"), "counted")


def asking(pod: Object, **amounts: str) -> Object:
    pod["spec"]["containers"][0]["resources"] = {"requests": amounts}
    return pod


def test_pod_over_the_quota_is_403_and_says_how_much(api: Api) -> None:
    add_quota(api, pods="1")
    api.create("pods", api.gated("a"))
    status = api.refused(403, "POST", api.path("pods"), api.gated("b"))
    assert status["reason"] == "Forbidden"
    assert status["message"] == (
        'pods "b" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1'
    )


def test_quota_of_cpu_and_memory_counts_requests(api: Api) -> None:
    add_quota(api, **{"requests.cpu": "1", "requests.memory": "1Gi"})
    api.create("pods", asking(api.gated("a"), cpu="600m", memory="512Mi"))
    again = asking(api.gated("b"), cpu="600m", memory="256Mi")
    status = api.refused(403, "POST", api.path("pods"), again)
    text = "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m"
    assert text in status["message"]


def test_quota_wants_requests_to_be_written(api: Api) -> None:
    add_quota(api, **{"requests.memory": "1Gi"})
    status = api.refused(403, "POST", api.path("pods"), api.gated())
    assert "failed quota: q: must specify requests.memory for: base" in status["message"]


def test_quota_is_given_back_when_a_pod_ends_or_goes(api: Api) -> None:
    add_quota(api, pods="1")
    api.run(api.pod("a"))
    api.wait("resourcequotas", "q", lambda q: q["status"]["used"]["pods"] == "0", "free again")
    api.create("pods", api.gated("b"))


def test_limit_range_fills_in_what_is_missing(api: Api) -> None:
    limit = {"type": "Container", "defaultRequest": {"cpu": "20m"}, "default": {"cpu": "100m"}}
    api.create("limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    pod = api.create("pods", api.gated())
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "20m"}, "limits": {"cpu": "100m"}}


def test_limit_range_takes_its_most_for_the_default(api: Api) -> None:
    limit = {"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}
    made = api.create("limitranges", {"metadata": {"name": "l"}, "spec": {"limits": [limit]}})
    (stored,) = made["spec"]["limits"]
    assert stored["default"] == {"cpu": "2"}
    assert stored["defaultRequest"] == {"cpu": "2", "memory": "1Mi"}


def lease(holder: str, seconds: int = 60) -> Object:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now}
    return {"metadata": {"name": "l"}, "spec": spec}


def test_lease_is_taken_by_one_only(api: Api) -> None:
    made = api.create("leases", lease("first"))
    assert made["spec"]["holderIdentity"] == "first"
    assert api.refused(409, "POST", api.path("leases"), lease("second"))


def test_lease_is_renewed_with_its_version_and_lost_without(api: Api) -> None:
    made = api.create("leases", lease("first"))
    version = made["metadata"]["resourceVersion"]
    mine = lease("first")
    mine["metadata"]["resourceVersion"] = version
    renewed = api.ok("PUT", api.path("leases", "l"), mine)
    assert renewed["metadata"]["resourceVersion"] != version
    theirs = lease("second")
    theirs["metadata"]["resourceVersion"] = version
    status = api.refused(409, "PUT", api.path("leases", "l"), theirs)
    assert status["reason"] == "Conflict"
    assert api.read("leases", "l")["spec"]["holderIdentity"] == "first"


def test_lease_of_no_time_is_422(api: Api) -> None:
    assert api.refused(422, "POST", api.path("leases"), lease("a", 0))["reason"] == "Invalid"


def test_time_of_a_lease_without_microseconds_is_400(api: Api) -> None:
    body = lease("a")
    body["spec"]["renewTime"] = "2026-01-01T00:00:00Z"
    status = api.refused(400, "POST", api.path("leases"), body)
    assert 'parsing time "2026-01-01T00:00:00Z"' in status["message"]


def test_config_map_and_secret_are_bounded_to_one_mebibyte(api: Api) -> None:
    big = {"metadata": {"name": "c"}, "data": {"k": "x" * ((1 << 20) + 1)}}
    assert (
        "may not be more than 1048576 bytes"
        in api.refused(422, "POST", api.path("configmaps"), big)["message"]
    )


def test_immutable_config_map_stays(api: Api) -> None:
    api.create("configmaps", {"metadata": {"name": "c"}, "data": {"k": "v"}, "immutable": True})
    body = {"data": {"k": "w"}}
    status = api.refused(422, "PATCH", api.path("configmaps", "c"), body, patch="merge")
    assert "field is immutable when `immutable` is set" in status["message"]


def test_secret_takes_plain_text_and_gives_base64(api: Api) -> None:
    made = api.create("secrets", {"metadata": {"name": "s"}, "stringData": {"k": "value"}})
    assert made["data"] == {"k": "dmFsdWU="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_restricted_namespace_refuses_a_privileged_pod_with_every_reason(api: Api) -> None:
    with api.in_namespace(f"{api.namespace}-strict", **RESTRICTED) as strict:
        pod = strict.gated()
        pod["spec"]["containers"][0]["securityContext"] = {"privileged": True}
        status = strict.refused(403, "POST", strict.path("pods"), pod)
    assert status["reason"] == "Forbidden"
    assert 'violates PodSecurity "restricted:latest"' in status["message"]
    for part in (
        'privileged (container "base" must not set securityContext.privileged=true)',
        "allowPrivilegeEscalation != false",
        "unrestricted capabilities",
        "runAsNonRoot != true",
        "seccompProfile",
    ):
        assert part in status["message"]


@pytest.mark.parametrize("stage", list(Stage))
def test_restricted_namespace_takes_our_pods(api: Api, stage: Stage) -> None:
    pod = read_pod_template(stage, Settings())
    pod["metadata"]["name"] = "ours"
    pod["spec"]["containers"][0]["image"] = api.image
    for volume in pod["spec"]["volumes"]:
        for source, field in (
            ("persistentVolumeClaim", "claimName"),
            ("configMap", "name"),
            ("secret", "secretName"),
        ):
            if source in volume:
                volume[source][field] = "claimed"  # Airflow renders it from the task's labels
    with api.in_namespace(f"{api.namespace}-strict", **RESTRICTED) as strict:
        answer = strict.send(
            "POST", strict.path("pods"), pod, dryRun="All", fieldValidation="Strict"
        )
    assert answer.status_code == 201, answer.text
    assert "Warning" not in answer.headers


def test_our_network_policies_are_stored_as_written(api: Api) -> None:
    for policy in yaml.safe_load_all((DEPLOY / "network-policies.yaml").read_text()):
        policy["metadata"].pop("namespace")
        stored = api.create("networkpolicies", policy, fieldValidation="Strict")
        assert stored["spec"] == {**policy["spec"], "podSelector": policy["spec"]["podSelector"]}
        assert api.read("networkpolicies", policy["metadata"]["name"])["spec"] == stored["spec"]


def test_network_policy_of_no_network_is_422(api: Api) -> None:
    peer = {"ipBlock": {"cidr": "10.0.0.0/33"}}
    spec = {"podSelector": {}, "egress": [{"to": [peer]}]}
    body = {"metadata": {"name": "n"}, "spec": spec}
    status = api.refused(422, "POST", api.path("networkpolicies"), body)
    causes = {cause["field"] for cause in status["details"]["causes"]}
    assert "spec.egress[0].to[0].ipBlock.cidr" in causes


def autoscaler(**spec: Any) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}
    return {"metadata": {"name": "h"}, "spec": {"scaleTargetRef": target, **spec}}


def test_autoscaler_bounds_are_patched_and_counted(api: Api) -> None:
    made = api.create("horizontalpodautoscalers", autoscaler(minReplicas=2, maxReplicas=5))
    assert made["spec"]["minReplicas"] == 2
    body = {"spec": {"minReplicas": 1, "maxReplicas": 1}}
    changed = api.patch("horizontalpodautoscalers", "h", body=body)
    assert (changed["spec"]["minReplicas"], changed["spec"]["maxReplicas"]) == (1, 1)
    assert changed["spec"]["scaleTargetRef"] == made["spec"]["scaleTargetRef"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"minReplicas": 3, "maxReplicas": 2}, "spec.maxReplicas"),
        ({"maxReplicas": 0}, "spec.maxReplicas"),
        ({"minReplicas": -1, "maxReplicas": 2}, "spec.minReplicas"),
    ],
    ids=["more at least than at most", "none at most", "below none at least"],
)
def test_autoscaler_bounds_that_cannot_hold_are_422(api: Api, spec: Object, field: str) -> None:
    path = api.path("horizontalpodautoscalers")
    status = api.refused(422, "POST", path, autoscaler(**spec))
    assert field in {cause["field"] for cause in status["details"]["causes"]}


def test_cron_job_is_suspended_and_resumed_by_patch(api: Api) -> None:
    made = api.create("cronjobs", cron_job(api, schedule="0 20 * * 5", suspend=True))
    assert made["spec"]["suspend"] is True
    assert made["spec"]["concurrencyPolicy"] == "Allow"
    changed = api.patch("cronjobs", "c", body={"spec": {"suspend": False}})
    assert changed["spec"]["suspend"] is False
    assert changed["spec"]["schedule"] == "0 20 * * 5"


@pytest.mark.parametrize(
    "spec",
    [
        {"schedule": "61 * * * *"},
        {"schedule": "every night"},
        {"schedule": "TZ=UTC 0 20 * * 5"},
        {"timeZone": "Nowhere/City"},
        {"concurrencyPolicy": "Sometimes"},
    ],
    ids=lambda spec: " ".join(spec.values()),
)
def test_cron_job_that_never_fires_is_422(api: Api, spec: Object) -> None:
    status = api.refused(422, "POST", api.path("cronjobs"), cron_job(api, **spec))
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert {f"spec.{name}" for name in spec} <= fields


@pytest.mark.parametrize("plural", ["deployments", "replicasets", "statefulsets"])
def test_selector_of_a_workload_is_fixed(api: Api, plural: str) -> None:
    api.create(plural, workload(api, "w", 0))
    body = {"spec": {"selector": {"matchLabels": {"app": "other"}}}}
    assert api.refused(422, "PATCH", api.path(plural, "w"), body, patch="merge")


@pytest.mark.parametrize("plural", ["deployments", "replicasets", "statefulsets"])
def test_selector_must_match_the_template(api: Api, plural: str) -> None:
    body = workload(api, "w", 0, selector={"matchLabels": {"app": "other"}})
    status = api.refused(422, "POST", api.path(plural), body)
    assert "`selector` does not match template `labels`" in status["message"]


NEW: dict[str, tuple[Callable[[Api], Object], Object]] = {
    "deployments": (lambda api: workload(api, "w", 1), {}),
    "replicasets": (lambda api: workload(api, "w", 1), {"replicas": 0}),
    "statefulsets": (lambda api: workload(api, "w", 1), {"replicas": 0, "availableReplicas": 0}),
    "jobs": (lambda api: job(api), {}),
    "cronjobs": (lambda api: cron_job(api), {}),
    "poddisruptionbudgets": (
        lambda api: budget(minAvailable=1),
        {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
    ),
}


@pytest.mark.parametrize("plural", NEW)
def test_new_object_has_a_status_from_the_start(api: Api, plural: str) -> None:
    build, status = NEW[plural]
    assert api.create(plural, build(api), dryRun="All")["status"] == status


def test_job_without_labels_gets_those_of_its_pods(api: Api) -> None:
    made = api.create("jobs", job(api, suspend=True))
    labels = made["spec"]["template"]["metadata"]["labels"]
    assert made["metadata"]["labels"] == labels
    assert made["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["job-name"] == labels["batch.kubernetes.io/job-name"] == "j"


def test_namespace_is_active_and_labelled_with_its_name(api: Api) -> None:
    namespace = api.read("namespaces", api.namespace)
    assert namespace["status"]["phase"] == "Active"
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": api.namespace}


def test_namespace_that_is_going_takes_nothing_new_and_takes_all_with_it(api: Api) -> None:
    with api.in_namespace(f"{api.namespace}-gone") as gone:
        metadata = {"name": "c", "finalizers": ["nightshift.example/hold"]}
        gone.create("configmaps", {"metadata": metadata})
    status = gone.refused(403, "POST", gone.path("configmaps"), {"metadata": {"name": "d"}})
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    assert "is being terminated" in status["message"]
    gone.wait("configmaps", "c", lambda c: "deletionTimestamp" in c["metadata"], "on its way out")
    gone.patch("configmaps", "c", body={"metadata": {"finalizers": None}})
    gone.wait_gone("namespaces", gone.namespace)
