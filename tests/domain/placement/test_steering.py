import pytest

from nightshift.domain.placement.steering import (
    Rights,
    Steering,
    SteeringChoice,
    SteeringImpossible,
    SteeringLevel,
    choose_steering,
    predict_hit_rate,
)

NOMINATES = Rights((1, 36), patch_pod_status=True)
POOLS = Rights((1, 36), patch_nodes=True)
EVERYTHING = Rights((1, 35), patch_pod_status=True, patch_nodes=True)
PREEMPTS = Rights((1, 36), patch_pod_status=True, patch_nodes=True, preempts=True)
OLD = Rights((1, 34), patch_pod_status=True, patch_nodes=True)


@pytest.mark.parametrize(
    ("nodes", "rights", "level"),
    [
        pytest.param(99, EVERYTHING, "soft", id="the scheduler scores all: nothing more is needed"),
        pytest.param(100, EVERYTHING, "pool+nominate", id="else the strongest"),
        pytest.param(100, NOMINATES, "nominate", id="what the rights allow"),
        pytest.param(100, POOLS, "names", id="labels only: a list of hosts is firmer"),
        pytest.param(100, PREEMPTS, "names", id="a pod that preempts would lose its nomination"),
        pytest.param(100, OLD, "names", id="an old scheduler heeds no nomination"),
        pytest.param(5000, Rights(), "names", id="nothing is allowed, or nobody has asked"),
    ],
)
def test_auto_takes_the_strongest_level_that_makes_sense(
    nodes: int, rights: Rights, level: str
) -> None:
    assert choose_steering(SteeringChoice.AUTO, nodes, rights).level == level


@pytest.mark.parametrize(
    ("rights", "level"),
    [
        pytest.param(EVERYTHING, "pool+nominate", id="the strongest"),
        pytest.param(POOLS, "pool", id="labels"),
        pytest.param(Rights(), "soft", id="nothing is allowed"),
    ],
)
def test_pods_that_are_all_told_the_same_few_nodes_are_not_confined_to_them(
    rights: Rights, level: str
) -> None:
    assert choose_steering(SteeringChoice.AUTO, 500, rights, packs=False).level == level
    with pytest.raises(SteeringImpossible, match="names needs the strategy pack"):
        choose_steering(SteeringChoice.NAMES, 500, rights, packs=False)


@pytest.mark.parametrize(
    ("choice", "rights", "missing"),
    [
        pytest.param("nominate", POOLS, "patch on pods/status", id="no right to nominate"),
        pytest.param("nominate", OLD, "Kubernetes 1.35 or later", id="too old to nominate"),
        pytest.param(
            "nominate",
            PREEMPTS,
            "a PriorityClass whose preemptionPolicy is Never",
            id="its pods might evict others",
        ),
        pytest.param("pool", NOMINATES, "patch on nodes", id="no right to label"),
        pytest.param(
            "pool+nominate",
            Rights(),
            "patch on pods/status and Kubernetes 1.35 or later and patch on nodes",
            id="nothing at all",
        ),
    ],
)
def test_a_level_asked_for_by_name_is_refused_with_what_is_missing(
    choice: str, rights: Rights, missing: str
) -> None:
    with pytest.raises(SteeringImpossible, match=f"needs {missing}; provide it, or choose auto"):
        choose_steering(SteeringChoice(choice), 500, rights)


def test_a_level_asked_for_by_name_is_taken_on_a_small_cluster_too() -> None:
    steering = choose_steering(SteeringChoice.NOMINATE, 20, NOMINATES)
    assert steering == Steering(
        SteeringLevel.NOMINATE, 1.0, "nominate: asked for; predicted hit rate 100%"
    )


def test_the_reason_says_what_a_stronger_level_needs() -> None:
    reason = choose_steering(SteeringChoice.AUTO, 500, Rights((1, 36))).reason
    assert reason == (
        "names: 500 nodes: the scheduler scores 230 of them for a pod; a stronger level needs "
        "patch on pods/status and patch on nodes; predicted hit rate 100%"
    )


@pytest.mark.parametrize(
    ("level", "nodes", "pool", "rate"),
    [
        pytest.param("soft", 99, None, 1.0, id="all are scored"),
        pytest.param("soft", 500, None, 0.46, id="230 of 500"),
        pytest.param("names", 5000, None, 1.0, id="64 are all scored"),
        pytest.param("nominate", 5000, None, 1.0, id="tried before any sampling"),
        pytest.param("pool", 500, 300, 230 / 300, id="230 of the pool's 300"),
        pytest.param("pool", 500, 100, 1.0, id="a pool below the sample"),
        pytest.param("pool+nominate", 5000, 3000, 1.0, id="both"),
        pytest.param("pool", 0, 0, 1.0, id="no nodes"),
    ],
)
def test_the_hit_rate_follows_from_the_schedulers_sample(
    level: str, nodes: int, pool: int | None, rate: float
) -> None:
    assert predict_hit_rate(SteeringLevel(level), nodes, pool) == pytest.approx(rate)


def test_levels_know_what_they_do() -> None:
    assert [(one.confines, one.nominates, one.pools) for one in SteeringLevel] == [
        (False, False, False), (True, False, False), (False, True, False), (False, False, True),
        (False, True, True),
    ]  # fmt: skip
