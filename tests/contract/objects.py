"""Objects to send, beyond the pods of ``access``."""

from typing import Any

from tests.contract.access import Api, Object


def preferred(name: str, weight: Any = 100) -> Object:
    """Build a preferred term for one node, as the planner writes it."""
    field = {"key": "metadata.name", "operator": "In", "values": [name]}
    return {"weight": weight, "preference": {"matchFields": [field]}}


def prefers(*terms: Object) -> Object:
    """Build an affinity of preferred terms."""
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def requires(*terms: Object) -> Object:
    """Build an affinity of required terms, any of which will do."""
    chosen = {"nodeSelectorTerms": list(terms)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": chosen}}


def on_node(name: str, operator: str = "In") -> Object:
    """Build a term that matches one node (or, NotIn, all others)."""
    return {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}


def has_label(key: str, *values: str) -> Object:
    """Build a term that matches nodes whose label has one of the values, or has the label."""
    wanted = {"operator": "In", "values": list(values)} if values else {"operator": "Exists"}
    return {"matchExpressions": [{"key": key, **wanted}]}


def budget(name: str = "b", app: str = "p", **spec: Any) -> Object:
    """Build a PodDisruptionBudget for the pods of one app."""
    chosen = {"selector": {"matchLabels": {"app": app}}, **spec}
    return {"metadata": {"name": name}, "spec": chosen}


def template(api: Api, app: str, script: str = "sleep 600", **spec: Any) -> Object:
    """Build a pod template whose pods restart."""
    pod = api.pod(app, script, **{"restartPolicy": "Always", **spec})
    return {"metadata": {"labels": {"app": app}}, "spec": pod["spec"]}


def workload(api: Api, name: str, replicas: int, **spec: Any) -> Object:
    """Build the part that Deployments, ReplicaSets and StatefulSets share."""
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(api, name),
            **spec,
        },
    }


def job(api: Api, name: str = "j", script: str = "exit 0", **spec: Any) -> Object:
    """Build a Job whose pods run a script."""
    pod = api.pod(name, script)["spec"]
    return {"metadata": {"name": name}, "spec": {"template": {"spec": pod}, **spec}}


def cron_job(api: Api, **spec: Any) -> Object:
    """Build a CronJob."""
    inner = {"spec": job(api)["spec"]}
    body = {"schedule": "* * * * *", "jobTemplate": inner, **spec}
    return {"metadata": {"name": "c"}, "spec": body}
