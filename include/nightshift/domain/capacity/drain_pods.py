"""What a drain does with each pod of a node: evict it, skip it, wait for its end, or refuse.

The filters are those of ``kubectl drain`` (staging/src/k8s.io/kubectl/pkg/drain, 1.36) in its
order, the first that answers wins, with three of ours in front: scan pods are waited for, protected
pods and pods that ask to be left alone make the node no victim.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from nightshift.domain.capacity.policies_pools import EmptyDir
from nightshift.domain.capacity.selectors import LabelSelector
from nightshift.domain.kubejson import as_int, as_mapping, as_objects, as_strings
from nightshift.domain.pods import OUR_LABELS

_KEEP: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "cluster-autoscaler.kubernetes.io/safe-to-evict": ("false",),
    "karpenter.sh/do-not-disrupt": ("true",),
    "cluster.x-k8s.io/drain": ("skip",),
})
"""Annotations and labels, and the values with which a pod asks to be left where it is."""
_WAIT = ("cluster.x-k8s.io/drain", "wait-completed")
_MIRROR = "kubernetes.io/config.mirror"
_ENDS_BY_ITSELF = frozenset({"", "Job"})
"""Kinds of controller under which a pod of ours is work that ends; the rest are services."""
_LEADER_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "role": ("primary", "master", "leader"),
    "spilo-role": ("master", "primary"),
    "cnpg.io/instanceRole": ("primary",),
    "postgres-operator.crunchydata.com/role": ("master", "primary"),
    "app.kubernetes.io/component": ("primary", "master"),
    "redis-role": ("master",),
})
"""How operators and charts mark the member that the others follow."""


class PodFate(StrEnum):
    """What a drain does with a pod."""

    EVICT = "evict"
    SKIP = "skip"  # stays on the node, which counts as empty without it
    WAIT = "wait"  # must end by itself
    REFUSE = "refuse"  # the node cannot be drained


class BlockReason(StrEnum):
    """Why a node could not be emptied."""

    DO_NOT_EVICT = "do_not_evict"
    PROTECTED = "protected"
    EMPTY_DIR = "empty_dir"
    NO_CONTROLLER = "no_controller"
    MULTI_PDB = "multi_pdb"
    PDB = "pdb"
    SCAN_RUNNING = "scan_running"
    SET_NOT_READY = "set_not_ready"
    TERMINATING = "terminating"
    NAMESPACE_TERMINATING = "namespace_terminating"
    TOO_MANY_EVICTIONS = "too_many_evictions"
    API_UNAVAILABLE = "api_unavailable"
    REFUSED = "refused"
    CHANGED = "changed"
    UNCORDONED = "uncordoned"
    CORDONED_BY_OTHER = "cordoned_by_other"
    NODE_GONE = "node_gone"


@dataclass(frozen=True, slots=True)
class PodController:
    """Who makes a pod again: the owner with ``controller: true``."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class DrainPod:
    """A pod on a node that is to be drained.

    :param empty_dirs: the medium of each ``emptyDir`` volume; "" is the node's disk.
    :param ended: Succeeded or Failed.
    :param pending: not yet running; the eviction API then asks no disruption budget.
    :param ready: its condition Ready is True.
    :param deleting: its deletion was asked for and has not ended.
    """

    namespace: str
    name: str
    uid: str
    node: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    controller: PodController | None = None
    empty_dirs: tuple[str, ...] = ()
    priority: int = 0
    ended: bool = False
    pending: bool = False
    ready: bool = False
    deleting: bool = False

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def controller_kind(self) -> str:
        """The kind of its controller; "" for a bare pod."""
        return self.controller.kind if self.controller else ""

    @property
    def needs_budget(self) -> bool:
        """Tell whether the eviction API asks disruption budgets for it."""
        return not (self.ended or self.pending or self.deleting)

    @property
    def stateful_set(self) -> str | None:
        """``namespace/name`` of the StatefulSet that it is a member of."""
        if self.controller is None or self.controller.kind != "StatefulSet":
            return None
        return f"{self.namespace}/{self.controller.name}"

    @property
    def workload(self) -> str:
        """``namespace/name`` of what makes it: of a ReplicaSet's pod the Deployment; "" if bare."""
        if self.controller is None:
            return ""
        name = self.controller.name
        if self.controller.kind == "ReplicaSet":
            name = name.removesuffix(f"-{self.labels.get('pod-template-hash', '')}")
        return f"{self.namespace}/{name}"


