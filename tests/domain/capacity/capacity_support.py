"""Small clusters and policies, each argument with the value that matters to no test."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nightshift.domain.capacity.drain_pods import DrainPod, PodController
from nightshift.domain.capacity.policies import CapacityPolicy, Mode, PolicyName
from nightshift.domain.capacity.policies_pools import NodePool, PoolBounds, PoolDriver
from nightshift.domain.capacity.policies_targets import (
    AutoscalerTarget,
    CronJobTarget,
    PoolTarget,
    Selection,
    Target,
    TargetKind,
    Tier,
    WorkloadTarget,
)
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.snapshots import (
    ZONE_LABEL,
    ClusterSnapshot,
    NodeFacts,
    PodFacts,
    PoolFacts,
    Role,
)
from nightshift.domain.capacity.targets import (
    FieldName,
    Fields,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    TargetId,
)
from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources, sum_resources
from nightshift.domain.windows.schedules import CalendarDays, Schedule, WeeklyWindow
from nightshift.domain.windows.spans import Window
from nightshift.domain.windows.walltimes import parse_week_time

FRIDAY = dt.datetime(2027, 5, 14, 18, tzinfo=dt.UTC)
MONDAY = dt.datetime(2027, 5, 17, 3, 30, tzinfo=dt.UTC)
WINDOW = Window(FRIDAY, MONDAY, ("weekend",))
NOW = FRIDAY + dt.timedelta(minutes=5)
GIB = 2**30


def live(
    kind: ObjectKind,
    name: str,
    fields: Fields,
    *,
    namespace: str = "app",
    uid: str = "u1",
    replicas: int | None = None,
    annotations: Mapping[str, str] | None = None,
    **more: object,
) -> LiveTarget:
    """An object; as many replicas run, ready, as its fields say."""
    runs = replicas
    if runs is None:
        named = fields.get(FieldName.REPLICAS, fields.get(FieldName.MIN_REPLICAS, 0))
        runs = int(named or 0)
    target = LiveTarget(
        id=TargetId(kind, namespace, name, uid),
        resource_version="1",
        fields=fields,
        annotations=annotations or {},
        status=LiveStatus(runs, runs),
    )
    return replace(target, **more)  # type: ignore[arg-type]  # the fields of LiveTarget


def deployment(name: str, replicas: int, **more: object) -> LiveTarget:
    return live(ObjectKind.DEPLOYMENT, name, {FieldName.REPLICAS: replicas}, **more)  # type: ignore[arg-type]  # as live()


def stateful_set(name: str, replicas: int, **more: object) -> LiveTarget:
    return live(ObjectKind.STATEFUL_SET, name, {FieldName.REPLICAS: replicas}, **more)  # type: ignore[arg-type]  # as live()


def autoscaler(name: str, least: int, most: int, **more: object) -> LiveTarget:
    fields: Fields = {FieldName.MIN_REPLICAS: least, FieldName.MAX_REPLICAS: most}
    namespace = str(more.get("namespace", "app"))
    more.setdefault("scales", TargetId(ObjectKind.DEPLOYMENT, namespace, name))
    return live(ObjectKind.AUTOSCALER, name, fields, **more)  # type: ignore[arg-type]  # as live()


def cron_job(name: str, **more: object) -> LiveTarget:
    fields: Fields = {FieldName.SUSPEND: False, FieldName.STARTING_DEADLINE: None}
    return live(ObjectKind.CRON_JOB, name, fields, **more)  # type: ignore[arg-type]  # as live()


def airflow_pool(name: str, slots: int, **more: object) -> LiveTarget:
    fields: Fields = {FieldName.SLOTS: slots}
    return live(ObjectKind.AIRFLOW_POOL, name, fields, namespace="", uid="", **more)  # type: ignore[arg-type]  # as live()


def workload(
    kind: TargetKind, name: str, replicas: int, quorum: int = 0, namespace: str = "app"
) -> WorkloadTarget:
    return WorkloadTarget(kind, Selection(namespace, name), replicas, quorum)


def scaled(name: str, least: int, most: int, namespace: str = "app") -> AutoscalerTarget:
    return AutoscalerTarget(Selection(namespace, name), least, most)


def suspended(selector: str, namespace: str | None = None) -> CronJobTarget:
    return CronJobTarget(Selection(namespace, None, parse_label_selector(selector)))


def slots(name: str, count: int = 0) -> PoolTarget:
    return PoolTarget(name, count)


def tier(name: str, *targets: Target) -> Tier:
    return Tier(name, targets)


def pool(name: str = "general", least: int = 1, most: int = 3, target: int = 1) -> NodePool:
    selector = parse_label_selector(f"pool={name}")
    return NodePool(name, PoolDriver.EKS, PoolBounds(least, most, target), selector)


def policy(*tiers: Tier, pools: Sequence[NodePool] = (), **more: object) -> CapacityPolicy:
    schedule = Schedule(
        dt.UTC,
        "UTC",
        (WeeklyWindow("weekend", parse_week_time("FRI 18:00"), parse_week_time("MON 03:30")),),
        CalendarDays(dt.date(2027, 1, 1), dt.date(2028, 12, 31)),
    )
    made = CapacityPolicy(
        name=PolicyName("rest"),
        owner="platform",
        cluster="prod-eu",
        mode=Mode.ENFORCE,
        schedule=schedule,
        tiers=tiers,
        node_pools=tuple(pools),
        digest="d1",
    )
    return replace(made, **more)  # type: ignore[arg-type]  # the fields of CapacityPolicy


def node(
    name: str,
    *,
    zone: str = "",
    pool: str = "general",
    cores: int = 4,
    pods: Sequence[PodFacts] = (),
    annotations: Mapping[str, str] | None = None,
    unschedulable: bool = False,
    ready: bool = True,
    labels: Mapping[str, str] | None = None,
) -> NodeFacts:
    """A node of a pool; ``pods`` of it are counted."""
    own = [pod.request for pod in pods if pod.node == name]
    found = {"pool": pool, **({ZONE_LABEL: zone} if zone else {}), **(labels or {})}
    facts = Node(
        name=NodeName(name),
        allocatable=Resources(cores * 1000, cores * 4 * GIB),
        requested=sum_resources(one.need for one in own),
        pods=len(own),
        labels=found,
        unschedulable=unschedulable,
        ready=ready,
    )
    target = live(
        ObjectKind.NODE,
        name,
        {FieldName.UNSCHEDULABLE: unschedulable},
        namespace="",
        uid=f"node-{name}",
        annotations=annotations,
    )
    return NodeFacts(facts, target)


def pod(
    name: str,
    on: str = "",
    *,
    of: str = "Deployment/api",
    namespace: str = "app",
    millis: int = 500,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    ready: bool = True,
    roles: frozenset[Role] = frozenset(),
    **more: object,
) -> PodFacts:
    """A pod of a Deployment, StatefulSet or DaemonSet ``of``; "" is a bare pod."""
    kind, _, owner = of.partition("/")
    controllers = {"Deployment": ("ReplicaSet", f"{owner}-1"), "": ("", "")}
    controller_kind, controller = controllers.get(kind, (kind, owner))
    drain = DrainPod(
        namespace=namespace,
        name=name,
        uid=f"pod-{name}",
        node=on,
        labels=labels or {"app": owner},
        annotations=annotations or {},
        controller=PodController(controller_kind, controller, "c1") if kind else None,
        ready=ready,
        **{key: more.pop(key) for key in ("empty_dirs", "ended", "deleting") if key in more},  # type: ignore[arg-type]  # the fields of DrainPod
    )
    need = Resources(millis, GIB // 2)
    request = PodRequest(
        f"{namespace}/{name}", need, need, need, node=on, unmovable=kind == "DaemonSet"
    )
    known = kind in {"Deployment", "StatefulSet"}
    target = TargetId(ObjectKind(kind), namespace, owner) if known else None
    facts = PodFacts(drain, request, target, roles)
    return replace(facts, **more)  # type: ignore[arg-type]  # the fields of PodFacts


def pool_facts(
    name: str = "general",
    least: int = 3,
    most: int = 10,
    nodes: int = 6,
    *,
    removes: bool = True,
    zero_ok: bool = False,
    annotations: Mapping[str, str] | None = None,
    fields: Fields | None = None,
) -> PoolFacts:
    bounds: Fields = {FieldName.MIN_NODES: least, FieldName.MAX_NODES: most}
    target = live(
        ObjectKind.NODE_POOL,
        name,
        bounds if fields is None else fields,
        namespace="",
        uid="",
        replicas=nodes,
        annotations=annotations,
    )
    return PoolFacts(name, target, removes, zero_ok)


def snapshot(
    *targets: LiveTarget,
    nodes: Sequence[NodeFacts] = (),
    pods: Sequence[PodFacts] = (),
    pools: Sequence[PoolFacts] = (),
    at: dt.datetime = NOW,
    **more: object,
) -> ClusterSnapshot:
    facts = ClusterSnapshot(
        at=at, targets=targets, nodes=nodes, pods=pods, pools={one.name: one for one in pools}
    )
    return replace(facts, **more)  # type: ignore[arg-type]  # the fields of ClusterSnapshot
