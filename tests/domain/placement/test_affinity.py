from typing import Any

import pytest

from nightshift.domain.ids import NodeName
from nightshift.domain.placement.affinity import (
    MAX_AFFINITY_BYTES,
    PoolValue,
    WeightedHosts,
    WeightedNode,
    WeightedPool,
    build_affinity,
    check_affinity,
    weigh_nodes,
)

SOFT = "preferredDuringSchedulingIgnoredDuringExecution"
HARD = "requiredDuringSchedulingIgnoredDuringExecution"


def names(count: int) -> list[NodeName]:
    return [NodeName(f"n{i}") for i in range(count)]


def wrapped(*terms: Any) -> dict[str, Any]:
    return {"nodeAffinity": {SOFT: list(terms)}}


def term(*values: str, weight: Any = 1) -> dict[str, Any]:
    field = {"key": "metadata.name", "operator": "In", "values": list(values)}
    return {"weight": weight, "preference": {"matchFields": [field]}}


def hosts(count: int, prefix: str = "h") -> dict[str, Any]:
    names = [f"{prefix}{i}" for i in range(count)]
    rule = {"key": "kubernetes.io/hostname", "operator": "In", "values": names}
    return {"weight": 25, "preference": {"matchExpressions": [rule]}}


def required(key: str, *values: str, twice: bool = False) -> dict[str, Any]:
    one = {"matchExpressions": [{"key": key, "operator": "In", "values": list(values)}]}
    return {"nodeAffinity": {HARD: {"nodeSelectorTerms": [one, one] if twice else [one]}}}


@pytest.mark.parametrize(
    ("count", "weights"),
    [
        pytest.param(0, [], id="no node"),
        pytest.param(1, [100], id="primary alone"),
        pytest.param(4, [100, 15, 14, 13], id="three backups"),
        pytest.param(16, [100, *range(15, 0, -1)], id="fifteen backups"),
        pytest.param(40, [100, *range(15, 0, -1)], id="no weight 0 beyond fifteen"),
    ],
)
def test_weights(count: int, weights: list[int]) -> None:
    weighted = weigh_nodes(names(count))
    assert [item.weight for item in weighted] == weights
    assert [item.node for item in weighted] == names(count)[: len(weights)]


def test_the_affinity_is_kubernetes_json() -> None:
    assert build_affinity(weigh_nodes(names(2))) == wrapped(
        term("n0", weight=100), term("n1", weight=15)
    )


def test_tiers_and_the_pool_are_kubernetes_json() -> None:
    tiers = (WeightedHosts(("h0", "h1"), 25), WeightedPool(PoolValue.RESERVE, 6))
    built = build_affinity((WeightedNode(NodeName("n0"), 100),), tiers, (PoolValue.OPEN,))
    pool = {"key": "nightshift/pool", "operator": "In", "values": ["reserve"]}
    assert built["nodeAffinity"][SOFT] == [
        term("n0", weight=100), hosts(2), {"weight": 6, "preference": {"matchExpressions": [pool]}},
    ]  # fmt: skip
    assert {"nodeAffinity": {HARD: built["nodeAffinity"][HARD]}} == required(
        "nightshift/pool", "open"
    )
    check_affinity(required("nightshift/pool", "open", "reserve"))


def test_spare_hosts_and_those_of_the_tiers_are_required() -> None:
    spare, tiers = tuple(f"s{i}" for i in range(20)), (WeightedHosts(("h0", "h1"), 25),)
    built = build_affinity((WeightedNode(NodeName("n0"), 100),), tiers, (), spare)
    assert {"nodeAffinity": {HARD: built["nodeAffinity"][HARD]}} == required(
        "kubernetes.io/hostname", *spare, "h0", "h1"
    )


def test_all_lists_with_the_longest_labels_are_small_enough() -> None:
    names = [f"{i:02d}".ljust(63, "x") for i in range(64)]
    tiers = (WeightedHosts(tuple(names[:32]), 25), WeightedHosts(tuple(names[32:44]), 6))
    build_affinity((WeightedNode(NodeName("n" * 253), 100),), tiers, (), names[44:])


def test_64_hosts_with_the_longest_labels_are_small_enough() -> None:
    names = tuple(f"{i:02d}".ljust(63, "x") for i in range(64))
    built = build_affinity((WeightedNode(NodeName("n" * 253), 100),), (WeightedHosts(names, 25),))
    assert len(str(built)) < MAX_AFFINITY_BYTES * 0.6


def test_no_nodes_is_no_affinity() -> None:
    assert build_affinity(()) == {}
    check_affinity({})


@pytest.mark.parametrize("weight", [0, 101])
def test_a_weight_that_kubernetes_refuses_is_never_written(weight: int) -> None:
    with pytest.raises(ValueError, match="range 1-100"):
        build_affinity((WeightedNode(NodeName("n"), weight),))


@pytest.mark.parametrize(
    ("affinity", "fault"),
    [
        pytest.param(wrapped(term("a", weight=0)), "range 1-100", id="weight 0"),
        pytest.param(wrapped(term("a", "b")), "one element", id="two values in one matchFields"),
        pytest.param(wrapped(term()), "values", id="no value"),
        pytest.param(wrapped(*(term(n) for n in names(17))), "has 17 terms", id="seventeen terms"),
        pytest.param(wrapped(), "has 0 terms", id="no terms"),
        pytest.param(wrapped(term("a"), term("a")), "named twice", id="weights would add up"),
        pytest.param(wrapped({"weight": 1, "preference": {}}), "empty term", id="empty term"),
        pytest.param(
            {"nodeAffinity": {HARD: {"nodeSelectorTerms": []}}}, "only preferred", id="required"
        ),
        pytest.param(
            {**wrapped(term("a")), "podAffinity": {}}, "only nodeAffinity", id="pod affinity"
        ),
        pytest.param(required("zone", "a"), "one of nightshift/pool", id="required label"),
        pytest.param(required("nightshift/pool", "a", "b", twice=True), "one of", id="two terms"),
        pytest.param(
            {"nodeAffinity": {HARD: {"nodeSelectorTerms": [term("a")["preference"]]}}},
            "one of nightshift/pool",
            id="required name",
        ),
        pytest.param(
            required("kubernetes.io/hostname", *names(15)), "15 hosts, allowed are 16", id="too few"
        ),
        pytest.param(
            required("kubernetes.io/hostname", *names(65)), "65 hosts, allowed", id="too many"
        ),
        pytest.param(
            required("kubernetes.io/hostname", *names(16), "n0"), "host is named twice", id="twice"
        ),
        pytest.param(wrapped(hosts(65)), "names 65 hosts", id="65 hosts"),
        pytest.param(wrapped(hosts(40), hosts(1)), "a host is named twice", id="host in two tiers"),
        pytest.param(wrapped(hosts(64, "x" * 200)), "allowed are 8192", id="too large for etcd"),
        pytest.param({"nodeAffinity": []}, "expected an object", id="a list"),
        pytest.param({"nodeAffinity": {}}, "not nothing", id="nothing inside"),
    ],
)
def test_what_we_never_mean_to_send_is_refused(affinity: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        check_affinity(affinity)


def test_sixteen_terms_stay_below_two_and_a_half_kilobytes() -> None:
    long_names = [NodeName(f"ip-10-0-0-{i}.eu-central-1.compute.internal") for i in range(16)]
    assert len(str(build_affinity(weigh_nodes(long_names)))) < 2_600
