"""Writes docs/scheduler-crosscheck.md from the record: every figure in it comes from there."""

from collections.abc import Iterable, Sequence

from tests.kube.crosscheck.comparing import Agreement, Verdict
from tests.kube.crosscheck.records import Entry, Record
from tests.kube.crosscheck.runs import Mode

_PAGE = """\
# The scheduler model against the real kube-scheduler

The embedded cluster and the benchmarks place pods with a model of kube-scheduler
(`include/nightshift/domain/placement/scheduler_model.py`). How far can it be trusted? The same
batches were placed by a real kube-scheduler {version}, on a real API server and etcd, and every
attempt was held against the model: the node, the words of a refusal, and the total score of every
node that was scored.

* **Where there is one right answer, the model gave it for {exact_same} of {exact_pods} pods**,
  with {exact_totals} equal totals of nodes, in the same order.
* **Where chance decides (16 threads), {loose_fine} of {loose_pods} answers are ones that the
  model allows**: a feasible node, the best of the nodes that were scored, all {loose_totals}
  totals equal. {loose_same} of them are also the model's own answer.

Made by `python -m tests.kube.crosscheck`; do not edit.

## One right answer

One filter thread, no reuse of scores, nodes and pods in the order of their names. "Seed" makes
nodes and pods; equal seeds make equal worlds.

{one_thread}

## One right answer, nominated while it runs

As above, but pods are created gated, some are nominated to a node (`status.nominatedNodeName`),
then all are ungated, as the steering level `nominate` does it. A tenth as many gated pods as there
are nodes stay gated and hold their room.

{nominating}

## As shipped

The default configuration: 16 filter threads, nodes and pods in any order, reuse of scores allowed.
The log says which nodes were scored; the model scores the same ones.

{as_shipped}

## With reuse of scores

As shipped, but without the default spreading, so that equal pods may reuse each other's scores.

{reusing}

## Classes of difference

* **Another node of the same total.** Ties go to the top of a heap over the list of feasible nodes.
  The threads append to that list as they finish, so its order changes from run to run.
* **The best of another sample.** From 100 nodes on, not all are scored (of 500: the first 230
  feasible ones). Which ones depends on where the walk starts, and the start moves on by the number
  of nodes that the threads have looked at, which is chance. Below 100 nodes this class is empty.
* **The best of reused scores.** The pod equals the one before it, whose node is now full: the next
  best node of that pod's scores is taken. Each was the best of those left; a new walk, which the
  model makes, would have scored other nodes.
* **Unexplained.** A node that is not feasible, not the best of those scored, a total or a number
  of scored nodes that the model does not give, other words of refusal. Any such pod fails the
  tests.

## What the comparison taught

* A scheduler that has just started meets nodes and pods in any order: the WatchList, by which
  informers start since 1.35, passes through a Go map. With `WatchListClient=false` the order is
  that of the names; only so can the order of equal pods be foretold.
* Gated pods that are nominated hold their room only if the nomination came while the scheduler
  ran. One that it finds at its start is overlooked until the pod changes. So after a restart of
  kube-scheduler, gated pods of ours hold no room until they are ungated or changed otherwise.
* Scores are never reused in the default profile: a pod counts as equal to another only if no
  default spreading is set, and it is set unless `defaultingType: List` says otherwise. The
  steering levels need not reckon with it.
* After the filters' words, a refusal goes on with what preemption and resource claims could not
  mend. The model's words end before that.

## The worlds

Nodes of 4, 8 and 16 cores with 14 to 60 GiB; nine in ten in one of three zones; a quarter with
room for 12 pods; some cordoned, some with a `NoSchedule` or one or two `PreferNoSchedule` taints,
images, devices or a label. Half as many pods as nodes have their node already. Pods of the mix,
some with no requests or half of them, with more CPU than any node has, host ports, init
containers, sidecars, devices, tolerations, a node selector (sometimes for a label that no node
has), required terms; three in five with three preferred nodes (100, 15, 14); one in 17 nominated;
two priorities. No node has a kubelet; admission's TaintNodesByCondition and ServiceAccount are
off. Not covered: volumes, spreading, affinity between pods, resource claims, preemption (the pods
say `Never`, as scan pods do).

## Make it again

    PYTHONPATH=include:. .venv/bin/python -m tests.kube.crosscheck         # all; writes this page
    PYTHONPATH=include:. .venv/bin/python -m tests.kube.crosscheck --help

It builds Kubernetes once (see `make test-kube`) and needs no root but for installing etcd.
`make test-kube` repeats {tested_pods} of the pods and demands what is recorded here. The plain
tests place the first table's batches with the model alone and demand the recorded answers and
totals.
"""


def render_page(record: Record, tested_pods: int) -> str:
    """Write the page, without asking anything but the record.

    :param tested_pods: how many pods ``make test-kube`` places.
    """
    exact = _sum(record.of_mode(Mode.ONE_THREAD, Mode.NOMINATING))
    loose = _sum(record.of_mode(Mode.AS_SHIPPED, Mode.REUSING_SCORES))
    return _PAGE.format(
        version=record.version.removeprefix("v"),
        exact_same=f"{exact.same:,}",
        exact_pods=f"{exact.pods:,}",
        exact_totals=f"{exact.totals:,}",
        loose_fine=f"{loose.pods - loose.verdicts[Verdict.WRONG]:,}",
        loose_pods=f"{loose.pods:,}",
        loose_same=f"{loose.same:,}",
        loose_totals=f"{loose.totals:,}",
        one_thread=_table(record.of_mode(Mode.ONE_THREAD), _EXACT),
        nominating=_table(record.of_mode(Mode.NOMINATING), _EXACT),
        as_shipped=_table(record.of_mode(Mode.AS_SHIPPED), _LOOSE),
        reusing=_table(record.of_mode(Mode.REUSING_SCORES), (*_LOOSE[:-1], _REUSED, _LOOSE[-1])),
        tested_pods=f"{tested_pods:,}",
    )


_SAME = ("same node", Verdict.SAME_NODE)
_REFUSED = ("same refusal", Verdict.SAME_REFUSAL)
_TIE = ("same total", Verdict.TIE)
_SAMPLE = ("another sample", Verdict.SAMPLE)
_REUSED = ("reused scores", Verdict.REUSED)
_WRONG = ("unexplained", Verdict.WRONG)
_EXACT = (_SAME, _REFUSED, _WRONG)
_LOOSE = (_SAME, _REFUSED, _TIE, _SAMPLE, _WRONG)


def _table(entries: Sequence[Entry], columns: Sequence[tuple[str, Verdict]]) -> str:
    heads = [
        "batch",
        "nodes",
        "seed",
        "pods",
        *(head for head, _ in columns),
        "agreement",
        "totals",
    ]
    rows = [_row(entry, columns) for entry in entries]
    return "\n".join([_line(heads), _line(["---"] * len(heads)), *map(_line, rows)])


def _row(entry: Entry, columns: Sequence[tuple[str, Verdict]]) -> list[str]:
    case, found = entry.case, entry.agreement
    counts = [f"{found.verdicts[verdict]:,}" for _, verdict in columns]
    share = f"{100 * found.same / found.pods:.1f} %"
    return [
        case.mix,
        str(case.nodes),
        str(case.seed),
        str(found.pods),
        *counts,
        share,
        f"{found.totals:,}",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _sum(entries: Iterable[Entry]) -> Agreement:
    total = Agreement()
    for entry in entries:
        total.verdicts.update(entry.agreement.verdicts)
        total.totals += entry.agreement.totals
    return total
