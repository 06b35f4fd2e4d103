"""``nightshift rank``: which nodes a batch should run on, and why; nothing is changed."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from nightshift.cli.batches import FileOption, read_batch
from nightshift.cli.shell import Shell
from nightshift.domain.batches import BatchFile, BatchJob
from nightshift.domain.ids import ShardName
from nightshift.domain.nodes import Node, describe_resources
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.placement.plans import Packing, PlacementPlan, ShardDemand
from nightshift.domain.placement.steering import SteeringChoice
from nightshift.domain.steering.choosing import Granted
from nightshift.domain.steering.steered import SteeredPlan, make_plan
from nightshift.domain.steering.usage import NodeUse, measure_use
from nightshift.errors import ConfigError
from nightshift.pictures.files import check_picture_path, write_picture
from nightshift.settings import Settings

PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw the nodes before and after the plan, as .svg or .png.",
    ),
]
StrategyOption = Annotated[
    StrategyName | None,
    typer.Option(
        "--strategy", help="How pods are placed. Default: the setting NIGHTSHIFT_STRATEGY."
    ),
]


_SHOWN_NODES = 12
_SHOWN_AFFINITIES = 3
"""Of a packed batch, where every node has its own; they differ in little."""


class Format(StrEnum):
    """How the ranking is written."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


def rank(
    context: typer.Context,
    file: FileOption,
    strategy: StrategyOption = None,
    steering: Annotated[
        SteeringChoice | None,
        typer.Option(
            "--steering",
            help="How firmly pods are led to their nodes. Default: the setting "
            "NIGHTSHIFT_STEERING.",
        ),
    ] = None,
    output: Annotated[
        Format, typer.Option("--output", "-o", help="A table for people, else YAML or JSON.")
    ] = Format.TABLE,
    plot: PlotOption = None,
) -> None:
    """Rank nodes for a batch, and say why.

    Shows the batch's CPU-to-memory ratio, every node with its reason, and the pods' node affinity.
    Reads the nodes and pods of the cluster that the kubeconfig names, and changes nothing.
    """
    shell: Shell = context.obj
    settings = shell.settings()
    if plot is not None:
        check_picture_path(plot)
    batch = read_batch(shell, settings, file)
    chosen = choose_strategy(strategy, settings)
    nodes, granted = read_cluster(settings)
    demands = list_demands(batch)
    wanted = steering or SteeringChoice(settings.steering)
    steered = make_plan(chosen, wanted, granted, nodes, demands)
    if output is Format.TABLE:
        _print_tables(shell, batch, steered)
    else:
        text = _write(steered, output)
        shell.print_text(text)
    if plot is not None:
        uses = measure_use(nodes, demands, steered.plan, steered.pool_labels)
        write_picture(plot, _draw(steered, uses))
        shell.say(f"{plot}: written")


def choose_strategy(option: StrategyName | None, settings: Settings) -> StrategyName:
    """Take the option, else the setting.

    :raises ConfigError: if the setting names no strategy.
    """
    if option is not None:
        return option
    if settings.strategy not in set(StrategyName):
        known = ", ".join(StrategyName)
        raise ConfigError("NIGHTSHIFT_STRATEGY", f"{settings.strategy!r} is none of {known}")
    return StrategyName(settings.strategy)


def read_nodes(settings: Settings) -> list[Node]:
    """Read the cluster's nodes and what is free on them.

    :raises NightshiftError: if the cluster cannot be reached or read.
    """
    from nightshift.cluster.client import connect  # late: `--help` needs no Kubernetes client
    from nightshift.cluster.nodes import read_snapshot

    cluster = connect(settings)
    try:
        return read_snapshot(cluster)
    finally:
        cluster.close()


def read_cluster(settings: Settings) -> tuple[list[Node], Granted]:
    """Read the cluster's nodes, and what it would let a night do.

    :raises NightshiftError: if the cluster cannot be reached or read.
    """
    from nightshift.cluster.client import connect  # late: `--help` needs no Kubernetes client
    from nightshift.cluster.nodes import read_snapshot
    from nightshift.cluster.rights import read_rights

    cluster = connect(settings)
    try:
        return read_snapshot(cluster), read_rights(cluster, settings.priority_class)
    finally:
        cluster.close()


