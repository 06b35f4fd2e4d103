"""What a weekend is played on: a small team's services as objects of the API, and their policy."""

import datetime as dt
from typing import Any

from tests.kube.scanner_image import SCANNER_IMAGE

POOL_LABEL = "weekend-test"
"""A label of the node that is to rest; some services prefer it."""
POLICY = """\
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {{name: weekend, owner: team, cluster: real}}
spec:
  mode: enforce
  schedule:
    timezone: UTC
    windows: [{{name: weekend, down: "{down}", up: "{up}"}}]
  approval: {{down: {{requiredIf: {{firstRun: true}}}}}}
  protect: {{namespaces: [kube-system, nightshift]}}
  tiers:
    - name: batch
      targets: [{{kind: CronJob, ns: {ns}, name: report, suspend: true}}]
    - name: workers
      targets: [{{kind: Deployment, ns: {ns}, name: worker, replicas: 1}}]
    - name: api
      targets: [{{kind: HorizontalPodAutoscaler, ns: {ns}, name: api, min: 1, max: 2}}]
    - name: storage
      targets: [{{kind: StatefulSet, ns: {ns}, name: store, replicas: 2, quorum: 1}}]
  nodePools:
    - name: spare
      driver: drain_only
      nodes: {label}={ns}
      weekend: {{min: 0, max: 1, target: 0}}
      drain: {{nodeTimeout: 20m}}
  limits: {{minReadyNodes: 1, maxNodesRemovedPct: 100, headroomPct: 0}}
  restore:
    waves: {{hpaMinStep: 2, every: 10s, maxPending: 50, waitReady: true}}
"""

LOWERED_KINDS = {
    "deployments": "apis/apps/v1",
    "statefulsets": "apis/apps/v1",
    "cronjobs": "apis/batch/v1",
    "horizontalpodautoscalers": "apis/autoscaling/v2",
}
"""The kinds that a weekend lowers."""
_OTHERS = {
    "poddisruptionbudgets": "apis/policy/v1",
    "jobs": "apis/batch/v1",
    "leases": "apis/coordination.k8s.io/v1",
}


def policy_text(namespace: str, down: str, up: str) -> str:
    """Write the policy of a namespace; its window as in ``FRI 20:00``."""
    return POLICY.format(ns=namespace, down=down, up=up, label=POOL_LABEL)


def path_of(kind: str, namespace: str) -> str:
    """Give the path of a kind's list."""
    group = {**LOWERED_KINDS, **_OTHERS}.get(kind, "api/v1")
    return f"/{group}/namespaces/{namespace}/{kind}"


def budget(name: str, app: str) -> dict[str, Any]:
    """Build a disruption budget that lets one pod of an app go."""
    selector = {"matchLabels": {"app": app}}
    return {"metadata": {"name": name}, "spec": {"maxUnavailable": 1, "selector": selector}}


def services() -> list[tuple[str, dict[str, Any]]]:
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    autoscaler = {"scaleTargetRef": scaled, "minReplicas": 3, "maxReplicas": 8}
    job = {"template": {"spec": {**_pod_spec(), "restartPolicy": "Never"}}}
    away = (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=30)).minute
    cron = {"schedule": f"{away} * * * *", "jobTemplate": {"spec": job}}
    members = {"serviceName": "store", "podManagementPolicy": "Parallel"}
    return [
        ("deployments", _workload("worker", 4)),
        ("deployments", _workload("api", 3)),
        ("deployments", _workload("web", 2, near=True)),
        ("statefulsets", _workload("store", 3, near=True, **members)),
        ("horizontalpodautoscalers", {"metadata": {"name": "api"}, "spec": autoscaler}),
        ("cronjobs", {"metadata": {"name": "report"}, "spec": cron}),
        ("poddisruptionbudgets", budget("web", "web")),
    ]


def _workload(name: str, replicas: int, *, near: bool = False, **more: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": _pod_spec(near=near)}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name}, "spec": {**spec, **more}}


def _pod_spec(*, near: bool = False) -> dict[str, Any]:
    container = {
        "name": "main",
        "image": SCANNER_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["sleep", "3600"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    spec: dict[str, Any] = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    if near:
        term = {"matchExpressions": [{"key": POOL_LABEL, "operator": "Exists"}]}
        preferred = [{"weight": 100, "preference": term}]
        affinity = {"preferredDuringSchedulingIgnoredDuringExecution": preferred}
        spec["affinity"] = {"nodeAffinity": affinity}
    return spec
