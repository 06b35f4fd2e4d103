"""ResourceQuotas: their status says what is used.

Admission counts for itself; this is for those who look. Source: pkg/controller/resourcequota.
"""

import datetime as dt
from collections.abc import Iterable

from nightshift.embedded.kube.controllers.changes import Key, Plan, set_status
from nightshift.embedded.kube.controllers.loops import Controller
from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.validation_quotas import counts, format_amount, total, usage_of

KIND = "resourcequotas"
COUNTED_KINDS = (
    "pods",
    "persistentvolumeclaims",
    "configmaps",
    "secrets",
    "services",
    "jobs.batch",
    "cronjobs.batch",
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
)


def plan_quota(quota: Object, objects: Iterable[tuple[str, Object]]) -> Plan:
    """Plan the status of a quota.

    :param objects: by kind, what is in its namespace.
    """
    hard = (quota.get("spec") or {}).get("hard") or {}
    used = total(usage_of(kind, obj, hard) for kind, obj in objects if counts(quota, kind, obj))
    status = {"hard": hard, "used": {name: format_amount(name, used.get(name)) for name in hard}}
    return Plan(set_status(KIND, quota, status))


def _plan(store: ObjectStore, key: Key, _: dt.datetime) -> Plan:
    namespace = key[0]
    quotas = store.list(KIND, namespace)
    if not quotas:
        return Plan()
    objects = [(kind, obj) for kind in COUNTED_KINDS for obj in store.list(kind, namespace)]
    return Plan([c for quota in quotas for c in plan_quota(quota, objects).changes])


def _namespace_of(obj: Object) -> Iterable[Key]:
    return ((obj["metadata"]["namespace"], ""),)


CONTROLLER = Controller(
    "resourcequota-controller",
    dict.fromkeys((KIND, *COUNTED_KINDS), _namespace_of),
    _plan,
    settle_seconds=0.2,
)
