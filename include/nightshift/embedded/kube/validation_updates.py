"""What may not change once an object exists.

Source: ValidatePodUpdate, ValidateJobSpecUpdate, ValidatePersistentVolumeClaimUpdate and their
like, Kubernetes 1.36. Where Kubernetes appends a diff to its message, so do we, in JSON.
"""

import json
from collections.abc import Callable

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_affinity import REQUIRED
from nightshift.embedded.kube.validation_faults import Faults, in_range, items

_UPDATABLE = ",".join([
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
])
_MAX_INT32 = 2**31 - 1
_STATEFULSET_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def check_update(faults: Faults, kind: str, obj: Object, old: Object) -> None:
    """Report fields of ``obj`` that differ from ``old`` and may not."""
    check = _CHECKS.get(kind)
    if check is not None:
        check(faults, obj.get("spec") or {}, old.get("spec") or {})
    if kind in {"configmaps", "secrets"} and old.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if obj.get(field) != old.get(field):
                faults.forbidden(field, "field is immutable when `immutable` is set")


def _check_pod(faults: Faults, spec: Object, old: Object) -> None:
    for field in ("containers", "initContainers"):
        if len(items(spec, field)) != len(items(old, field)):
            faults.forbidden(f"spec.{field}", "pod updates may not add or remove containers")
            return
    _check_deadline(faults, spec.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    _check_tolerations(faults, items(spec, "tolerations"), items(old, "tolerations"))
    _check_gates(faults, items(spec, "schedulingGates"), items(old, "schedulingGates"))
    if old.get("schedulingGates"):
        _check_gated_selection(faults, spec, old)
    expected = _frozen(spec, old)
    if expected != old:
        diff = _diff(old, expected)
        faults.forbidden(
            "spec", f"pod updates may not change fields other than {_UPDATABLE}\n{diff}"
        )


def _frozen(spec: Object, old: Object) -> Object:
    """Give ``spec`` with every field that may change as it was."""
    frozen = {**spec}
    for field in ("containers", "initContainers"):
        if items(spec, field):
            pairs = zip(items(spec, field), items(old, field), strict=True)
            frozen[field] = [{**new, "image": was.get("image")} for new, was in pairs]
    mutable = ["activeDeadlineSeconds", "schedulingGates", "tolerations"]
    if old.get("schedulingGates"):
        mutable.append("nodeSelector")
        frozen = _with_affinity(frozen, (old.get("affinity") or {}).get("nodeAffinity"))
        if not frozen.get("affinity") and not old.get("affinity"):
            mutable.append("affinity")
    for field in mutable:
        frozen.pop(field, None)
        if field in old:
            frozen[field] = old[field]
    return frozen


def _with_affinity(spec: Object, node_affinity: Object | None) -> Object:
    affinity = {k: v for k, v in (spec.get("affinity") or {}).items() if k != "nodeAffinity"}
    if node_affinity is not None:
        affinity["nodeAffinity"] = node_affinity
    return {**spec, "affinity": affinity}


def _check_deadline(faults: Faults, value: int | None, old: int | None) -> None:
    path = "spec.activeDeadlineSeconds"
    if value is None:
        if old is not None:
            faults.invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= value <= _MAX_INT32:
        faults.invalid(path, value, in_range(0, _MAX_INT32))
    elif old is not None and old < value:
        faults.invalid(path, value, "must be less than or equal to previous value")


def _check_tolerations(faults: Faults, new: list[Object], old: list[Object]) -> None:
    def bare(toleration: Object) -> Object:
        return {k: v for k, v in toleration.items() if k != "tolerationSeconds"}

    kept = [bare(toleration) for toleration in new]
    if any(bare(toleration) not in kept for toleration in old):
        faults.forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        )


def _check_gates(faults: Faults, new: list[Object], old: list[Object]) -> None:
    known = {gate.get("name") for gate in old}
    for index, gate in enumerate(new):
        if gate.get("name") not in known:
            faults.forbidden(
                f"spec.schedulingGates[{index}].name",
                f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'",
            )


