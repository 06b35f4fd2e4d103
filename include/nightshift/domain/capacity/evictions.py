"""What an answer of the eviction API means, and when to ask again.

The answers are those of ``pkg/registry/core/pod/storage/eviction.go`` (Kubernetes 1.36, policy/v1),
each seen on a real API server. Two of them are traps: two disruption budgets on one pod are a 500
that stays for ever, and a proxy may answer 201 with a body that says Failure.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from nightshift.domain.capacity.drain_pods import BlockReason

FIRST_WAIT_SECONDS = 5.0
WAIT_FACTOR = 1.5
LONGEST_WAIT_SECONDS = 60.0
_LONGEST_RETRY_AFTER_SECONDS = 300.0
_SPREAD = 0.2
_TWO_BUDGETS = "more than one poddisruptionbudget"
_MAX_TRIES_COUNTED = 20  # 5 s * 1.5^20 is far above the longest wait


@dataclass(frozen=True, slots=True)
class EvictionAnswer:
    """What came back.

    :param status: HTTP; 0 when no answer came.
    :param verdict: ``status`` of the body: Success, Failure, or "" where it has none.
    :param code: ``code`` of the body; 0 where it has none.
    :param causes: (reason, message) of ``details.causes``.
    """

    status: int
    verdict: str = ""
    message: str = ""
    code: int = 0
    causes: tuple[tuple[str, str], ...] = ()
    retry_after_seconds: float | None = None


class NextStep(StrEnum):
    """What to do after an answer."""

    ACCEPTED = "accepted"  # wait until the pod is gone
    GONE = "gone"
    RETRY = "retry"
    FINAL = "final"  # the same request never succeeds


@dataclass(frozen=True, slots=True)
class AnswerJudgement:
    """What an answer means.

    :param wait_seconds: before the next try; 0 unless ``next`` is RETRY.
    :param block: what keeps the pod, None if nothing does.
    :param message: of the API, for the report.
    """

    next: NextStep
    block: BlockReason | None = None
    wait_seconds: float = 0.0
    message: str = ""


def judge_answer(answer: EvictionAnswer, tries: int, jitter: float) -> AnswerJudgement:
    """Decide what follows an answer.

    A 201 counts only with a body that says Success; with Failure, the body's code counts.

    :param tries: earlier tries for this pod since one was last accepted, 0 for the first.
    :param jitter: 0 up to 1, drawn by the caller; spreads the wait by 20 % either way.
    """
    status = answer.status
    if 200 <= status < 300:
        if answer.verdict == "Success":
            return AnswerJudgement(NextStep.ACCEPTED)
        status = answer.code if answer.verdict == "Failure" else 0
    if status == 404:
        return AnswerJudgement(NextStep.GONE)
    block, final = _meaning(status, answer)
    if final:
        return AnswerJudgement(NextStep.FINAL, block, 0.0, answer.message)
    wait = retry_wait_seconds(tries, jitter, answer.retry_after_seconds)
    return AnswerJudgement(NextStep.RETRY, block, wait, _told(answer))


def retry_wait_seconds(
    tries: int, jitter: float, retry_after_seconds: float | None = None
) -> float:
    """Give the wait before the next try: 5 s, then half as long again each time, 60 s at most.

    :param retry_after_seconds: what the server asked for; it wins, up to 5 minutes.
    """
    if retry_after_seconds is not None and math.isfinite(retry_after_seconds):
        return min(max(retry_after_seconds, 1.0), _LONGEST_RETRY_AFTER_SECONDS)
    base = FIRST_WAIT_SECONDS * WAIT_FACTOR ** min(max(tries, 0), _MAX_TRIES_COUNTED)
    return float(min(base * (1 - _SPREAD + 2 * _SPREAD * jitter), LONGEST_WAIT_SECONDS))


def _meaning(status: int, answer: EvictionAnswer) -> tuple[BlockReason, bool]:
    """Give what keeps the pod, and whether that is final."""
    match status:
        case 429:
            budget = any(reason == "DisruptionBudget" for reason, _ in answer.causes)
            return (BlockReason.PDB if budget else BlockReason.API_UNAVAILABLE), False
        case 409:
            return BlockReason.CHANGED, False
        case 403 if any(reason == "NamespaceTerminating" for reason, _ in answer.causes):
            return BlockReason.NAMESPACE_TERMINATING, False
        case _ if status >= 500:
            if _TWO_BUDGETS in answer.message.lower():
                return BlockReason.MULTI_PDB, True
            return BlockReason.API_UNAVAILABLE, False
        case 0:
            return BlockReason.API_UNAVAILABLE, False
        case _:
            return BlockReason.REFUSED, True


def _told(answer: EvictionAnswer) -> str:
    """Give the most telling text: the budget's own, if one refused."""
    budgets = [message for reason, message in answer.causes if reason == "DisruptionBudget"]
    return "; ".join(budgets) or answer.message
