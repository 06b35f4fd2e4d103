"""One session: a policy, the cluster, the store if there is one, and everything in between.

Tasks and commands open one, do one thing, and close it. Nothing is sent before it is used.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nightshift.clock import Clock
from nightshift.cluster.capacity_snapshots import OtherFacts
from nightshift.cluster.client import Cluster, connect
from nightshift.cluster.deletion_costs import mark_pods
from nightshift.domain.capacity.ledgers import Ledger
from nightshift.domain.capacity.plans import Action, CapacityPlan
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_targets import Barrier, Measure
from nightshift.domain.capacity.roles import OwnPods
from nightshift.domain.capacity.snapshots import ClusterSnapshot
from nightshift.domain.capacity.targets import LiveTarget
from nightshift.domain.leases.records import Lease
from nightshift.errors import ConfigError, NightshiftError, RetryableError
from nightshift.nodepools.building import build_drivers
from nightshift.nodepools.drivers import NodePoolDriver, Tempo
from nightshift.settings import Settings
from nightshift.store.capacity_records import RunId, RunKind, RunRecord
from nightshift.store.capacity_runs import begin_run
from nightshift.store.engines import Engine, transaction, writer_engine
from nightshift.weekend.airflow_pools import RestPools, rest_pools
from nightshift.weekend.applying import Apply
from nightshift.weekend.connections import Connections
from nightshift.weekend.finding import Found, find_leased, leases_by_annotations
from nightshift.weekend.hands import Hands
from nightshift.weekend.journals import AnnotationJournal, Journal, StoreJournal
from nightshift.weekend.measures import firing, prometheus
from nightshift.weekend.notices import Notices
from nightshift.weekend.planning import lease_is_due, open_window, read_facts, read_ledger
from nightshift.weekend.reconciling import Mending
from nightshift.weekend.resting import NodeCare
from nightshift.weekend.restoring import Due
from nightshift.weekend.signals import ANSWER_SECONDS, SeenSignals, read_signals, unknown_line
from nightshift.weekend.targets import AllTargets

LOCK = "nightshift-capacity"
"""The name of the Kubernetes Lease that whoever changes capacity holds."""
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True)
class Tools:
    """What a session is given from outside.

    :param connections: what a policy's ``conn_id`` means.
    :param actor: who does all this: a Dag, or a user.
    """

    connections: Connections
    clock: Clock
    sleep: Callable[[float], None]
    actor: str
    environ: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that a run of one policy works with.

    :param engine: None without a store, where only annotations are known.
    :param policy: None where only a kubeconfig is there.
    """

    settings: Settings
    cluster: Cluster
    engine: Engine | None
    policy: CapacityPolicy | None
    drivers: Mapping[str, NodePoolDriver]
    airflow: RestPools | None
    tools: Tools

    def the_policy(self) -> CapacityPolicy:
        """Give the policy to a part that cannot work without it.

        :raises ConfigError: if there is none.
        """
        if self.policy is None:
            raise ConfigError("policy", "is needed here; name it with --policy")
        return self.policy

    def the_engine(self) -> Engine:
        """Give the store to a part that cannot work without it.

        :raises ConfigError: if there is none.
        """
        if self.engine is None:
            raise ConfigError("NIGHTSHIFT_DATABASE_URL", "is not set, and this needs the store")
        return self.engine

    def own(self) -> OwnPods:
        """Say which pods are ours, so that nothing ever ends them."""
        environ = self.tools.environ
        if "KUBERNETES_SERVICE_HOST" not in environ or not _NAMESPACE_FILE.is_file():
            return OwnPods()  # we run outside of this cluster
        return OwnPods(f"{_NAMESPACE_FILE.read_text().strip()}/{environ.get('HOSTNAME', '')}")

    def journal(self, record: RunRecord) -> StoreJournal:
        """Begin a run, or take it up again, and give what it writes in."""
        with transaction(self.the_engine()) as connection:
            run = begin_run(connection, record, self.tools.clock())
        return StoreJournal(
            self.the_engine(), run, record.policy, self.tools.actor, self.tools.clock
        )

    def record(self, run: str, kind: RunKind, window: str = "") -> RunRecord:
        """Describe a run of the policy."""
        policy = self.the_policy()
        return RunRecord(run, kind, policy.name, policy.digest, window, self.tools.actor)

    def annotations(self) -> AnnotationJournal:
        """Give the journal of a restore that has only what lies on the objects."""
        return AnnotationJournal(lambda: leases_by_annotations(self.found()).leases)

    def notices(self, run: RunId | None = None) -> Notices:
        """Give what tells people."""
        tools = self.tools
        return Notices(
            self.the_policy(), tools.connections, self.engine, tools.clock, tools.actor, run
        )

    def hands(self, journal: Journal) -> Hands:
        """Give what steps work with."""
        targets = AllTargets(self.cluster, self.drivers, self.airflow)
        return Hands(
            targets, journal, self.tools.clock, self.tools.sleep, lambda: _pending(self.cluster)
        )

    def found(self) -> Found:
        """Read every object that carries a lease."""
        pools, unread = self._airflow_pools()
        found = find_leased(self.cluster, self.drivers, pools)
        return Found(found.targets, (*found.unread, *unread), found.leased)

    def facts(self) -> ClusterSnapshot:
        """Read the snapshot that a plan is made from."""
        pools, unread = self._airflow_pools()
        alerts, silent = self._alerts()
        others = OtherFacts(
            own=self.own(),
            targets=tuple(pools),
            alerts=alerts,
            own_airflow_pool=self.settings.capacity_pool,
            unread=(*unread, *silent),
        )
        return read_facts(self.cluster, self.tools.clock(), self.drivers, others)

    def ledger(self) -> Ledger:
        """Read what earlier runs have done."""
        if self.engine is None:
            return Ledger()
        return read_ledger(self.engine, self.the_policy(), self.tools.clock())

    def care(self) -> NodeCare:
        """Give what putting nodes to rest needs."""
        return NodeCare(self.cluster, self.the_policy(), self.drivers, self.own())

    def apply_of(self, plan: CapacityPlan, actions: tuple[Action, ...], journal: Journal) -> Apply:
        """Prepare to carry a plan out."""
        return Apply(
            plan,
            actions,
            self.the_policy(),
            self.hands(journal),
            self.tools.actor,
            self.care(),
            mark=lambda nodes: mark_pods(self.cluster, nodes),
            count_pods=lambda barrier: _count_pods(self.cluster, barrier),
            holds=self.holds,
        )

    def mending(self, journal: StoreJournal) -> Mending:
        """Prepare to mend what crashes and people left behind."""
        policy, now = self.the_policy(), self.tools.clock()
        return Mending(
            policy,
            self.hands(journal),
            journal,
            self.the_engine(),
            self.care(),
            open_window(policy, now),
            self.due(),
        )

    def due(self) -> Due:
        """Give the rule that says whether a lease is to be given back now."""
        policies = {str(self.policy.name): self.policy} if self.policy else {}

        def is_due(lease: Lease) -> bool:
            return lease_is_due(lease, self.tools.clock(), policies)

        return is_due

    def holds(self, measure: Measure) -> bool:
        """Ask Prometheus whether a measure keeps its bound; no answer is no."""
        conn_id = self.the_policy().prometheus
        if conn_id is None:
            raise ConfigError("policy", "has measures to verify, and names no Prometheus")
        try:
            return measure.holds(prometheus(self.tools.connections(conn_id)).value(measure.query))
        except RetryableError:
            return False

    def signals(self) -> SeenSignals:
        """Read what the policy's guard watches; what cannot be read is said, not raised."""
        policy = self.the_policy()
        queries = policy.guard.signals
        if not queries or policy.prometheus is None:
            return SeenSignals()
        try:
            server = prometheus(self.tools.connections(policy.prometheus), ANSWER_SECONDS)
        except NightshiftError as error:
            lines = (unknown_line(name, str(error)) for name in queries)
            return SeenSignals(unknown=tuple(lines))
        return read_signals(server, queries, self.tools.clock())

    def _airflow_pools(self) -> tuple[list[LiveTarget], tuple[str, ...]]:
        if self.airflow is None:
            return [], ()
        try:
            return self.airflow.list(), ()
        except NightshiftError as error:
            return [], (f"Airflow's pools: {error}",)

    def _alerts(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the alerts that fire, and what could not be asked."""
        policy = self.policy
        if policy is None or not policy.limits.abort_if:
            return (), ()
        try:
            if policy.prometheus is None:
                raise ConfigError("policy", "has abortIf, and names no Prometheus")
            server = prometheus(self.tools.connections(policy.prometheus))
            return firing(server, policy.limits.abort_if), ()
        except NightshiftError as error:
            return (), (f"alerts: {error}",)


@contextmanager
def open_session(
    settings: Settings, policy: CapacityPolicy | None, tools: Tools, *, with_store: bool = True
) -> Iterator[Session]:
    """Prepare a session's connections and close them behind it.

    :param with_store: False needs no database: only annotations are known then.
    :raises ConfigError: if a setting that is needed is missing, or no kubeconfig can be read.
    """
    cluster = connect(settings)
    engine = (
        writer_engine(settings.writer_url(), name="nightshift-capacity") if with_store else None
    )
    try:
        tempo = Tempo(tools.clock, tools.sleep)
        pools = policy.node_pools if policy else ()
        drivers = build_drivers(pools, cluster, tools.connections, tempo)
        airflow = rest_pools(settings.airflow_api) if settings.airflow_api else None
        yield Session(settings, cluster, engine, policy, drivers, airflow, tools)
    finally:
        if engine is not None:
            engine.dispose()
        cluster.close()


def _pending(cluster: Cluster) -> int:
    """Count the pods that wait for a node."""
    found = cluster.iterate("/api/v1/pods", fieldSelector="status.phase=Pending,spec.nodeName=")
    return sum(not (pod.get("spec") or {}).get("schedulingGates") for pod in found)


def _count_pods(cluster: Cluster, barrier: Barrier) -> int:
    """Count the pods that a barrier waits for, in all namespaces."""
    living = "status.phase!=Succeeded,status.phase!=Failed"
    selector = str(barrier.no_pods)
    found = cluster.iterate("/api/v1/pods", labelSelector=selector, fieldSelector=living)
    return sum(1 for _ in found)
