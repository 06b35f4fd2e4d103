"""Awkward values for the placement laws: odd quantities, full nodes, taints, zero requests."""

from types import MappingProxyType

from hypothesis import strategies as st

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node, Taint, TaintEffect, Toleration
from nightshift.domain.nodeterms import NodeTerm, Operator, PreferredTerm, Requirement
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources

GIB = 1024**3
KEYS = ("dedicated", "gpu")
ZONE = "topology.kubernetes.io/zone"

numbers = st.one_of(
    st.integers(0, 10**12).map(str),
    st.decimals(0, 10**6, places=4, allow_nan=False).map(lambda d: format(d, "f")),
    st.integers(0, 999).map(lambda n: f".{n}"),
    st.integers(0, 999).map(lambda n: f"{n}."),
)
suffixes = st.sampled_from([
    "", "n", "u", "m", "k", "M", "G", "T", "P", "E",
    "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "e3", "E-2", "e+1",
])  # fmt: skip
quantities = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "+", "-"]),
    numbers,
    suffixes,
).filter(lambda text: len(text) <= 64)

cpu_millis = st.one_of(st.just(0), st.integers(1, 8_000))
memory_bytes = st.one_of(st.just(0), st.integers(1, 32 * GIB))
extended = st.dictionaries(
    st.sampled_from(["nvidia.com/gpu", "ephemeral-storage"]), st.integers(0, 4), max_size=2
).map(MappingProxyType)
resources = st.builds(Resources, cpu_millis, memory_bytes, extended)

taints = st.builds(
    Taint, st.sampled_from(KEYS), st.sampled_from(list(TaintEffect)), st.sampled_from(["", "a"])
)
tolerations = st.builds(
    Toleration,
    key=st.sampled_from(["", *KEYS]),
    operator=st.sampled_from(["Exists", "Equal"]),
    value=st.sampled_from(["", "a"]),
    effect=st.one_of(st.none(), st.sampled_from(list(TaintEffect))),
)
toleration_lists = st.lists(tolerations, max_size=2).map(tuple)


@st.composite
def nodes(draw: st.DrawFn, min_size: int = 1, max_size: int = 8) -> list[Node]:
    """Draw nodes: full, over-committed, tainted, cordoned and unready ones too."""
    count = draw(st.integers(min_size, max_size))
    return [
        Node(
            name=NodeName(f"n{i}"),
            allocatable=Resources(draw(st.integers(0, 16_000)), draw(st.integers(0, 64 * GIB))),
            requested=draw(resources),
            pod_slots=draw(st.integers(0, 6)),
            pods=draw(st.integers(0, 6)),
            labels={ZONE: draw(st.sampled_from(["a", "b"]))},
            taints=tuple(draw(st.lists(taints, max_size=2))),
            unschedulable=draw(st.sampled_from([False, False, True])),
            ready=draw(st.sampled_from([True, True, False])),
        )
        for i in range(count)
    ]


@st.composite
def demands(draw: st.DrawFn, max_size: int = 6) -> list[ShardDemand]:
    """Draw shards with different names and a few shapes."""
    count = draw(st.integers(0, max_size))
    return [
        ShardDemand(ShardName(f"s{i:03d}"), draw(resources), draw(toleration_lists))
        for i in range(count)
    ]


def named_term(name: str, weight: int) -> PreferredTerm:
    """Build the term that prefers one node by name."""
    requirement = Requirement("metadata.name", Operator.IN, (name,))
    return PreferredTerm(weight, NodeTerm(fields=(requirement,)))


@st.composite
def pod_requests(draw: st.DrawFn, key: str) -> PodRequest:
    """Draw a pending pod."""
    need = draw(resources)
    return PodRequest(
        key=key,
        need=need,
        scoring=need,
        scoring_placed=need,
        tolerations=draw(toleration_lists),
        node_selector=draw(st.sampled_from([{}, {}, {ZONE: "a"}])),
        preferred=tuple(
            named_term(f"n{i}", weight)
            for i, weight in draw(
                st.lists(st.tuples(st.integers(0, 12), st.integers(1, 100)), max_size=4)
            )
        ),
        priority=draw(st.integers(0, 1)),
        nominated=draw(st.sampled_from(["", "", "n0", "n3"])),
    )
