"""Small clusters and policies in every odd combination."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from nightshift.domain.capacity.policies import CapacityPolicy, Protection
from nightshift.domain.capacity.policies_pools import Limits
from nightshift.domain.capacity.policies_targets import Target, TargetKind
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.snapshots import (
    Amount,
    BudgetFacts,
    ClusterSnapshot,
    PodFacts,
    Role,
)
from nightshift.domain.capacity.targets import LiveTarget
from nightshift.domain.leases.annotations import HOLD
from tests.domain.capacity.capacity_support import (
    airflow_pool,
    autoscaler,
    cron_job,
    deployment,
    node,
    pod,
    policy,
    pool,
    pool_facts,
    scaled,
    slots,
    snapshot,
    stateful_set,
    suspended,
    tier,
    workload,
)

NAMESPACES = ("app", "app", "app", "shop", "kube-system")
_COUNTS = st.integers(0, 6)
_NAMES = ("api", "web", "store")
_SCAN = {"app.kubernetes.io/part-of": "nightshift"}


@dataclass(frozen=True)
class Case:
    """A policy and a cluster."""

    policy: CapacityPolicy
    snapshot: ClusterSnapshot


@st.composite
def cases(draw: st.DrawFn) -> Case:
    pods = draw(pods_on_nodes())
    count = draw(st.integers(2, 6))
    nodes = [
        node(
            f"n{n}",
            zone=draw(st.sampled_from(["", "a", "b"])),
            pool=draw(st.sampled_from(["general", "general", "other"])),
            pods=pods,
            ready=draw(st.integers(0, 9)) < 9,
            unschedulable=draw(st.integers(0, 9)) == 9,
        )
        for n in range(1, count + 1)
    ]
    budgets = [
        BudgetFacts("app", name, parse_label_selector(f"app={name}"), Amount(draw(_COUNTS)))
        for name in draw(st.lists(st.sampled_from(_NAMES), unique=True))
    ]
    facts = snapshot(
        *draw(live_targets()),
        nodes=nodes,
        pods=[one for one in pods if one.node in {"", *(n.name for n in nodes)}],
        pools=[pool_facts(name, nodes=count) for name in ("general", "other")],
        budgets=budgets,
    )
    return Case(draw(policies()), facts)


@st.composite
def live_targets(draw: st.DrawFn) -> list[LiveTarget]:
    found: dict[str, LiveTarget] = {}
    for name in _NAMES:
        for namespace in draw(st.lists(st.sampled_from(NAMESPACES), max_size=2)):
            replicas = draw(_COUNTS)
            kind = draw(st.sampled_from([deployment, stateful_set]))
            held = {HOLD: "true"} if draw(st.integers(0, 7)) == 7 else {}
            one = kind(name, replicas, namespace=namespace, annotations=held)
            found[one.id.ref] = one
    for number in range(draw(st.integers(0, 3))):
        low = draw(_COUNTS)
        one = autoscaler(_NAMES[number], low, low + draw(_COUNTS), namespace="shop")
        found[one.id.ref] = one
    for number in range(draw(st.integers(0, 3))):
        one = cron_job(f"job-{number}", labels={"tier": draw(st.sampled_from(["batch", "x"]))})
        found[one.id.ref] = one
    one = airflow_pool("scans", draw(st.integers(-1, 9)))
    found[one.id.ref] = one
    return list(found.values())


@st.composite
def pods_on_nodes(draw: st.DrawFn) -> list[PodFacts]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        owner = draw(st.sampled_from(_NAMES))
        kind = draw(st.sampled_from(["Deployment"] * 5 + ["StatefulSet", "DaemonSet", ""]))
        special = 19 - draw(st.integers(0, 19))
        roles = frozenset({Role.DNS}) if special == 0 else frozenset()
        found.append(
            pod(
                f"{owner}-{number}",
                f"n{draw(st.integers(1, 6))}",
                of=f"{kind}/{owner}" if kind else "",
                namespace=draw(st.sampled_from(NAMESPACES)),
                millis=draw(st.sampled_from([100, 900, 2_500])),
                labels=_SCAN if special == 1 else {"app": owner},
                ready=special != 2,
                roles=roles,
                deleting=special == 3,
            )
        )
    return found


@st.composite
def policies(draw: st.DrawFn) -> CapacityPolicy:
    tiers = [
        tier(f"tier-{number}", *draw(st.lists(targets(), min_size=1, max_size=3)))
        for number in range(draw(st.integers(0, 3)))
    ]
    pools = [
        replace(
            pool(name, least=0, most=4, target=draw(st.integers(0, 2))),
            per_zone_min=draw(st.integers(0, 1)),
        )
        for name in draw(st.sampled_from([("general",), ("general", "other"), ()]))
    ]
    limits = Limits(
        max_nodes_removed=draw(st.sampled_from([6, 3, 1, 0])),
        max_nodes_removed_pct=draw(st.sampled_from([100, 80, 50, 0])),
        min_ready_nodes=draw(st.sampled_from([0, 1, 3])),
        max_evictions=draw(st.sampled_from([99, 3, 0])),
        headroom_pct=draw(st.sampled_from([0, 20, 50])),
    )
    protect = Protection(
        namespaces=frozenset({"kube-system", draw(st.sampled_from(["kube-system", "shop"]))}),
        node_pools=frozenset({"other"} if draw(st.integers(0, 3)) == 3 else ()),
    )
    return policy(*tiers, pools=pools, limits=limits, protect=protect)


def targets() -> st.SearchStrategy[Target]:
    names, spaces = st.sampled_from(_NAMES), st.sampled_from(NAMESPACES)
    kinds = st.sampled_from([TargetKind.DEPLOYMENT, TargetKind.STATEFUL_SET])
    return st.one_of(
        st.builds(slots, st.just("scans"), _COUNTS),
        st.just(suspended("tier=batch")),
        st.builds(workload, kinds, names, _COUNTS, st.integers(0, 3), spaces),
        st.builds(
            lambda name, low, more, space: scaled(name, low, low + more, space),
            names,
            _COUNTS,
            st.integers(1, 6),
            spaces,
        ),
    )
