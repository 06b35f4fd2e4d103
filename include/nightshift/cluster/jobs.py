"""Jobs: start them so that a second start does no harm, and follow them to their end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.labels import are_ours, selector
from nightshift.cluster.objects import parse_metadata, read_object
from nightshift.cluster.waiting import Pace
from nightshift.domain.kubejson import as_int, as_mapping, as_objects
from nightshift.errors import (
    ClusterUnavailable,
    Conflict,
    Invalid,
    NotFound,
    RetryableError,
    TooManyRequests,
)

GROUP = "apis/batch/v1"
JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
_OUTAGE_SECONDS = 120.0


class JobPhase(StrEnum):
    """How far a Job is. ``missing``: it was there, and somebody deleted it."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    MISSING = "missing"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return self not in {JobPhase.WAITING, JobPhase.RUNNING}


_ENDS = {"Complete": JobPhase.SUCCEEDED, "Failed": JobPhase.FAILED}
"""The conditions that end a Job."""


@dataclass(frozen=True, slots=True)
class JobState:
    """A Job as the API shows it; ``reason`` and ``message`` say why it failed."""

    name: str
    phase: JobPhase
    reason: str = ""
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """What ``start_job`` gives: the Job, and whether an earlier start had made it."""

    state: JobState
    object: Object
    adopted: bool


def start_job(cluster: Cluster, manifest: Object, pace: Pace) -> Started:
    """Create a Job whose name stands for its work, or adopt the one that is there.

    Ours that waits, runs or has succeeded is adopted; one that failed is replaced.

    :param pace: how long a failed Job of the same name may take to go away.
    :raises Invalid: if the API refuses the Job, or its name is taken by one that is not ours.
    :raises RetryableError: if the failed one did not go away, or the API was away all the time.
    """
    name = manifest["metadata"]["name"]
    trouble: RetryableError = Conflict(
        f"the failed Job {cluster.namespace}/{name} of an earlier run does not go away after "
        f"{pace.timeout_seconds:.0f} s: look at its finalizers, or delete it"
    )
    for _ in pace.looks():
        try:
            found = _create_or_adopt(cluster, manifest)
        except (ClusterUnavailable, TooManyRequests) as error:
            trouble = error
            continue
        if found is not None:
            return found
    raise trouble


def read_job(cluster: Cluster, name: str) -> JobState:
    """Read one Job.

    :raises NotFound: if it is not there.
    """
    return read_object(cluster, cluster.get(cluster.path("jobs", name, group=GROUP)), parse_job)


def list_jobs(cluster: Cluster, labels: Mapping[str, str]) -> list[JobState]:
    """List the Jobs of our namespace that have all of ``labels``."""
    found = cluster.iterate(cluster.path("jobs", group=GROUP), labelSelector=selector(labels))
    return [read_object(cluster, obj, parse_job) for obj in found]


def delete_job(cluster: Cluster, name: str) -> bool:
    """Delete a Job and its pods; False if it is not there any more."""
    try:
        cluster.delete(cluster.path("jobs", name, group=GROUP))
    except NotFound:
        return False
    return True


def follow_jobs(
    cluster: Cluster, names: Sequence[str], labels: Mapping[str, str], pace: Pace
) -> Iterator[dict[str, JobState]]:
    """Give all Jobs' states once a look, until every one has ended or the time is over.

    Short outages of the API are waited out.

    :param labels: of all these Jobs, so that one list shows them.
    :raises ClusterUnavailable: if the API was away for more than two minutes.
    """
    last_answer = 0.0
    for passed in pace.looks():
        try:
            there = {state.name: state for state in list_jobs(cluster, labels)}
        except RetryableError as error:
            if passed - last_answer > _OUTAGE_SECONDS:
                raise ClusterUnavailable(
                    f"gave up after {_OUTAGE_SECONDS:.0f} s: {error}"
                ) from error
            continue
        last_answer = passed
        states = {name: there.get(name, _missing(name)) for name in names}
        yield states
        if all(state.phase.ended for state in states.values()):
            return


def parse_job(obj: Mapping[str, Any]) -> JobState:
    """Read a Job.

    :raises ValueError: with the path of the fault.
    """
    status, meta = as_mapping(obj.get("status"), "status"), parse_metadata(obj)
    running = as_int(status.get("ready"), "status.ready") > 0
    phase, reason, message = JobPhase.RUNNING if running else JobPhase.WAITING, "", ""
    for condition in as_objects(status.get("conditions"), "status.conditions"):
        if condition.get("status") == "True" and condition.get("type") in _ENDS:
            phase = _ENDS[condition["type"]]
            reason = str(condition.get("reason", ""))
            message = " ".join(str(condition.get("message", "")).split())[:500]
    return JobState(meta.name, phase, reason, message, meta.labels, meta.deleting)


def _missing(name: str) -> JobState:
    return JobState(name, JobPhase.MISSING, "Deleted", "somebody deleted the Job while it ran")


def _create_or_adopt(cluster: Cluster, manifest: Object) -> Started | None:
    """Give the Job; None if the one that is there has to go away first."""
    try:
        created = cluster.create(cluster.path("jobs", group=GROUP), manifest)
    except Conflict:
        there = _find(cluster, manifest["metadata"]["name"])
        return _adopt_or_delete(cluster, there) if there is not None else None
    return Started(read_object(cluster, created, parse_job), created, adopted=False)


def _find(cluster: Cluster, name: str) -> Object | None:
    try:
        return cluster.get(cluster.path("jobs", name, group=GROUP))
    except NotFound:
        return None


def _adopt_or_delete(cluster: Cluster, obj: Object) -> Started | None:
    state = read_object(cluster, obj, parse_job)
    if not are_ours(state.labels):
        raise Invalid(
            f"the Job {cluster.namespace}/{state.name} is there and is not Nightshift's: "
            "delete or rename it"
        )
    if state.phase is JobPhase.FAILED or state.deleting:
        delete_job(cluster, state.name)
        return None
    return Started(state, obj, adopted=True)
