"""ResourceQuotas: what counts against one, and what it leaves.

Source: pkg/quota/v1/evaluator/core and plugin resourcequota, Kubernetes 1.36. Counted are pods
(with cpu, memory and others), claims (with storage), and objects by ``count/<resource>``.
"""

from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction

from nightshift.domain.quantities import format_bytes, parse_quantity
from nightshift.domain.requests import effective_requests
from nightshift.embedded.kube.defaults_pods import all_containers, qos_class
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import items
from nightshift.embedded.kube.validation_quantities import canonical_quantity

Usage = dict[str, Fraction]
"""Quota resource name to the amount used."""

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_OBJECTS = frozenset({"configmaps", "secrets", "services", "resourcequotas"})
"""Kinds that a quota may also count under their plain name."""


def usage_of(kind: str, obj: Object, wanted: Collection[str]) -> Usage:
    """Tell what one object takes from a quota; a pod that has ended takes nothing but its count.

    :param wanted: the resources that matter; others may be left out.
    """
    if kind == "pods":
        return _pod_usage(obj, wanted)
    used: Usage = {f"count/{kind}": Fraction(1)}
    if kind in _OBJECTS:
        used[kind] = Fraction(1)
    if kind == "persistentvolumeclaims":
        spec = obj.get("spec") or {}
        size = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
        used |= {"persistentvolumeclaims": Fraction(1), "requests.storage": parse_quantity(size)}
        if spec.get("storageClassName"):
            prefix = f"{spec['storageClassName']}.storageclass.storage.k8s.io"
            used[f"{prefix}/requests.storage"] = parse_quantity(size)
            used[f"{prefix}/persistentvolumeclaims"] = Fraction(1)
    return used


def _pod_usage(pod: Object, wanted: Collection[str]) -> Usage:
    used: Usage = {"count/pods": Fraction(1)}
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return used
    used["pods"] = Fraction(1)
    counted = {name.partition(".")[0] for name in wanted}
    fields = {
        "requests": counted - {"pods", "count/pods", "limits"},
        "limits": counted & {"limits"},
    }
    for field in (field for field, asked in fields.items() if asked):
        need = effective_requests(_asking_for(pod, field)).need
        for name, amount in need.items():
            exact = Fraction(amount, 1000) if name == "cpu" else Fraction(amount)
            used[f"{field}.{name}"] = exact
            if field == "requests":
                used[name] = exact
    return used


def _asking_for(pod: Object, field: str) -> Object:
    """Give the pod as if its limits were its requests, so that one sum serves both."""
    if field == "requests":
        return {"metadata": pod["metadata"], "spec": pod["spec"]}
    spec = dict(pod["spec"])
    for key in ("containers", "initContainers"):
        if spec.get(key):
            spec[key] = [{**c, "resources": _limits_only(c)} for c in spec[key]]
    if spec.get("resources"):
        spec["resources"] = _limits_only(spec)
    return {"metadata": pod["metadata"], "spec": spec}


def _limits_only(holder: Object) -> Object:
    limits = (holder.get("resources") or {}).get("limits") or {}
    return {"requests": limits, "limits": limits}


def total(usages: Iterable[Usage]) -> Usage:
    """Add usages up."""
    summed: Usage = {}
    for usage in usages:
        for name, amount in usage.items():
            summed[name] = summed.get(name, Fraction(0)) + amount
    return summed


def counts(quota: Object, kind: str, obj: Object) -> bool:
    """Tell whether a quota's scopes cover an object; scopes are about pods only."""
    spec = quota.get("spec") or {}
    rules = [{"scopeName": name, "operator": "Exists"} for name in items(spec, "scopes")]
    rules += items(spec.get("scopeSelector"), "matchExpressions")
    return not rules or (kind == "pods" and all(_in_scope(rule, obj) for rule in rules))


def _in_scope(rule: Object, pod: Object) -> bool:
    spec = pod.get("spec") or {}
    is_limited = spec.get("activeDeadlineSeconds") is not None
    match rule["scopeName"]:
        case "Terminating":
            return is_limited
        case "NotTerminating":
            return not is_limited
        case "BestEffort":
            return qos_class(spec) == "BestEffort"
        case "NotBestEffort":
            return qos_class(spec) != "BestEffort"
        case "PriorityClass":
            return _has_priority_class(rule, spec.get("priorityClassName"))
        case _:
            return False


def _has_priority_class(rule: Object, name: str | None) -> bool:
    match rule.get("operator"):
        case "In":
            return name in items(rule, "values")
        case "NotIn":
            return name not in items(rule, "values")
        case "DoesNotExist":
            return not name
        case _:
            return bool(name)


def refusal(quota: Object, used: Usage, asked: Usage, pod: Object | None) -> str:
    """Say why ``quota`` refuses what is ``asked`` for on top of ``used``; "" when it does not.

    :param pod: the pod that asks, if it is one: it must name what the quota limits.
    """
    name = quota["metadata"]["name"]
    hard = {k: parse_quantity(v) for k, v in ((quota.get("spec") or {}).get("hard") or {}).items()}
    if pod is not None:
        missing = _unspecified(hard, pod)
        if missing:
            return f"failed quota: {name}: must specify {missing}"
    zero = Fraction(0)
    over = sorted(k for k in hard if asked.get(k) and used.get(k, zero) + asked[k] > hard[k])
    if not over:
        return ""
    columns = (("requested", asked), ("used", used), ("limited", hard))
    listed = ", ".join(f"{word}: {_listed(over, amounts)}" for word, amounts in columns)
    return f"exceeded quota: {name}, {listed}"


def _unspecified(hard: Mapping[str, Fraction], pod: Object) -> str:
    missing: dict[str, list[str]] = {}
    for name in sorted(hard):
        field, _, resource = name.rpartition(".")
        if resource not in _COMPUTE or field not in {"", "requests", "limits"}:
            continue
        for container in all_containers(pod["spec"]):
            amounts = (container.get("resources") or {}).get(field or "requests") or {}
            if resource not in amounts:
                missing.setdefault(name, []).append(container["name"])
    return "; ".join(f"{name} for: {','.join(sorted(who))}" for name, who in missing.items())


def _listed(names: Iterable[str], amounts: Mapping[str, Fraction]) -> str:
    return ",".join(f"{name}={format_amount(name, amounts.get(name))}" for name in names)


def format_amount(name: str, amount: Fraction | None) -> str:
    """Write an amount of a quota's resource: bytes in powers of 1024 where they come out even."""
    exact = amount or Fraction(0)
    if name.rpartition(".")[2] in {"memory", "storage", "ephemeral-storage"}:
        return format_bytes(int(exact))
    return canonical_quantity(f"{int(exact * 1000)}m")
