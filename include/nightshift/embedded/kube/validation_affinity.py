"""Where a pod may run: faults in affinity, tolerations and spread constraints.

Source: pkg/apis/core/validation/validation.go, Kubernetes 1.36.
"""

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import Faults, items
from nightshift.embedded.kube.validation_names import dns_subdomain, label_value, qualified_name
from nightshift.embedded.kube.validation_selectors import check_selector, check_values_for

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NO_OPERATOR = "not a valid selector operator"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def check_affinity(faults: Faults, path: str, affinity: Object | None) -> None:
    """Check node, pod and anti-affinity."""
    if not affinity:
        return
    _check_node_affinity(faults, f"{path}.nodeAffinity", affinity.get("nodeAffinity"))
    for kind in ("podAffinity", "podAntiAffinity"):
        _check_pod_affinity(faults, f"{path}.{kind}", affinity.get(kind))


def check_node_selector(faults: Faults, path: str, selector: Object) -> None:
    """Check terms, one of which a node must match."""
    terms = items(selector, "nodeSelectorTerms")
    if not terms:
        faults.required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(terms):
        _check_term(faults, f"{path}.nodeSelectorTerms[{index}]", term, check_values=True)


def _check_node_affinity(faults: Faults, path: str, affinity: Object | None) -> None:
    if not affinity:
        return
    if affinity.get(REQUIRED) is not None:
        check_node_selector(faults, f"{path}.{REQUIRED}", affinity[REQUIRED])
    for index, term in enumerate(items(affinity, PREFERRED)):
        where = f"{path}.{PREFERRED}[{index}]"
        _check_weight(faults, where, term)
        _check_term(faults, f"{where}.preference", term.get("preference") or {}, check_values=False)


def _check_weight(faults: Faults, path: str, term: Object) -> None:
    weight = term.get("weight", 0)
    if not 1 <= weight <= 100:
        faults.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _check_term(faults: Faults, path: str, term: Object, *, check_values: bool) -> None:
    for index, rule in enumerate(items(term, "matchExpressions")):
        where = f"{path}.matchExpressions[{index}]"
        _check_expression(faults, where, rule)
        if check_values:
            for position, value in enumerate(items(rule, "values")):
                faults.each(f"{where}.values[{position}]", value, label_value(value))
    for index, rule in enumerate(items(term, "matchFields")):
        _check_field(faults, f"{path}.matchFields[{index}]", rule)


def _check_expression(faults: Faults, path: str, rule: Object) -> None:
    operator, values, key = rule.get("operator", ""), items(rule, "values"), rule.get("key", "")
    check_values_for(faults, path, operator, values)
    if operator in {"Gt", "Lt"}:
        if len(values) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            faults.required(f"{path}.values", detail)
    elif operator not in {"In", "NotIn", "Exists", "DoesNotExist"}:
        faults.invalid(f"{path}.operator", operator, _NO_OPERATOR)
    faults.each(f"{path}.key", key, qualified_name(key))


def _check_field(faults: Faults, path: str, rule: Object) -> None:
    operator, values, key = rule.get("operator", ""), items(rule, "values"), rule.get("key", "")
    if operator not in {"In", "NotIn"}:
        faults.invalid(f"{path}.operator", operator, _NO_OPERATOR)
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        faults.required(f"{path}.values", detail)
    if key != "metadata.name":
        faults.invalid(f"{path}.key", key, "not a valid field selector key")
        return
    for index, value in enumerate(values):
        faults.each(f"{path}.values[{index}]", value, dns_subdomain(value))


def _check_pod_affinity(faults: Faults, path: str, affinity: Object | None) -> None:
    if not affinity:
        return
    for index, term in enumerate(items(affinity, REQUIRED)):
        _check_pod_term(faults, f"{path}.{REQUIRED}[{index}]", term)
    for index, term in enumerate(items(affinity, PREFERRED)):
        where = f"{path}.{PREFERRED}[{index}]"
        _check_weight(faults, where, term)
        _check_pod_term(faults, f"{where}.podAffinityTerm", term.get("podAffinityTerm") or {})


