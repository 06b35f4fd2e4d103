"""PodDisruptionBudgets as facts."""

from collections.abc import Mapping
from typing import Any

from nightshift.cluster.client import Object
from nightshift.domain.capacity.selectors import read_label_selector
from nightshift.domain.capacity.snapshots import Amount, BudgetFacts
from nightshift.domain.kubejson import as_int, as_mapping


def parse_budget(obj: Object) -> BudgetFacts:
    """Read a disruption budget.

    :raises ValueError: with its name and the path of the fault.
    """
    meta, spec, status = (as_mapping(obj.get(key), key) for key in ("metadata", "spec", "status"))
    namespace, name = str(meta.get("namespace", "")), str(meta.get("name", ""))
    try:
        raw = spec.get("selector")
        observed = as_int(status.get("observedGeneration"), "status.observedGeneration")
        return BudgetFacts(
            namespace=namespace,
            name=name,
            selector=None if raw is None else read_label_selector(raw, "spec.selector"),
            min_available=parse_amount(spec, "minAvailable"),
            max_unavailable=parse_amount(spec, "maxUnavailable"),
            **{
                ours: as_int(status.get(theirs), f"status.{theirs}")
                for ours, theirs in (
                    ("disruptions_allowed", "disruptionsAllowed"),
                    ("current_healthy", "currentHealthy"),
                    ("desired_healthy", "desiredHealthy"),
                    ("expected_pods", "expectedPods"),
                )
            },
            observed=observed >= as_int(meta.get("generation"), "metadata.generation"),
        )
    except ValueError as error:
        raise ValueError(f"PodDisruptionBudget {namespace}/{name}: {error}") from error


def parse_amount(spec: Mapping[str, Any], key: str) -> Amount | None:
    """Read a number or a percentage of ``spec``; None if it is absent.

    :raises ValueError: with the path.
    """
    raw = spec.get(key)
    if raw is None:
        return None
    if isinstance(raw, str):
        digits = raw.removesuffix("%")
        if not raw.endswith("%") or not digits.isdecimal() or len(digits) > 9:
            raise ValueError(f"spec.{key}: {raw[:20]!r} is neither a number nor a percentage")
        return Amount(percent=int(digits))
    return Amount(as_int(raw, f"spec.{key}"))
