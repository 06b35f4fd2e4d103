"""Carry a planned batch out: start its Jobs, follow them, report, and clean up."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from nightshift.cli.batches import read_scanners
from nightshift.cli.job_plans import (
    PlannedJob,
    follow_labels,
    place_jobs,
    plan_jobs,
    resolve_commits,
)
from nightshift.cli.job_progress import follow, newest_pods, report
from nightshift.cli.rank import read_nodes
from nightshift.cli.shell import Shell
from nightshift.cluster.client import Cluster, Object, connect
from nightshift.cluster.config_maps import build_config_map, delete_config_map, write_config_map
from nightshift.cluster.jobs import JobPhase, JobState, Started, delete_job, start_job
from nightshift.cluster.waiting import Pace
from nightshift.domain.batches import BatchFile
from nightshift.domain.placement.names import StrategyName
from nightshift.domain.steering.outcomes import ShardOutcome, describe_hits, sum_up
from nightshift.domain.steering.steered import SteeredPlan
from nightshift.settings import Settings

INTERRUPTED = 130
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run behaves once its Jobs are planned.

    :param keep: leave Jobs that succeeded in the cluster.
    :param delete_on_interrupt: end what this run has started when a user presses Ctrl-C.
    """

    timeout_seconds: float = 14_400
    keep: bool = False
    delete_on_interrupt: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be created: one manifest a job, in the order in which they start."""

    jobs: tuple[PlannedJob, ...]
    manifests: tuple[Object, ...]
    steered: SteeredPlan

    def describe(self) -> Iterator[str]:
        """Say where the pods shall go, and how many of them should get there."""
        yield f"{len(self.jobs)} jobs: {self.steered.plan.reason}"
        level, rate = self.steered.steering.level, self.steered.steering.hit_rate
        listed = any(shard.spare for shard in self.steered.plan.shards)
        how = "require one of up to 64 nodes, and prefer" if listed else "prefer"
        told = f"steering {level}: pods {how} their nodes; predicted hit rate {rate:.0%}"
        more = "; a night in Airflow can nominate pods, which meet theirs" if rate < 1.0 else ""
        yield f"{told}{more}"

    def as_yaml(self) -> str:
        """Write everything as YAML documents that kubectl could create."""
        objects = [
            obj
            for one, manifest in zip(self.jobs, self.manifests, strict=True)
            for obj in (build_config_map(one.name, one.files, one.parts.labels), manifest)
        ]
        return yaml.safe_dump_all(objects, sort_keys=False).rstrip()


def prepare(
    batch: BatchFile,
    settings: Settings,
    template: Object,
    strategy: StrategyName,
) -> Prepared:
    """Ask the remotes for commits and the cluster for room, and plan; nothing is changed.

    :raises NightshiftError: if a remote has nothing to scan, the cluster cannot be read, or a job
        fits no node.
    """
    commits = resolve_commits(batch, settings)
    jobs = plan_jobs(batch, commits, read_scanners(settings), settings, template)
    nodes = read_nodes(settings)
    steered, manifests = place_jobs(jobs, template, nodes, strategy)
    return Prepared(tuple(jobs), tuple(manifests), steered)


def carry_out(shell: Shell, settings: Settings, prepared: Prepared, options: RunOptions) -> int:
    """Start the Jobs and follow them; gives the exit code.

    :raises NightshiftError: if the cluster refuses a Job or stays away. What was started goes on.
    """
    for line in prepared.describe():
        shell.say(line)
    cluster = connect(settings)
    started: list[str] = []
    try:
        for one, manifest in zip(prepared.jobs, prepared.manifests, strict=True):
            if not _start(shell, cluster, one, manifest).adopted:
                started.append(one.name)
        pace = Pace(options.timeout_seconds, shell.look_seconds)
        states = follow(shell, cluster, prepared.jobs, pace)
        good = report(shell, cluster, prepared.jobs, states)
        _say_hits(shell, cluster, prepared, started)
        _clean_up(cluster, states, options)
    except KeyboardInterrupt:
        _interrupt(shell, cluster, started, options)
        return INTERRUPTED
    finally:
        cluster.close()
    return 0 if good else 1


def _start(shell: Shell, cluster: Cluster, one: PlannedJob, manifest: Object) -> Started:
    """Make the Job, then its work list, which belongs to it and goes when it goes.

    The pod waits for the list to appear. The other way round a list that belongs to an older,
    failed Job of this name could be deleted with that Job after we had found it in place.
    """
    started = start_job(cluster, manifest, Pace(_START_SECONDS, 1.0))
    write_config_map(cluster, one.name, one.files, one.parts.labels, owner=started.object)
    what = "is there already" if started.adopted else "created"
    shell.say(f"{one.shown}: Job {cluster.namespace}/{one.name} {what}")
    return started


def _say_hits(shell: Shell, cluster: Cluster, prepared: Prepared, started: Sequence[str]) -> None:
    """Compare plan and outcome for the Jobs of this run; adopted ones follow an older plan."""
    pods = newest_pods(cluster)
    outcomes = [
        ShardOutcome(
            shard=placement.shard,
            planned=placement.primary or "",
            node=pod.node,
            predicted=prepared.steered.predicted.get(placement.shard),
        )
        for one, placement in zip(prepared.jobs, prepared.steered.plan.shards, strict=True)
        if one.name in started and (pod := pods.get(one.name)) is not None
    ]
    for line in describe_hits(sum_up({}, outcomes)):
        shell.say(line)


def _clean_up(cluster: Cluster, states: Mapping[str, JobState], options: RunOptions) -> None:
    if options.keep:
        return
    _delete(cluster, [n for n, state in states.items() if state.phase is JobPhase.SUCCEEDED])


def _interrupt(shell: Shell, cluster: Cluster, started: Sequence[str], options: RunOptions) -> None:
    if options.delete_on_interrupt:
        _delete(cluster, started)
        shell.say(f"interrupted: deleted the {len(started)} Jobs of this run")
        return
    labels = ",".join(f"{name}={value}" for name, value in sorted(follow_labels().items()))
    shell.say(
        "interrupted: the Jobs go on. Run the same command again to follow them, or end them "
        f"with `kubectl delete jobs -n {cluster.namespace} -l {labels}`"
    )


def _delete(cluster: Cluster, names: Sequence[str]) -> None:
    for name in names:
        delete_job(cluster, name)
        delete_config_map(cluster, name)