def _check_pod_term(faults: Faults, path: str, term: Object) -> None:
    key = term.get("topologyKey", "")
    for field in ("labelSelector", "namespaceSelector"):
        check_selector(faults, f"{path}.{field}", term.get(field))
    if not key:
        faults.required(f"{path}.topologyKey", "can not be empty")
    faults.each(f"{path}.topologyKey", key, qualified_name(key))


def check_tolerations(faults: Faults, path: str, tolerations: list[Object]) -> None:
    """Check tolerations."""
    for index, toleration in enumerate(tolerations):
        _check_toleration(faults, f"{path}[{index}]", toleration)


def _check_toleration(faults: Faults, path: str, toleration: Object) -> None:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    effect = toleration.get("effect", "")
    if key:
        faults.each(f"{path}.key", key, qualified_name(key))
    elif operator != "Exists":
        detail = (
            "operator must be Exists when `key` is empty, which means"
            ' "match all values and all keys"'
        )
        faults.invalid(f"{path}.operator", operator, detail)
    if "tolerationSeconds" in toleration and effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        faults.invalid(f"{path}.effect", effect, detail)
    _check_toleration_value(faults, path, operator, toleration.get("value", ""))
    if effect and effect not in _EFFECTS:
        faults.not_supported(f"{path}.effect", effect, _EFFECTS)


def _check_toleration_value(faults: Faults, path: str, operator: str, value: str) -> None:
    if operator in {"", "Equal"}:
        wrong = label_value(value)
        if wrong:
            faults.invalid(f"{path}.operator", value, ";".join(wrong))
    elif operator == "Exists":
        if value:
            detail = "value must be empty when `operator` is 'Exists'"
            faults.invalid(f"{path}.operator", value, detail)
    else:
        faults.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))


def check_spread(faults: Faults, path: str, constraints: list[Object]) -> None:
    """Check topologySpreadConstraints."""
    seen: set[tuple[str, str]] = set()
    for index, constraint in enumerate(constraints):
        where = f"{path}[{index}]"
        skew, key = constraint.get("maxSkew", 0), constraint.get("topologyKey", "")
        action = constraint.get("whenUnsatisfiable", "")
        if skew <= 0:
            faults.invalid(f"{where}.maxSkew", skew, "must be greater than zero")
        if not key:
            faults.required(f"{where}.topologyKey", "can not be empty")
        if action not in {"DoNotSchedule", "ScheduleAnyway"}:
            allowed = ("DoNotSchedule", "ScheduleAnyway")
            faults.not_supported(f"{where}.whenUnsatisfiable", action, allowed)
        if (key, action) in seen:
            faults.duplicate(f"{where}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        seen.add((key, action))
        check_selector(faults, f"{where}.labelSelector", constraint.get("labelSelector"))


def check_gates(faults: Faults, path: str, gates: list[Object]) -> None:
    """Check schedulingGates."""
    seen: set[str] = set()
    for index, gate in enumerate(gates):
        name = gate.get("name", "")
        faults.each(f"{path}[{index}]", name, qualified_name(name))
        if name in seen:
            faults.duplicate(f"{path}[{index}]", name)
        seen.add(name)


def check_taints(faults: Faults, path: str, taints: list[Object]) -> None:
    """Check a node's taints."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        where = f"{path}[{index}]"
        key, effect = taint.get("key", ""), taint.get("effect", "")
        faults.each(f"{where}.key", key, qualified_name(key))
        wrong = label_value(taint.get("value", ""))
        if wrong:
            faults.invalid(f"{where}.value", taint.get("value", ""), ";".join(wrong))
        faults.one_of(f"{where}.effect", effect, _EFFECTS)
        if (key, effect) in seen:
            faults.duplicate(where, taint)
        seen.add((key, effect))
