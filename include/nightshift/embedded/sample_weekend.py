"""A small team's services on the local cluster, for a weekend that is shown and not waited for."""

from typing import Any

NAMESPACE = "app"
Object = dict[str, Any]


def sample_objects() -> list[tuple[str, Object]]:
    """Give the objects, each with the path that it is created at."""
    apps = f"/apis/apps/v1/namespaces/{NAMESPACE}"
    return [
        ("/api/v1/namespaces", _namespace(NAMESPACE)),
        ("/api/v1/namespaces", _namespace("nightshift")),
        (f"{apps}/deployments", _workload("Deployment", "worker", 6)),
        (f"{apps}/deployments", _workload("Deployment", "api", 3)),
        (f"{apps}/deployments", _workload("Deployment", "billing", 1)),
        (f"{apps}/statefulsets", _workload("StatefulSet", "store", 3)),
        (
            f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers",
            _autoscaler("api", 3, 8),
        ),
        (f"/apis/batch/v1/namespaces/{NAMESPACE}/cronjobs", _cron_job("report")),
        (f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets", _budget("store")),
        # two budgets on one pod: the API evicts no such pod, ever
        (f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets", _budget("billing")),
        (
            f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
            _budget("billing", name="billing-again"),
        ),
    ]


def _meta(name: str) -> Object:
    return {"name": name, "namespace": NAMESPACE}


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _container() -> Object:
    requests = {"cpu": "400m", "memory": "512Mi"}
    return {"name": "main", "image": "pretended:1", "resources": {"requests": requests}}


def _workload(kind: str, name: str, replicas: int) -> Object:
    labels = {"app": name}
    spec: Object = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [_container()], "terminationGracePeriodSeconds": 1},
        },
    }
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": _meta(name), "spec": spec}


def _autoscaler(name: str, low: int, high: int) -> Object:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": _meta(name),
        "spec": {"scaleTargetRef": target, "minReplicas": low, "maxReplicas": high},
    }


def _cron_job(name: str) -> Object:
    pod = {"restartPolicy": "Never", "containers": [_container()]}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _meta(name),
        "spec": {
            "schedule": "0 6 * * 1",
            "jobTemplate": {"spec": {"template": {"spec": pod}}},
        },
    }


def _budget(app: str, name: str = "") -> Object:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _meta(name or app),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": app}}},
    }
