"""Holds the scheduler model against what kube-scheduler did, attempt by attempt.

Pure. The model follows the real scheduler: whatever it would have done itself, the pod then counts
where it really went, so that one difference does not cause the next.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nightshift.domain.placement.scheduler_model import Decision, SchedulerModel, nodes_to_score
from nightshift.domain.pods import PodRequest, parse_node, parse_pod
from tests.domain.placement.scenarios import Object
from tests.kube.crosscheck.logs import Attempt
from tests.kube.crosscheck.worlds import Case


class Verdict(StrEnum):
    """How an attempt compares with the model."""

    SAME_NODE = "same node"
    SAME_REFUSAL = "refused in the same words"
    TIE = "another node of the same total"
    SAMPLE = "the best of another sample"
    REUSED = "the best of reused scores"
    WRONG = "unexplained"


@dataclass(slots=True)
class Agreement:
    """What came of a comparison.

    :param scored: attempts in which nodes were scored; ``totals`` counts the nodes' totals that
        were compared in them, every one of which must be equal.
    :param hints: attempts for which the scheduler proposed a node from an earlier pod's scores.
    :param faults: a line for each verdict that is WRONG.
    """

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    scored: int = 0
    totals: int = 0
    hints: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def pods(self) -> int:
        """Count the attempts."""
        return self.verdicts.total()

    @property
    def same(self) -> int:
        """Count the attempts with the same answer: node or words."""
        return self.verdicts[Verdict.SAME_NODE] + self.verdicts[Verdict.SAME_REFUSAL]


class Comparison:
    """A ``model`` that has been told of nodes and pods, and follows the real scheduler.

    ``pods`` are those that are to be placed.

    :param nodes: Kubernetes objects in the order in which the scheduler met them; so are ``pods``,
        those with a node or a gate included.
    :param gated_count: whether gated pods were nominated while the scheduler ran. It overlooks the
        nominations of gated pods that it finds when it starts.
    """

    def __init__(
        self, nodes: Sequence[Object], pods: Sequence[Object], *, gated_count: bool = False
    ) -> None:
        self.model = SchedulerModel([parse_node(node) for node in nodes])
        self._count = len(nodes)
        self.pods: dict[str, PodRequest] = {}
        self._reusable: dict[str, int] = {}
        for pod in map(parse_pod, pods):
            if gated_count or not pod.gated:
                self.model.add_pod(pod)
            if not pod.gated and not pod.node:
                self.pods[pod.key] = pod
        self.agreement = Agreement()

    def queue(self) -> list[str]:
        """Give the pods to be placed in the order of a queue that got them by name."""
        ordered = sorted(self.pods.values(), key=lambda pod: (-pod.priority, pod.key))
        return [pod.key for pod in ordered]

    def decide(self, key: str) -> Attempt:
        """Let the model itself decide."""
        decision = self.model.schedule(self.pods[key])
        refusal = "" if decision.node else decision.reason
        return Attempt(key, dict(decision.totals), node=decision.node or "", refusal=refusal)

    def check_queue(self, attempts: Sequence[Attempt]) -> None:
        """Demand that the attempts were made in the order of the queue."""
        pairs = zip(self.queue(), attempts, strict=False)
        early = next((f"{a.pod} came before {key}" for key, a in pairs if a.pod != key), "")
        if early or len(attempts) != len(self.pods):
            problem = early or f"{len(attempts)} attempts at {len(self.pods)} pods"
            self.agreement.faults.append(f"queue: {problem}")

    def check_exact(self, attempt: Attempt) -> None:
        """Demand the same answer, and the same totals of the same nodes in the same order."""
        decision = self.model.schedule(self.pods[attempt.pod])
        expected, found = list(decision.totals.items()), list(attempt.totals.items())
        problem = ""
        if (decision.node or decision.reason) != attempt.answer:
            problem = (
                f"kube-scheduler {attempt.answer!r}, model {decision.node or decision.reason!r}"
            )
        elif expected != found:
            problem = f"totals differ: {_first_difference(expected, found)}"
        self._count_in(attempt, _alike(attempt), problem)
        self._follow(attempt, decision)

    def check_plausible(self, attempt: Attempt) -> None:
        """Demand an answer that some order of threads could give; see ``docs``."""
        pod = self.pods[attempt.pod]
        problem = self._implausible(pod, attempt)
        decision = self.model.schedule(pod)
        verdict = self._explain(attempt, decision)
        if verdict is Verdict.WRONG and not problem:
            problem = f"{attempt.answer!r} where the model has {decision.node or decision.reason!r}"
        self._count_in(attempt, verdict, problem)
        self._remember(attempt)
        self._follow(attempt, decision)

    def _implausible(self, pod: PodRequest, attempt: Attempt) -> str:
        """Say what is impossible about an answer; empty if nothing is."""
        refusals = self.model.refusals(pod)
        feasible = self._count - len(refusals)
        if not attempt.node:
            return f"refused, with {feasible} feasible nodes" if feasible else ""
        if attempt.node in refusals:
            return f"{attempt.node} is not feasible: {refusals[attempt.node]}"
        if not attempt.totals:
            return self._unscored_problem(pod, attempt, feasible)
        wanted = min(feasible, nodes_to_score(self._count))
        if len(attempt.totals) != wanted:
            return f"{len(attempt.totals)} nodes scored, expected {wanted}"
        wrong = [name for name in attempt.totals if name in refusals]
        if wrong:
            return f"{wrong[0]} was scored and is not feasible: {refusals[wrong[0]]}"
        expected = self.model.totals(pod, list(attempt.totals))
        if expected != attempt.totals:
            pairs = (list(expected.items()), list(attempt.totals.items()))
            return f"totals differ: {_first_difference(*pairs)}"
        if attempt.totals[attempt.node] < max(attempt.totals.values()):
            return f"{attempt.node} is not the best of its sample"
        return ""

    def _unscored_problem(self, pod: PodRequest, attempt: Attempt, feasible: int) -> str:
        """Nothing is scored for the nominated node, a hinted one, and the only one there is."""
        if attempt.node == pod.nominated or feasible == 1:
            return ""
        if attempt.node != attempt.hint:
            return f"{attempt.node} was taken unscored, with {feasible} feasible nodes"
        best = max(self._reusable.values(), default=0)
        mine = self._reusable.get(attempt.node, -1)
        return "" if mine == best else f"the hint {attempt.node} has {mine} of {best}"

    def _explain(self, attempt: Attempt, decision: Decision) -> Verdict:
        if (decision.node or decision.reason) == attempt.answer:
            return _alike(attempt)
        if attempt.node and attempt.node == attempt.hint:
            return Verdict.REUSED
        chosen = attempt.totals.get(attempt.node)
        if chosen is not None and attempt.totals.get(decision.node or "") == chosen:
            return Verdict.TIE
        sampled = len(attempt.totals) == nodes_to_score(self._count) < self._count
        return Verdict.SAMPLE if sampled else Verdict.WRONG

    def _remember(self, attempt: Attempt) -> None:
        """Keep the scores that the scheduler may reuse; it drops them when it took none of them."""
        if attempt.totals:
            self._reusable = {k: v for k, v in attempt.totals.items() if k != attempt.node}
        elif attempt.node and attempt.node == attempt.hint:
            self._reusable.pop(attempt.node, None)
        else:
            self._reusable = {}

    def _count_in(self, attempt: Attempt, verdict: Verdict, problem: str) -> None:
        found = self.agreement
        found.verdicts[Verdict.WRONG if problem else verdict] += 1
        found.hints += bool(attempt.hint)
        found.scored += bool(attempt.totals)
        found.totals += len(attempt.totals)
        if problem:
            found.faults.append(f"{attempt.pod}: {problem}")

    def _follow(self, attempt: Attempt, decision: Decision) -> None:
        pod = self.pods[attempt.pod]
        if (decision.node or "") != attempt.node:
            self.model.add_pod(dataclasses.replace(pod, node=attempt.node))


def replay(case: Case) -> list[Attempt]:
    """Let the model place a case's pods alone, as one thread does in the order of the queue."""
    world = case.build()
    comparison = Comparison(world.nodes, [*world.placed, *world.reserving, *world.pods])
    return [comparison.decide(key) for key in comparison.queue()]


def digest(attempts: Iterable[Attempt]) -> str:
    """Sum up every answer and every scored node's total in 32 hex digits."""
    found = hashlib.blake2b(digest_size=16)
    for attempt in attempts:
        found.update(f"{attempt.pod} {attempt.answer} {attempt.totals}\n".encode())
    return found.hexdigest()


def _alike(attempt: Attempt) -> Verdict:
    return Verdict.SAME_NODE if attempt.node else Verdict.SAME_REFUSAL


def _first_difference(expected: Sequence[tuple[str, int]], found: Sequence[tuple[str, int]]) -> str:
    if len(expected) != len(found):
        return f"{len(found)} nodes scored, the model scores {len(expected)}"
    pairs = zip(expected, found, strict=True)
    return next(f"{theirs}, model {ours}" for ours, theirs in pairs if ours != theirs)
