"""The night's last word: settle what pods left open, seal the batch, say what came of it.

A scan that nobody finished gets an outcome here, from the evidence that its pod left. Only then is
the batch sealed; if a scan is still open, the task fails and names it.
"""

import datetime as dt
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from nightshift.clock import Clock
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.steering.outcomes import describe_outcome
from nightshift.domain.steering.textbars import draw_bars
from nightshift.domain.steering.usage import note_ran, parse_uses
from nightshift.orchestration.steps.connections import connected
from nightshift.settings import Settings
from nightshift.store.batches import finish_open_scans, seal_batch
from nightshift.store.engines import Connection, transaction
from nightshift.store.faults import OpenScans
from nightshift.store.placements import read_placement
from nightshift.store.records import BatchId, Ending
from nightshift.store.summaries import BatchSummary, ShardSummary, read_batch_summary

log = logging.getLogger(__name__)

EVIDENCE: Mapping[str, tuple[Outcome, Reason]] = {
    "OOMKilled": (Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER),
    "DeadlineExceeded": (Outcome.TIMED_OUT, Reason.POD_DEADLINE),
    "Evicted": (Outcome.FAILED, Reason.EVICTED),
    "NodeLost": (Outcome.FAILED, Reason.NODE_LOST),
}
"""What a pod's or container's own reason says of the scans that it left open."""


def report_night(settings: Settings, batch: int, now: Clock) -> dict[str, Any]:
    """Settle, seal and sum up; safe to repeat.

    :returns: the sealed batch's totals.
    :raises OpenScans: if no pod was planned for a scan, because a task before this one failed.
    """
    number = BatchId(batch)
    with connected(settings) as night:
        with transaction(night.writer) as connection:
            for shard in read_batch_summary(connection, number).shards:
                if shard.kind == "scan":
                    finish_open_scans(connection, number, explain(shard), now(), shard=shard.shard)
        with transaction(night.writer) as connection:
            totals = _seal(connection, number, now())
            summary = read_batch_summary(connection, number)
            placement = read_placement(connection, number)
    for line in (*describe(summary), *describe_nodes(summary, placement)):
        log.info("%s", line)
    return totals


def _seal(connection: Connection, batch: BatchId, now: dt.datetime) -> dict[str, Any]:
    """Seal the batch; scans that no pod was planned for keep it open, and the run red."""
    try:
        return seal_batch(connection, batch, now)
    except OpenScans as error:
        raise OpenScans(
            f"no pod was planned for {len(error.scans)} scans: read the log of rank_nodes, mend it "
            "and clear that task (the next run gives this batch up)",
            error.scans,
        ) from error


def explain(shard: ShardSummary) -> Ending:
    """Say how a scan ended that a shard's pods did not finish, from what is known of the last."""
    if not shard.pod:
        return Ending(Outcome.NOT_RUN, Reason.NIGHT_OVER, f"no pod of {shard.shard} ever started")
    outcome, reason = EVIDENCE.get(shard.terminated_reason, (Outcome.FAILED, Reason.INTERNAL))
    ended = shard.terminated_reason or "with no word"
    return Ending(outcome, reason, f"pod {shard.pod} on {shard.node or 'no node'} ended: {ended}")


def describe(summary: BatchSummary) -> Iterator[str]:
    """Write the digest, one line at a time: totals, what was not scanned, tampering, placement."""
    totals = summary.totals
    yield (
        f"batch {summary.batch}: {totals.scans} scans, {totals.unchanged} unchanged; findings: "
        f"{totals.new} new, {totals.fixed} fixed, {totals.reopened} reopened"
    )
    for outcome, reasons in totals.outcomes.items():
        yield f"  {outcome}: " + ", ".join(f"{count} {why}" for why, count in reasons.items())
    for scan in summary.not_scanned:
        name = f"{scan.account}/{scan.repository} {scan.scanner}"
        yield f"  not scanned: {name}: {scan.outcome} ({scan.reason}) {scan.message}"
    for note in summary.tampering:
        name = f"{note.account}/{note.repository}"
        yield f"  tampering: {name}: {note.kind} {note.path}: {note.detail}"
    for line in describe_outcome(summary.placement):
        yield f"  {line}"
    for shard in summary.shards:
        if shard.planned_node or shard.first_node:
            yield f"  {_describe_pod(shard)}"


def describe_nodes(summary: BatchSummary, placement: Mapping[str, Any]) -> Iterator[str]:
    """Write the nodes as bars, before and after, and why; nothing if there is no plan.

    Ends with the command that draws the same as a picture: it is made from what is stored whenever
    somebody wants it, so no file has to survive the worker that wrote it.
    """
    uses = parse_uses(placement.get("nodes") or (), placement.get("ranking") or ())
    if not uses:
        return
    ran = [shard.node for shard in summary.shards if shard.kind == "scan"]
    yield "nodes before (█ used) and after the plan (▒ added, ░ still free):"
    yield from (f"  {line}" for line in draw_bars(note_ran(uses, ran)))
    yield f"as a picture: nightshift placement {summary.batch} --plot night-{summary.batch}.svg"


def _describe_pod(shard: ShardSummary) -> str:
    first = f"first {_place(shard.first_node, shard.first_predicted)}, " if shard.replanned else ""
    steering = f", steered {shard.steering}" if shard.steering else ""
    start = "" if shard.start_seconds is None else f", started after {shard.start_seconds:.0f} s"
    anew = f", planned anew {shard.replanned} times" if shard.replanned else ""
    place = _place(shard.planned_node, shard.predicted)
    where = f"{first}meant for {place}, ran on {shard.node or '-'}"
    return f"{shard.shard}: {where}{steering}{start}{anew}"


def _place(node: str, predicted: float | None) -> str:
    told = "" if predicted is None else f" ({predicted:.0%} predicted)"
    return f"{node or 'no node'}{told}"
