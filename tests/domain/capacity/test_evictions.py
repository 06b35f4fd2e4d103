"""What the eviction API's answers mean, and how long to wait."""

import pytest

from nightshift.domain.capacity.drain_pods import BlockReason
from nightshift.domain.capacity.evictions import (
    EvictionAnswer,
    NextStep,
    judge_answer,
    retry_wait_seconds,
)

BUDGET = (("DisruptionBudget", "app/api needs 2 healthy pods"),)
TWO = "This pod has more than one PodDisruptionBudget, which the eviction subresource"


@pytest.mark.parametrize(
    ("answer", "follows", "block"),
    [
        pytest.param(EvictionAnswer(201, "Success"), NextStep.ACCEPTED, None, id="201"),
        pytest.param(
            EvictionAnswer(201, "Failure", TWO, 500),
            NextStep.FINAL,
            BlockReason.MULTI_PDB,
            id="201 that is a failure",
        ),
        pytest.param(
            EvictionAnswer(201), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="201 of nothing"
        ),
        pytest.param(EvictionAnswer(404), NextStep.GONE, None, id="404"),
        pytest.param(
            EvictionAnswer(429, causes=BUDGET), NextStep.RETRY, BlockReason.PDB, id="budget"
        ),
        pytest.param(
            EvictionAnswer(429), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="throttled"
        ),
        pytest.param(EvictionAnswer(409), NextStep.RETRY, BlockReason.CHANGED, id="409"),
        pytest.param(
            EvictionAnswer(403, causes=(("NamespaceTerminating", ""),)),
            NextStep.RETRY,
            BlockReason.NAMESPACE_TERMINATING,
            id="namespace ends",
        ),
        pytest.param(EvictionAnswer(403), NextStep.FINAL, BlockReason.REFUSED, id="403"),
        pytest.param(EvictionAnswer(422), NextStep.FINAL, BlockReason.REFUSED, id="422"),
        pytest.param(
            EvictionAnswer(500, message=TWO),
            NextStep.FINAL,
            BlockReason.MULTI_PDB,
            id="two budgets",
        ),
        pytest.param(EvictionAnswer(503), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="503"),
        pytest.param(
            EvictionAnswer(0), NextStep.RETRY, BlockReason.API_UNAVAILABLE, id="no answer"
        ),
    ],
)
def test_what_an_answer_means(
    answer: EvictionAnswer, follows: NextStep, block: BlockReason | None
) -> None:
    judged = judge_answer(answer, 0, 0.5)
    assert (judged.next, judged.block) == (follows, block)
    assert (judged.wait_seconds > 0) is (follows is NextStep.RETRY)


def test_waits_grow_to_a_minute_and_the_servers_word_wins() -> None:
    waits = [retry_wait_seconds(tries, 0.5) for tries in range(9)]
    assert waits[:3] == [5.0, 7.5, 11.25]
    assert waits[-1] == 60.0
    assert waits == sorted(waits)
    assert retry_wait_seconds(0, 0.0) == 4.0
    assert retry_wait_seconds(3, 0.5, 10.0) == 10.0
    assert retry_wait_seconds(3, 0.5, 10_000.0) == 300.0
    assert retry_wait_seconds(0, 0.5, float("nan")) == 5.0


def test_a_budgets_own_words_are_told() -> None:
    judged = judge_answer(EvictionAnswer(429, message="Cannot evict", causes=BUDGET), 0, 0.5)
    assert judged.message == "app/api needs 2 healthy pods"