def _check_gated_selection(faults: Faults, spec: Object, old: Object) -> None:
    """Allow a gated pod to become choosier, never less so; preferred terms are free."""
    selector, before = spec.get("nodeSelector") or {}, old.get("nodeSelector") or {}
    if any(selector.get(key) != value for key, value in before.items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        faults.invalid("spec.nodeSelector", selector, detail)
    terms, old_terms = _required_terms(spec), _required_terms(old)
    path = f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"
    if old_terms and len(old_terms) != len(terms):
        detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        faults.invalid(path, terms, detail)
        return
    for index, (term, was) in enumerate(zip(terms, old_terms, strict=False)):
        if not _only_adds(term, was):
            detail = "only additions are allowed (no mutations or deletions)"
            faults.invalid(f"{path}[{index}]", term, detail)


def _required_terms(spec: Object) -> list[Object]:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    return items(affinity.get(REQUIRED), "nodeSelectorTerms")


def _only_adds(term: Object, old: Object) -> bool:
    fields = ("matchExpressions", "matchFields")
    if not any(old.get(field) for field in fields):
        return not any(term.get(field) for field in fields)  # an empty term matches no node
    return all(items(term, f)[: len(items(old, f))] == items(old, f) for f in fields)


def _check_job(faults: Faults, spec: Object, old: Object) -> None:
    _check_completions(faults, spec, old)
    for field in (
        "selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy",
        "successPolicy",
    ):  # fmt: skip
        faults.unchanged(f"spec.{field}", spec.get(field), old.get(field))
    template, before = spec.get("template") or {}, old.get("template") or {}
    if old.get("suspend"):
        before = _with_new_directives(template, before)
    faults.unchanged("spec.template", template, before)


def _check_completions(faults: Faults, spec: Object, old: Object) -> None:
    """Allow an Indexed job to grow or shrink together with its parallelism (elastic jobs)."""
    wanted = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        faults.unchanged("spec.completions", wanted, old.get("completions"))
    elif wanted not in {None, old.get("completions"), spec.get("parallelism")}:
        detail = "can only be modified in tandem with spec.parallelism"
        faults.invalid("spec.completions", wanted, detail)


def _with_new_directives(template: Object, old: Object) -> Object:
    """Take over what a suspended job may change: where its pods may run, and their labels."""
    spec, before = template.get("spec") or {}, {**(old.get("spec") or {})}
    for field in ("nodeSelector", "tolerations", "schedulingGates"):
        before.pop(field, None)
        if field in spec:
            before[field] = spec[field]
    before = _with_affinity(before, (spec.get("affinity") or {}).get("nodeAffinity"))
    if not before["affinity"] and "affinity" not in spec:
        before.pop("affinity")
    metadata = {**(old.get("metadata") or {})}
    for field in ("labels", "annotations"):
        metadata.pop(field, None)
        if field in (template.get("metadata") or {}):
            metadata[field] = template["metadata"][field]
    merged = {**old, "spec": before}
    return {**merged, "metadata": metadata} if metadata else merged


def _check_claim(faults: Faults, spec: Object, old: Object) -> None:
    free = {"resources"} | (set() if old.get("volumeName") else {"volumeName"})
    new, before = ({k: v for k, v in s.items() if k not in free} for s in (spec, old))
    if new != before:
        faults.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and"
            f" volumeAttributesClassName for bound claims\n{_diff(before, new)}",
        )
    size, was = (parse_quantity(_storage(s)) for s in (spec, old))
    if size < was:
        path = "spec.resources.requests.storage"
        faults.forbidden(path, "field can not be less than status.capacity")


def _storage(spec: Object) -> str:
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _check_statefulset(faults: Faults, spec: Object, old: Object) -> None:
    new, before = (
        {k: v for k, v in s.items() if k not in _STATEFULSET_MUTABLE} for s in (spec, old)
    )
    if new != before:
        listed = ", ".join(f"'{name}'" for name in _STATEFULSET_MUTABLE[:-1])
        faults.forbidden(
            "spec",
            f"updates to statefulset spec for fields other than {listed} and"
            f" '{_STATEFULSET_MUTABLE[-1]}' are forbidden",
        )


def _check_selector(faults: Faults, spec: Object, old: Object) -> None:
    faults.unchanged("spec.selector", spec.get("selector"), old.get("selector"))


def _check_volume(faults: Faults, spec: Object, old: Object) -> None:
    sources = ("hostPath", "local", "nfs", "csi")
    if any(spec.get(field) != old.get(field) for field in sources):
        detail = "spec.persistentvolumesource is immutable after creation"
        faults.forbidden("spec.persistentvolumesource", detail)


def _diff(old: Object, new: Object) -> str:
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    lines = []
    for key in changed:
        lines.append(f"-{key}: {json.dumps(old.get(key), sort_keys=True)}")
        lines.append(f"+{key}: {json.dumps(new.get(key), sort_keys=True)}")
    return "\n".join(lines)


_CHECKS: dict[str, Callable[[Faults, Object, Object], None]] = {
    "pods": _check_pod,
    "jobs.batch": _check_job,
    "persistentvolumeclaims": _check_claim,
    "persistentvolumes": _check_volume,
    "deployments.apps": _check_selector,
    "replicasets.apps": _check_selector,
    "daemonsets.apps": _check_selector,
    "statefulsets.apps": _check_statefulset,
}