def list_demands(batch: BatchFile) -> list[ShardDemand]:
    """Count each job of a batch as one pod that asks what the file says."""
    return [ShardDemand(shown_name(job), job.request) for job in batch.in_starting_order()]


def shown_name(job: BatchJob) -> ShardName:
    """Name a job in plans; plans call whatever becomes one pod a shard."""
    return ShardName(f"{job.account}/{job.name}")


def _draw(steered: SteeredPlan, uses: Sequence[NodeUse]) -> str:
    from nightshift.pictures.nodes import Heading, draw_nodes  # late: few plans are drawn

    plan = steered.plan
    lines = (f"strategy {plan.strategy}: {plan.reason}", f"steering {steered.steering.reason}")
    return draw_nodes(uses, Heading(f"{len(plan.shards)} pods on {len(uses):,} nodes", lines))


def _write(steered: SteeredPlan, output: Format) -> str:
    document: dict[str, Any] = steered.plan.to_json()
    document["steering"] = steered.steering.to_json()
    for shard, shown in zip(steered.plan.shards, document["shards"], strict=True):
        shown["job"] = shown.pop("shard")
        shown["affinity"] = shard.affinity()
    document["jobs"] = document.pop("shards")
    if output is Format.JSON:
        return json.dumps(document, indent=2)
    return yaml.safe_dump(document, sort_keys=False).rstrip()


def _print_tables(shell: Shell, batch: BatchFile, steered: SteeredPlan) -> None:
    plan = steered.plan
    jobs = f"{len(batch.jobs)} job{'s' if len(batch.jobs) != 1 else ''}"
    shell.print_text(f"{jobs} asking {describe_resources(plan.demand)} in all")
    shell.print_text(f"ratio {plan.to_json()['ratio']} ({plan.ratio.heaviness})")
    shell.print_text(f"strategy {plan.strategy}: {plan.reason}")
    if plan.packing is not None:
        _print_packing(shell, plan.packing)
    shell.print_text(f"steering {steered.steering.reason}")
    shell.print_text("")
    rows = [
        (str(place), node.name, "yes" if node.candidate else "no", node.reason)
        for place, node in enumerate(plan.ranking, start=1)
    ]
    shell.print_table(("rank", "node", "candidate", "why"), rows)
    affinities = _distinct_affinities(plan)
    shown = affinities if plan.packing is None else affinities[:_SHOWN_AFFINITIES]
    for names, reason, affinity in shown:
        shell.print_text(f"\n# {names}: {reason}")
        shell.print_text(yaml.safe_dump({"affinity": affinity}, sort_keys=False).rstrip())
    if len(shown) < len(affinities):
        more = len(affinities) - len(shown)
        shell.print_text(f"\nand {more} more; --output yaml shows all")


def _print_packing(shell: Shell, packing: Packing) -> None:
    """Say which idle nodes are opened, and how far that is from the best that can be."""
    named = ", ".join(packing.opened[:_SHOWN_NODES]) or "none"
    more = len(packing.opened) - _SHOWN_NODES
    opened = f"{named} and {more} more" if more > 0 else named
    shell.print_text(f"idle nodes opened: {len(packing.opened)} ({opened})")
    if packing.gap is None:
        shell.print_text(f"pods that wait for room: {packing.unplaced}")
        return
    shell.print_text(
        f"no placement opens fewer than {packing.bound} (bound: {packing.bound_by}); "
        f"gap {packing.gap:.1%}; found by {packing.method}"
    )
    if packing.cut_off:
        shell.print_text(f"a better packing may exist: the search was cut off by {packing.cut_off}")


def _distinct_affinities(plan: PlacementPlan) -> list[tuple[str, str, dict[str, Any]]]:
    """Show an affinity once for all jobs that have it."""
    together: dict[str, list[int]] = {}
    for index, shard in enumerate(plan.shards):
        together.setdefault(json.dumps([shard.affinity(), shard.reason]), []).append(index)
    found = []
    for indexes in together.values():
        first = plan.shards[indexes[0]]
        names = ", ".join(str(plan.shards[i].shard) for i in indexes[:5])
        more = f" and {len(indexes) - 5} more" if len(indexes) > 5 else ""
        found.append((names + more, first.reason, first.affinity()))
    return found
