"""A small cluster with a policy, a store, a clock, and hands; tests play every controller."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from nightshift.cluster.capacity_snapshots import OtherFacts
from nightshift.cluster.client import Cluster
from nightshift.cluster.deletion_costs import mark_pods
from nightshift.cluster.target_kinds import TARGET_RESOURCES
from nightshift.domain.capacity.planner import plan_scale_down
from nightshift.domain.capacity.plans import CapacityPlan
from nightshift.domain.capacity.policies import CapacityPolicy, Mode, PolicyName, Protection
from nightshift.domain.capacity.policies_pools import Limits, NodePool, PoolBounds, PoolDriver
from nightshift.domain.capacity.policies_targets import (
    AutoscalerTarget,
    CronJobTarget,
    Selection,
    TargetKind,
    Tier,
    WorkloadTarget,
)
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.targets import LiveTarget, ObjectKind, TargetId
from nightshift.domain.windows.schedules import CalendarDays, Schedule, WeeklyWindow
from nightshift.domain.windows.spans import Window
from nightshift.domain.windows.walltimes import parse_week_time
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.cluster import LocalCluster
from nightshift.nodepools.drain_only import DrainOnly
from nightshift.nodepools.drivers import NodePoolDriver
from nightshift.store.capacity_records import RunKind, RunRecord
from nightshift.store.capacity_runs import begin_run
from nightshift.store.engines import Engine, transaction
from nightshift.weekend.applying import Applied, Apply, apply_plan
from nightshift.weekend.finding import Found, find_leased
from nightshift.weekend.hands import Hands
from nightshift.weekend.journals import Journal, StoreJournal
from nightshift.weekend.planning import lease_is_due, open_window, read_facts, read_ledger
from nightshift.weekend.reconciling import Mending
from nightshift.weekend.resting import NodeCare
from nightshift.weekend.restoring import Restored, restore
from nightshift.weekend.targets import AllTargets, Targets
from tests.capacity.capacity_support import FRIDAY, MONDAY, NS, Hand, add, add_pod, container, meta

WORKER = TargetId(ObjectKind.DEPLOYMENT, NS, "worker")
STORE = TargetId(ObjectKind.STATEFUL_SET, NS, "store")
API = TargetId(ObjectKind.AUTOSCALER, NS, "api")
REPORT = TargetId(ObjectKind.CRON_JOB, NS, "report")
EVERY = (WORKER, STORE, API, REPORT)
POOL = NodePool(
    "general", PoolDriver.DRAIN_ONLY, PoolBounds(1, 3, 2), parse_label_selector("pool=general")
)


TABLES = (
    "capacity_lease, capacity_step, capacity_run, capacity_event, capacity_report, node_interval"
)


def empty_store(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text(f"TRUNCATE {TABLES} RESTART IDENTITY"))


def policy(**changes: Any) -> CapacityPolicy:
    """The policy of these tests: four tiers and one pool of nodes."""
    windows = (WeeklyWindow("weekend", parse_week_time("FRI 20:00"), parse_week_time("MON 05:30")),)
    days = CalendarDays(dt.date(2027, 1, 1), dt.date(2027, 12, 31))
    tiers = (
        Tier("batch", (CronJobTarget(Selection(NS, "report")),)),
        Tier("workers", (WorkloadTarget(TargetKind.DEPLOYMENT, Selection(NS, "worker"), 1),)),
        Tier("api", (AutoscalerTarget(Selection(NS, "api"), 2, 6),)),
        Tier("storage", (WorkloadTarget(TargetKind.STATEFUL_SET, Selection(NS, "store"), 2),)),
    )
    made = CapacityPolicy(
        name=PolicyName("weekend"),
        owner="platform",
        cluster="test",
        mode=Mode.ENFORCE,
        schedule=Schedule(ZoneInfo("Europe/Berlin"), "Europe/Berlin", windows, days),
        tiers=tiers,
        node_pools=(POOL,),
        protect=Protection(frozenset({"kube-system", "nightshift"})),
        limits=Limits(min_ready_nodes=1, headroom_pct=0),
        digest="digest-1",
    )
    return replace(made, **changes)


def workload(kind: str, name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container()]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    more = {"serviceName": name} if kind == "StatefulSet" else {}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": meta(name),
        "spec": {**spec, **more},
    }


def populate(cluster: Cluster) -> None:
    """Make the objects that the policy names, and a pod on each of two nodes."""
    apps = "apis/apps/v1"
    add(cluster, "deployments", workload("Deployment", "worker", 4), apps)
    add(cluster, "deployments", workload("Deployment", "api", 3), apps)
    add(cluster, "statefulsets", workload("StatefulSet", "store", 3), apps)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    spec: dict[str, Any] = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 9}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta("api"),
        "spec": spec,
    }
    add(cluster, "horizontalpodautoscalers", scaler, "apis/autoscaling/v2")
    job = {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": meta("report"),
        "spec": {"schedule": "0 6 * * *", "jobTemplate": {"spec": job}},
    }
    add(cluster, "cronjobs", cron, "apis/batch/v1")
    for name in ("n1", "n2", "n3"):
        cluster.patch(f"/api/v1/nodes/{name}", {"metadata": {"labels": {"pool": "general"}}})
    for name, node in (("worker-1", "n1"), ("worker-2", "n2")):
        labels = {"app": "worker", "pod-template-hash": "h"}
        add_pod(cluster, name, node, owner="ReplicaSet/worker-h", labels=labels)


def play_controllers(local: LocalCluster) -> None:
    """Every workload has what it asks for; autoscalers keep theirs between their bounds."""
    store = local.store
    for scaler in list(store.list("horizontalpodautoscalers.autoscaling")):
        spec = scaler["spec"]
        low, high = spec.get("minReplicas", 1), spec["maxReplicas"]

        def clamp(obj: Any, low: int = low, high: int = high) -> None:
            obj["spec"]["replicas"] = min(max(obj["spec"]["replicas"], low), high)

        store.mutate("deployments.apps", spec["scaleTargetRef"]["name"], NS, clamp)
    for key in ("deployments.apps", "statefulsets.apps"):
        for obj in list(store.list(key)):
            store.mutate(key, obj["metadata"]["name"], obj["metadata"]["namespace"], _satisfy)
    for pod in list(store.list("pods")):
        found = pod["metadata"]
        if "deletionTimestamp" in found:
            store.mutate("pods", found["name"], found["namespace"], _no_grace)
            if store.find("pods", found["name"], found["namespace"]) is not None:
                store.delete("pods", found["name"], found["namespace"])


def _no_grace(pod: Any) -> None:
    pod["metadata"]["deletionGracePeriodSeconds"] = 0


def _satisfy(obj: Any) -> None:
    wanted = obj["spec"].get("replicas", 1)
    keys = ("replicas", "readyReplicas", "updatedReplicas")
    obj["status"] = {
        **dict.fromkeys(keys, wanted),
        "observedGeneration": obj["metadata"].get("generation", 1),
    }


@dataclass
class World:
    """Everything that a run works with.

    :param wrap_targets: puts something between the run and its targets.
    """

    server: BackgroundCluster
    cluster: Cluster
    engine: Engine
    hand: Hand
    policy: CapacityPolicy = field(default_factory=policy)
    drivers: dict[str, NodePoolDriver] = field(default_factory=dict)
    wrap_targets: Callable[[Targets], Targets] = lambda targets: targets
    wrap_journal: Callable[[Journal], Journal] = lambda journal: journal

    def __post_init__(self) -> None:
        self.drivers = self.drivers or {"general": DrainOnly("general")}
        self.hand.others.append(self.settle)
        self.settle()

    def settle(self) -> None:
        self.server.call(play_controllers)

    def journal(self, run: str = "run-1", kind: RunKind = RunKind.DOWN) -> Journal:
        record = RunRecord(run, kind, self.policy.name, self.policy.digest)
        with transaction(self.engine) as connection:
            number = begin_run(connection, record, self.hand.now)
        made = StoreJournal(self.engine, number, self.policy.name, "test", self.hand.clock)
        return self.wrap_journal(made)

    def hands(self, run: str = "run-1", kind: RunKind = RunKind.DOWN) -> Hands:
        targets = self.wrap_targets(AllTargets(self.cluster, self.drivers))
        return Hands(targets, self.journal(run, kind), self.hand.clock, self.hand.sleep)

    def window(self) -> Window:
        found = open_window(self.policy, FRIDAY)
        assert found is not None
        assert found.up == MONDAY
        return found

    def plan(self) -> CapacityPlan:
        facts = read_facts(self.cluster, self.hand.now, self.drivers, OtherFacts())
        ledger = read_ledger(self.engine, self.policy, self.hand.now)
        return plan_scale_down(self.policy, facts, self.window(), ledger)

    def apply(self, plan: CapacityPlan | None = None, run: str = "run-1") -> Applied:
        made = plan or self.plan()
        return apply_plan(self.apply_of(made, run))

    def apply_of(self, plan: CapacityPlan, run: str = "run-1") -> Apply:
        care = NodeCare(self.cluster, self.policy, self.drivers, look_seconds=60)
        return Apply(
            plan,
            plan.actions,
            self.policy,
            self.hands(run),
            "test",
            care,
            mark=lambda nodes: mark_pods(self.cluster, nodes),
        )

    def restore(self, run: str = "run-2", until: dt.datetime | None = None) -> Restored:
        policies = {str(self.policy.name): self.policy}
        hands = self.hands(run, RunKind.UP)
        return restore(
            hands,
            lambda lease: lease_is_due(lease, self.hand.now, policies),
            self.policy.restore.waves,
            until,
        )

    def mending(self, run: str = "run-3") -> Mending:
        hands = self.hands(run, RunKind.RECONCILE)
        policies = {str(self.policy.name): self.policy}
        record = RunRecord(run, RunKind.RECONCILE, self.policy.name, self.policy.digest)
        with transaction(self.engine) as connection:
            number = begin_run(connection, record, self.hand.now)
        journal = StoreJournal(self.engine, number, self.policy.name, "test", self.hand.clock)
        return Mending(
            self.policy,
            hands,
            journal,
            self.engine,
            NodeCare(self.cluster, self.policy, self.drivers, look_seconds=60),
            open_window(self.policy, self.hand.now),
            lambda lease: lease_is_due(lease, self.hand.now, policies),
        )

    def found(self) -> Found:
        return find_leased(self.cluster, self.drivers)

    def live(self, target: TargetId) -> LiveTarget:
        found = AllTargets(self.cluster, self.drivers).read(target)
        assert found is not None
        return found

    def fields(self) -> dict[str, dict[str, Any]]:
        found = {target.name: self.live(target) for target in EVERY}
        return {name: {str(k): v for k, v in live.fields.items()} for name, live in found.items()}

    def edit(self, target: TargetId, spec: dict[str, Any]) -> None:
        """Play a person."""
        self.cluster.patch(TARGET_RESOURCES[target.kind].path(target), {"spec": spec})

    def annotate(self, target: TargetId, **annotations: str) -> None:
        body = {"metadata": {"annotations": annotations}}
        self.cluster.patch(TARGET_RESOURCES[target.kind].path(target), body)

    def cordoned(self) -> set[str]:
        nodes = self.cluster.iterate("/api/v1/nodes")
        return {n["metadata"]["name"] for n in nodes if n["spec"].get("unschedulable")}
