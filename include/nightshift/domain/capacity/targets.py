"""What can be lowered, and what it is set to: identities, live values, and who else writes them.

The adapters (``cluster.workloads``, the node pool drivers, Airflow's pools) read objects into
``LiveTarget`` and carry out a ``Patch``; everything else decides over these values alone.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

OUR_MANAGER = "nightshift"
"""The field manager of every PATCH of ours; whoever else is in managedFields is somebody else."""


class ObjectKind(StrEnum):
    """The kinds of objects that a lease can be on; the words are Kubernetes' and Airflow's."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    CRON_JOB = "CronJob"
    AUTOSCALER = "HorizontalPodAutoscaler"
    SCALED_OBJECT = "ScaledObject"  # KEDA; owns a HorizontalPodAutoscaler
    AIRFLOW_POOL = "AirflowPool"
    NODE = "Node"
    NODE_POOL = "NodePool"  # a pool of the policy, whoever its driver is


class FieldName(StrEnum):
    """The fields that we set; the words are the API's where it has one.

    A ScaledObject's ``minReplicaCount`` and ``maxReplicaCount`` are ``minReplicas`` and
    ``maxReplicas`` here.
    """

    REPLICAS = "replicas"
    MIN_REPLICAS = "minReplicas"
    MAX_REPLICAS = "maxReplicas"
    SUSPEND = "suspend"
    STARTING_DEADLINE = "startingDeadlineSeconds"
    SLOTS = "slots"
    UNSCHEDULABLE = "unschedulable"
    MIN_NODES = "minNodes"
    MAX_NODES = "maxNodes"
    TARGET_NODES = "targetNodes"


FieldValue = int | bool | None
"""None is a field that the object does not have, so that the API's default counts."""
Fields = Mapping[FieldName, FieldValue]
NO_FIELDS: Fields = MappingProxyType({})

_UNLIMITED = 2**31
"""A pool without a limit: Airflow's -1 slots, and a NodePool of Karpenter without one of nodes."""

_DEFAULTS: Mapping[tuple[ObjectKind, FieldName], int] = MappingProxyType({
    (ObjectKind.DEPLOYMENT, FieldName.REPLICAS): 1,
    (ObjectKind.STATEFUL_SET, FieldName.REPLICAS): 1,
    (ObjectKind.AUTOSCALER, FieldName.MIN_REPLICAS): 1,
    (ObjectKind.SCALED_OBJECT, FieldName.MIN_REPLICAS): 0,
    (ObjectKind.SCALED_OBJECT, FieldName.MAX_REPLICAS): 100,
    (ObjectKind.NODE_POOL, FieldName.MAX_NODES): _UNLIMITED,
})
"""What an absent field means, in the API reference of each kind; otherwise 0 (false)."""
_OFF_SWITCHES = frozenset({FieldName.SUSPEND, FieldName.UNSCHEDULABLE})


@dataclass(frozen=True, slots=True, order=True)
class TargetId:
    """One object, for as long as it lives: a name that is used again has another ``uid``.

    :param namespace: "" for nodes, node pools and Airflow's pools.
    :param name: for a NODE_POOL the pool's name in the policy.
    :param uid: of the Kubernetes object; "" where there is none (Airflow's pools, cloud pools).
    """

    kind: ObjectKind
    namespace: str
    name: str
    uid: str = ""

    @property
    def ref(self) -> str:
        """``Kind/namespace/name``, as policies write it, without the uid."""
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)

    def is_same_name(self, other: "TargetId") -> bool:
        """Tell whether both are called the same, whatever their uids."""
        return self.ref == other.ref


