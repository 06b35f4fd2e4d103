"""The comparison notices what is wrong; a real log is not needed to show it."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.kube.crosscheck.comparing import Comparison, Verdict, replay
from tests.kube.crosscheck.logs import Attempt
from tests.kube.crosscheck.worlds import Case, Mix, World

SMALL = Case(Mix.BALANCED, 20, 60, 7)
LARGE = Case(Mix.BALANCED, 160, 40, 7)


def start(case: Case) -> Comparison:
    world: World = case.build()
    return Comparison(world.nodes, [*world.placed, *world.reserving, *world.pods])


def first(attempts: list[Attempt], holds: Callable[[Attempt], bool]) -> int:
    return next(i for i, attempt in enumerate(attempts) if holds(attempt))


def is_scored(attempt: Attempt) -> bool:
    return len(attempt.totals) > 1


def exact(case: Case, attempts: list[Attempt]) -> Comparison:
    comparison = start(case)
    comparison.check_queue(attempts)
    for attempt in attempts:
        comparison.check_exact(attempt)
    return comparison


def plausible(case: Case, attempts: list[Attempt]) -> Comparison:
    comparison = start(case)
    for attempt in attempts:
        comparison.check_plausible(attempt)
    return comparison


@pytest.mark.parametrize("compare", [exact, plausible])
@pytest.mark.parametrize("case", [SMALL, LARGE], ids=lambda case: case.name)
def test_what_the_model_does_itself_agrees(
    compare: Callable[[Case, list[Attempt]], Comparison], case: Case
) -> None:
    found = compare(case, replay(case)).agreement
    assert found.faults == []
    assert found.same == found.pods == case.pods
    assert found.verdicts[Verdict.SAME_REFUSAL] > 0
    assert found.scored > 20


def other_node(attempt: Attempt) -> None:
    attempt.node = min(attempt.totals, key=lambda name: attempt.totals[name])


def other_total(attempt: Attempt) -> None:
    attempt.totals[attempt.node] += 1


def one_node_less(attempt: Attempt) -> None:
    attempt.totals.pop(next(name for name in attempt.totals if name != attempt.node))


def nothing_scored(attempt: Attempt) -> None:
    attempt.totals.clear()


def full_node_scored(attempt: Attempt) -> None:
    names = [node["metadata"]["name"] for node in SMALL.build().nodes]
    del attempt.totals[next(name for name in attempt.totals if name != attempt.node)]
    attempt.totals[next(name for name in names if name not in attempt.totals)] = 100


def refused(attempt: Attempt) -> None:
    attempt.totals.clear()
    attempt.node, attempt.refusal = "", "0/20 nodes are available: 20 Insufficient cpu."


FORGERIES = [
    other_node, other_total, one_node_less, nothing_scored, full_node_scored, refused,
]  # fmt: skip


@pytest.mark.parametrize("compare", [exact, plausible])
@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forged_attempt_is_a_fault_and_the_only_one(
    compare: Callable[[Case, list[Attempt]], Comparison], forge: Callable[[Attempt], None]
) -> None:
    attempts = replay(SMALL)
    at = first(attempts, lambda a: 1 < len(a.totals) < SMALL.nodes - 1)
    forge(attempts[at])
    found = compare(SMALL, attempts[: at + 1]).agreement
    assert found.verdicts[Verdict.WRONG] == 1
    assert any(attempts[at].pod in fault for fault in found.faults)


@pytest.mark.parametrize("compare", [exact, plausible])
def test_other_words_of_a_refusal_are_a_fault(
    compare: Callable[[Case, list[Attempt]], Comparison],
) -> None:
    attempts = replay(SMALL)
    at = first(attempts, lambda a: bool(a.refusal))
    attempts[at].refusal = attempts[at].refusal.replace("nodes are available", "nodes are there")
    assert compare(SMALL, attempts).agreement.verdicts[Verdict.WRONG] == 1


def test_another_order_of_the_queue_is_a_fault() -> None:
    attempts = replay(SMALL)
    comparison = start(SMALL)
    comparison.check_queue([attempts[1], attempts[0], *attempts[2:]])
    assert comparison.agreement.faults == [
        f"queue: {attempts[1].pod} came before {attempts[0].pod}"
    ]


def test_a_missing_attempt_is_a_fault() -> None:
    comparison = start(SMALL)
    comparison.check_queue(replay(SMALL)[:-1])
    assert comparison.agreement.faults == ["queue: 59 attempts at 60 pods"]


def test_a_tie_may_go_to_another_node_without_threads_in_order() -> None:
    attempts = replay(SMALL)
    at = first(
        attempts, lambda a: list(a.totals.values()).count(max(a.totals.values(), default=0)) > 1
    )
    best = max(attempts[at].totals.values())
    other = next(
        n for n, total in attempts[at].totals.items() if total == best and n != attempts[at].node
    )
    attempts[at].node = other
    ends = attempts[: at + 1]
    assert plausible(SMALL, deepcopy(ends)).agreement.verdicts[Verdict.TIE] == 1
    assert exact(SMALL, ends).agreement.verdicts[Verdict.WRONG] == 1


def test_another_sample_of_a_large_cluster_is_told_apart() -> None:
    attempts = replay(LARGE)
    at = first(attempts, is_scored)
    comparison = plausible(LARGE, attempts[:at])
    forged, pod = attempts[at], comparison.pods[attempts[at].pod]
    refusals = comparison.model.refusals(pod)
    names = [node["metadata"]["name"] for node in LARGE.build().nodes]
    feasible = [name for name in names if name not in refusals]
    assert len(feasible) > len(forged.totals) == 100
    sample = [name for name in feasible if name != forged.node][:100]
    forged.totals = comparison.model.totals(pod, sample)
    forged.node = max(forged.totals, key=lambda name: forged.totals[name])
    comparison.check_plausible(forged)
    assert comparison.agreement.faults == []
    assert comparison.agreement.verdicts[Verdict.SAMPLE] == 1


def test_reused_scores_go_to_the_best_that_is_left_and_to_no_other() -> None:
    case = Case(Mix.ONE_PER_NODE, 20, 2, 7)
    scored = replay(case)[0]
    left = {name: total for name, total in scored.totals.items() if name != scored.node}
    best = [name for name, total in left.items() if total == max(left.values())]
    verdicts = []
    for name in (best[-1], min(left, key=lambda name: left[name])):
        hinted = Attempt("scans/p0001", hint=name, node=name)
        verdicts.append(plausible(case, [deepcopy(scored), hinted]).agreement.verdicts)
    assert verdicts[0][Verdict.WRONG] == 0
    assert verdicts[1][Verdict.WRONG] == 1
