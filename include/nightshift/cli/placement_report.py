"""Reads what is stored of a batch's placement, and writes it for people and for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.cli.shell import Shell
from nightshift.domain.steering.outcomes import describe_outcome
from nightshift.domain.steering.textbars import draw_bars
from nightshift.domain.steering.usage import NodeUse, note_ran, parse_uses
from nightshift.errors import NotFound
from nightshift.pictures.nodes import Heading, draw_nodes
from nightshift.settings import Settings
from nightshift.store.batches import find_batch
from nightshift.store.engines import Connection, reader_engine, transaction
from nightshift.store.placements import find_last_placed, read_placement, read_shard_plans
from nightshift.store.records import BatchId
from nightshift.store.summaries import BatchSummary, ShardSummary, read_batch_summary
from nightshift.store.values import as_json

_MOST_DIGITS = 18
"""Of a batch's number, which the store keeps as a bigint."""
_HEADER = (
    *("shard", "account", "scans", "first meant for", "predicted"),
    *("meant for", "predicted", "ran on", "steering"),
    *("bound after", "started after", "planned anew", "note"),
)


@dataclass(frozen=True, slots=True)
class StoredPlacement:
    """A batch, its stored plan, and the stored plan of each of its scan pods by name."""

    summary: BatchSummary
    placement: Mapping[str, Any]
    plans: Mapping[str, Mapping[str, Any]]

    @property
    def shards(self) -> list[ShardSummary]:
        """The batch's scan pods."""
        return [shard for shard in self.summary.shards if shard.kind == "scan"]

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        """The nodes before and after the plan, best first, with what really ran on them."""
        uses = parse_uses(self.placement.get("nodes") or (), self.placement.get("ranking") or ())
        return note_ran(uses, [shard.node for shard in self.shards])

    def lines(self) -> Iterator[str]:
        """Sum it up, a line a fact."""
        yield f"strategy {self.placement.get('strategy')}: {self.placement.get('reason')}"
        if "order" in self.placement:
            yield f"order {self.placement['order']}"
        yield from describe_outcome(self.summary.placement)


def read_stored(settings: Settings, night: str) -> StoredPlacement:
    """Read a batch's placement, or that of the newest batch that has one.

    :param night: a batch's number, or the run that opened it; "" for the newest.
    :raises NotFound: if there is none.
    """
    engine = reader_engine(settings.reader_url(), name="nightshift-placement")
    try:
        with transaction(engine) as connection:
            number = _find_batch(connection, night)
            summary = read_batch_summary(connection, number)
            placement = read_placement(connection, number)
            plans = {plan.name: plan.plan for plan in read_shard_plans(connection, number)}
    finally:
        engine.dispose()
    if not placement:
        raise NotFound(f"batch {number} has no plan: its night did not come to rank_nodes")
    return StoredPlacement(summary, placement, {str(name): plan for name, plan in plans.items()})


def _find_batch(connection: Connection, night: str) -> BatchId:
    if not night:
        return find_last_placed(connection)
    if night.isascii() and night.isdigit() and len(night) <= _MOST_DIGITS:
        return BatchId(int(night))
    found = find_batch(connection, night)
    if found is None:
        raise NotFound(f"no batch was opened by a run {night!r}")
    return found


def print_stored(shell: Shell, stored: StoredPlacement) -> None:
    """Write it for people."""
    summary = stored.summary
    shell.print_text(f"batch {summary.batch}, night of {summary.night}, {summary.state}")
    for line in stored.lines():
        shell.print_text(line)
    for replan in stored.placement.get("replans") or ():
        shell.print_text(f"  {replan['at']}: {'; '.join(replan['why'])}")
    shell.print_text("\nnodes before (█ used) and after the plan (▒ added, ░ still free)")
    for line in draw_bars(stored.uses):
        shell.print_text(line)
    shell.print_text("")
    shell.print_table(_HEADER, [_row(one, stored.plans[one.shard]) for one in stored.shards])


def build_document(stored: StoredPlacement) -> dict[str, Any]:
    """Write it for programs."""
    return {
        "batch": stored.summary.batch,
        "outcome": as_json(stored.summary.placement),
        "placement": dict(stored.placement),
        "shards": [{**as_json(o), "plan": dict(stored.plans[o.shard])} for o in stored.shards],
    }


def draw_stored(stored: StoredPlacement) -> str:
    """Draw its nodes as SVG text."""
    uses = stored.uses
    pods = sum(use.shards for use in uses)
    title = f"Batch {stored.summary.batch}: {pods} pods planned on {len(uses):,} nodes"
    return draw_nodes(uses, Heading(title, tuple(stored.lines())))


def _row(one: ShardSummary, plan: Mapping[str, Any]) -> tuple[str, ...]:
    outcome = plan.get("outcome") or {}
    note = outcome.get("note") or outcome.get("late_reason") or ""
    return (
        one.shard,
        one.account,
        str(one.scans),
        one.first_node or "-",
        _percent(one.first_predicted),
        one.planned_node or "-",
        _percent(one.predicted),
        one.node or "-",
        one.steering or "-",
        _seconds(one.wait_seconds),
        _seconds(one.start_seconds),
        str(one.replanned or ""),
        str(note),
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} s"
