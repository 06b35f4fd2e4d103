"""Label selectors of objects (``matchLabels``, ``matchExpressions``): what they match, and faults.

An absent selector matches nothing, an empty one everything. Source: LabelSelectorAsSelector and
apis/meta/v1/validation in k8s.io/apimachinery 0.36.
"""

from collections.abc import Iterable, Mapping

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.selectors import requirements_of
from nightshift.embedded.kube.validation_faults import Faults, items
from nightshift.embedded.kube.validation_names import check_labels, label_value, qualified_name


def selects(selector: Object | None, labels: Mapping[str, str] | None) -> bool:
    """Tell whether a label selector matches labels."""
    rules = requirements_of(selector)
    return rules is not None and all(rule.holds(labels or {}) for rule in rules)


def selected(selector: Object | None, pods: Iterable[Object]) -> list[Object]:
    """Keep the objects whose labels match."""
    return [pod for pod in pods if selects(selector, pod["metadata"].get("labels"))]


def is_empty(selector: Object | None) -> bool:
    """Tell whether a selector has no rule at all."""
    return not items(selector, "matchExpressions") and not (selector or {}).get("matchLabels")


def check_selector(faults: Faults, path: str, selector: Object | None) -> None:
    """Report keys, operators and values that Kubernetes refuses."""
    if selector is None:
        return
    check_labels(faults, f"{path}.matchLabels", selector.get("matchLabels"))
    for index, rule in enumerate(items(selector, "matchExpressions")):
        _check_rule(faults, f"{path}.matchExpressions[{index}]", rule)


def _check_rule(faults: Faults, path: str, rule: Object) -> None:
    operator, values = rule.get("operator", ""), items(rule, "values")
    check_values_for(faults, path, operator, values)
    if operator not in {"In", "NotIn", "Exists", "DoesNotExist"}:
        faults.invalid(f"{path}.operator", operator, "not a valid selector operator")
    faults.each(f"{path}.key", rule.get("key", ""), qualified_name(rule.get("key", "")))
    for index, value in enumerate(values):
        faults.each(f"{path}.values[{index}]", value, label_value(value))


def check_values_for(faults: Faults, path: str, operator: str, values: list[str]) -> None:
    """Report values that are missing, or not allowed, for a set operator."""
    if operator in {"In", "NotIn"} and not values:
        faults.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in {"Exists", "DoesNotExist"} and values:
        faults.forbidden(
            f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        )