@dataclass(frozen=True, slots=True)
class FieldManager:
    """An entry of ``metadata.managedFields``, cut down to the fields that we care about.

    :param fields: of this object's FieldNames those that the manager wrote last.
    :param at: when; None where the API does not say.
    """

    name: str
    fields: frozenset[FieldName]
    at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner with ``controller: true``: it will put back what we change on what it owns."""

    kind: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What the object's controller says.

    :param replicas: running now (``status.replicas``, an autoscaler's ``currentReplicas``); for an
        Airflow pool the slots in use, for a node pool its nodes.
    :param ready: of those; for an autoscaler the ready replicas of what it scales.
    :param rolling_out: the controller has not caught up with the newest spec.
    :param last_schedule_at: of a CronJob.
    """

    replicas: int = 0
    ready: int = 0
    rolling_out: bool = False
    last_schedule_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """An object as it was read.

    :param resource_version: what a PATCH is conditional on. Where the other side has none, a digest
        of fields and annotations that the adapter compares before it writes.
    :param fields: every FieldName that its kind has. A node pool that an autoscaler fills has no
        ``targetNodes``: nobody else may set it.
    :param annotations: a cloud pool's tags; of an Airflow pool, what its description carries.
    :param pod_labels: of the pod template: which pods are its own.
    :param managers: who wrote our fields.
    :param scales: an autoscaler's ``scaleTargetRef``; the object is in the same namespace.
    :param saved: the whole spec as canonical JSON, for kinds of which the lease keeps all of it.
    :param max_at_once: of a node pool: its maximum may be below what runs, and removes nothing.
    :param warnings: what people should know before it is lowered.
    """

    id: TargetId
    resource_version: str
    fields: Fields
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pod_labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    owner: Owner | None = None
    managers: tuple[FieldManager, ...] = ()
    status: LiveStatus = field(default_factory=LiveStatus)
    scales: TargetId | None = None
    saved: str = ""
    max_at_once: bool = False
    warnings: tuple[str, ...] = ()

    def capacity(self, name: FieldName) -> int:
        """Give how much capacity a field leaves; see ``capacity_of``."""
        return capacity_of(self.id.kind, name, self.fields.get(name))

    def last_writer(self, name: FieldName) -> FieldManager | None:
        """Give who wrote a field last; None if the API does not tell."""
        writers = [one for one in self.managers if name in one.fields]
        oldest = dt.datetime.min.replace(tzinfo=dt.UTC)
        return max(writers, key=lambda one: (one.at or oldest, one.name), default=None)


@dataclass(frozen=True, slots=True)
class Patch:
    """One conditional write: fields and annotations together, or nothing.

    :param fields: only those that change; None removes the field.
    :param annotations: only those that change; None removes the annotation.
    :param resource_version: the adapter raises ``Conflict`` if the object is not at this version.
    :param token: the lease; clouds that know client tokens get it, so that a call that is sent
        twice counts once.
    """

    fields: Fields
    annotations: Mapping[str, str | None]
    resource_version: str
    token: str


def is_ordered(name: FieldName) -> bool:
    """Tell whether more of a field is more capacity; a CronJob's deadline is only a setting."""
    return name is not FieldName.STARTING_DEADLINE


def capacity_of(kind: ObjectKind, name: FieldName, value: FieldValue) -> int:
    """Give how much capacity a value leaves, so that values of one field can be compared.

    :raises ValueError: for a field that says nothing about capacity.

    >>> capacity_of(ObjectKind.CRON_JOB, FieldName.SUSPEND, True)
    0
    >>> capacity_of(ObjectKind.AUTOSCALER, FieldName.MIN_REPLICAS, None)
    1
    """
    if not is_ordered(name):
        raise ValueError(f"{name} says nothing about capacity")
    if name in _OFF_SWITCHES:
        return 0 if value else 1
    amount = _DEFAULTS.get((kind, name), 0) if value is None else int(value)
    return _UNLIMITED if name is FieldName.SLOTS and amount < 0 else amount


def is_same(kind: ObjectKind, name: FieldName, one: FieldValue, other: FieldValue) -> bool:
    """Tell whether two values mean the same to the API: an absent one is its default."""
    if not is_ordered(name):
        return one == other
    return capacity_of(kind, name, one) == capacity_of(kind, name, other)


def lower_of(kind: ObjectKind, name: FieldName, live: FieldValue, wanted: FieldValue) -> FieldValue:
    """Give the value with less capacity; ``live`` if they are equal."""
    less = capacity_of(kind, name, wanted) < capacity_of(kind, name, live)
    return wanted if less else live


def higher_of(
    kind: ObjectKind, name: FieldName, live: FieldValue, wanted: FieldValue
) -> FieldValue:
    """Give the value with more capacity; ``live`` if they are equal."""
    more = capacity_of(kind, name, wanted) > capacity_of(kind, name, live)
    return wanted if more else live


def agrees(live: LiveTarget, fields: Fields) -> bool:
    """Tell whether every one of ``fields`` is what the object has now."""
    return all(
        is_same(live.id.kind, name, live.fields.get(name), value) for name, value in fields.items()
    )


def describe_value(value: FieldValue) -> str:
    """Write a value for people; an absent one is a dash."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe_fields(fields: Fields) -> str:
    """Write fields for people: ``minReplicas 2, maxReplicas 6``."""
    return ", ".join(f"{name} {describe_value(value)}" for name, value in fields.items())