@dataclass(frozen=True, slots=True)
class PodRules:
    """Which pods may be evicted.

    :param force: evict pods without a controller: nobody makes them again.
    :param protected_namespaces: pods there keep their node, unless skipped on every node.
    :param waited: more pods that are waited for and never evicted, whatever made them.
    """

    force: bool = False
    empty_dir: EmptyDir = EmptyDir.MEMORY_ONLY
    protected_namespaces: frozenset[str] = frozenset({"kube-system"})
    waited: tuple[LabelSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A pod's fate, and why; ``block`` says what it is called when it keeps the node."""

    fate: PodFate
    why: str
    block: BlockReason | None = None


def judge_pod(pod: DrainPod, rules: PodRules) -> Judgement:
    """Decide what a drain does with one pod; the first rule that answers wins."""
    for rule in (_stays_anyway, _ends_by_itself, _is_left_alone, _has_ended, _would_lose):
        found = rule(pod, rules)
        if found is not None:
            return found
    return Judgement(PodFate.EVICT, f"{pod.controller_kind or 'bare pod'}: its controller moves it")


def is_scan_pod(pod: DrainPod) -> bool:
    """Tell whether this is Nightshift's own work (scan, clone, ingest), not one of its services."""
    ours = all(pod.labels.get(key) == value for key, value in OUR_LABELS.items())
    return ours and pod.controller_kind in _ENDS_BY_ITSELF


def is_leader(labels: Mapping[str, str]) -> bool:
    """Tell whether labels call a pod the primary or leader of its set; it is evicted last."""
    return any(labels.get(key) in values for key, values in _LEADER_LABELS.items())


def parse_drain_pod(obj: Mapping[str, Any]) -> DrainPod:
    """Read a pod.

    :raises ValueError: with the pod's name and the path of the fault.
    """
    meta, spec, status = (as_mapping(obj.get(key), key) for key in ("metadata", "spec", "status"))
    key = f"{meta.get('namespace', 'default')}/{meta.get('name', '')}"
    try:
        return DrainPod(
            namespace=str(meta.get("namespace", "default")),
            name=str(meta.get("name", "")),
            uid=str(meta.get("uid", "")),
            node=str(spec.get("nodeName") or ""),
            labels=as_strings(meta.get("labels"), "metadata.labels"),
            annotations=as_strings(meta.get("annotations"), "metadata.annotations"),
            controller=_controller(meta.get("ownerReferences")),
            empty_dirs=tuple(_empty_dirs(spec.get("volumes"))),
            priority=as_int(spec.get("priority"), "spec.priority"),
            ended=status.get("phase") in {"Succeeded", "Failed"},
            pending=status.get("phase") == "Pending",
            ready=_is_ready(status.get("conditions")),
            deleting=meta.get("deletionTimestamp") is not None,
        )
    except ValueError as error:
        raise ValueError(f"pod {key}: {error}") from error


def _stays_anyway(pod: DrainPod, rules: PodRules) -> Judgement | None:
    if pod.controller_kind == "DaemonSet":
        return Judgement(PodFate.SKIP, "a DaemonSet's pod: its controller ignores a cordon")
    if _MIRROR in pod.annotations or pod.controller_kind == "Node":
        return Judgement(PodFate.SKIP, "a static pod: the API cannot end it")
    return None


def _ends_by_itself(pod: DrainPod, rules: PodRules) -> Judgement | None:
    if pod.deleting:
        return Judgement(PodFate.WAIT, "it is being deleted", BlockReason.TERMINATING)
    if is_scan_pod(pod) or any(selector.matches(pod.labels) for selector in rules.waited):
        if pod.ended:
            return Judgement(PodFate.SKIP, "a scan that has ended")
        return Judgement(PodFate.WAIT, "a scan is never evicted", BlockReason.SCAN_RUNNING)
    asked, value = _WAIT
    if not pod.ended and value in {pod.labels.get(asked), pod.annotations.get(asked)}:
        return Judgement(PodFate.WAIT, f"{asked} is {value}", BlockReason.DO_NOT_EVICT)
    return None


def _is_left_alone(pod: DrainPod, rules: PodRules) -> Judgement | None:
    if pod.namespace in rules.protected_namespaces:
        why = f"the namespace {pod.namespace} is protected"
        fate = PodFate.SKIP if pod.ended else PodFate.REFUSE
        return Judgement(fate, why, BlockReason.PROTECTED)
    if pod.ended:
        return None
    for key, values in _KEEP.items():
        for place in (pod.annotations, pod.labels):
            if place.get(key) in values:
                why = f"{key} is {place[key]}"
                return Judgement(PodFate.REFUSE, why, BlockReason.DO_NOT_EVICT)
    return None


def _has_ended(pod: DrainPod, rules: PodRules) -> Judgement | None:
    return Judgement(PodFate.EVICT, "it has ended") if pod.ended else None


def _would_lose(pod: DrainPod, rules: PodRules) -> Judgement | None:
    media = set(pod.empty_dirs)
    allowed = {EmptyDir.NEVER: set(), EmptyDir.MEMORY_ONLY: {"Memory"}, EmptyDir.ALWAYS: media}
    if media - allowed[rules.empty_dir]:
        where = "in memory" if media == {"Memory"} else "on the node's disk"
        return Judgement(
            PodFate.REFUSE,
            f"an emptyDir {where} would be lost (drain.emptyDir is {rules.empty_dir})",
            BlockReason.EMPTY_DIR,
        )
    if pod.controller is None and not rules.force:
        why = "no controller would make it again (drain.force is false)"
        return Judgement(PodFate.REFUSE, why, BlockReason.NO_CONTROLLER)
    return None


def _controller(raw: Any) -> PodController | None:
    for owner in as_objects(raw, "metadata.ownerReferences"):
        if owner.get("controller") is True:
            kind, name, uid = (str(owner.get(key, "")) for key in ("kind", "name", "uid"))
            return PodController(kind, name, uid)
    return None


def _empty_dirs(raw: Any) -> Iterable[str]:
    for volume in as_objects(raw, "spec.volumes"):
        if "emptyDir" in volume:
            medium = as_mapping(volume["emptyDir"], "spec.volumes.emptyDir").get("medium")
            yield str(medium or "")


def _is_ready(raw: Any) -> bool:
    conditions = as_objects(raw, "status.conditions")
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
