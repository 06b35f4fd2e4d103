"""Our pods: list them, see how they are, read their logs, delete them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster
from nightshift.cluster.labels import selector
from nightshift.cluster.objects import Metadata, parse_metadata, parse_time, read_object
from nightshift.domain.kubejson import as_mapping, as_objects
from nightshift.errors import NotFound

_MAX_LOG_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class PodState:
    """A pod as the API shows it.

    :param phase: Pending, Running, Succeeded, Failed or Unknown.
    :param node: "" before it is scheduled.
    :param reason: why it failed or waits, in Kubernetes' word: Evicted, DeadlineExceeded,
        Unschedulable, ImagePullBackOff, OOMKilled, Error; "" when all is well.
    :param message: what Kubernetes says with it, one line.
    :param exit_code: of the container that failed, or of the last one that ended.
    """

    meta: Metadata
    phase: str
    node: str = ""
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    started_at: dt.datetime | None = None

    @property
    def ended(self) -> bool:
        """Tell whether none of its containers will run again."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def out_of_memory(self) -> bool:
        """Tell whether the kernel killed a container for memory."""
        return self.reason == "OOMKilled"


def list_pods(cluster: Cluster, labels: Mapping[str, str]) -> list[PodState]:
    """List the pods of our namespace that have all of ``labels``, in the API's order."""
    found = cluster.iterate(cluster.path("pods"), labelSelector=selector(labels))
    return [read_object(cluster, obj, parse_pod_state) for obj in found]


def read_pod(cluster: Cluster, name: str) -> PodState:
    """Read one pod.

    :raises NotFound: if it is not there.
    """
    return read_object(cluster, cluster.get(cluster.path("pods", name)), parse_pod_state)


def delete_pod(cluster: Cluster, name: str, *, grace_seconds: int | None = None) -> bool:
    """Ask for a pod's deletion; False if it is not there any more."""
    try:
        cluster.delete(cluster.path("pods", name), grace_seconds=grace_seconds)
    except NotFound:
        return False
    return True


def read_log(cluster: Cluster, pod: str, container: str, *, tail_lines: int = 50) -> str:
    """Read the end of a container's log.

    :raises NotFound: if the pod is not there.
    :raises Invalid: if the container has not started.
    """
    path = f"{cluster.path('pods', pod)}/log"
    return cluster.read_text(
        path, container=container, tailLines=tail_lines, limitBytes=_MAX_LOG_BYTES
    )


def parse_pod_state(obj: Mapping[str, Any]) -> PodState:
    """Read a pod.

    :raises ValueError: with the path of the fault.
    """
    status = as_mapping(obj.get("status"), "status")
    spec = as_mapping(obj.get("spec"), "spec")
    reason, message, exit_code = _explain(status)
    started = status.get("startTime")
    return PodState(
        meta=parse_metadata(obj),
        phase=str(status.get("phase", "Unknown")),
        node=str(spec.get("nodeName") or ""),
        reason=reason,
        message=" ".join(message.split())[:500],
        exit_code=exit_code,
        started_at=parse_time(str(started)) if started else None,
    )


def _explain(status: Mapping[str, Any]) -> tuple[str, str, int | None]:
    """Find what holds a pod up or ended it: the pod's own word, a container's, a condition's."""
    ended = list(_ended_containers(status))
    failed = [one for one in ended if one.get("exitCode") != 0]
    exit_code = next((_exit_code(one) for one in [*failed, *reversed(ended)]), None)
    if status.get("reason"):
        return str(status["reason"]), str(status.get("message", "")), exit_code
    if failed:
        return str(failed[0].get("reason", "Error")), str(failed[0].get("message", "")), exit_code
    for one in [*_waiting_containers(status), *_broken_conditions(status)]:
        return str(one.get("reason", "")), str(one.get("message", "")), exit_code
    return "", "", exit_code


def _containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("initContainerStatuses", "containerStatuses"):
        for one in as_objects(status.get(key), f"status.{key}"):
            yield as_mapping(one.get("state"), f"status.{key}.state")


def _ended_containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    states = (state.get("terminated") for state in _containers(status))
    return (as_mapping(state, "terminated") for state in states if state)


def _waiting_containers(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give what containers wait for; that they are being created is no trouble."""
    usual = {"ContainerCreating", "PodInitializing"}
    states = (as_mapping(state.get("waiting"), "waiting") for state in _containers(status))
    return (state for state in states if state.get("reason", "") not in {"", *usual})


def _broken_conditions(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    conditions = as_objects(status.get("conditions"), "status.conditions")
    return (c for c in conditions if c.get("type") == "PodScheduled" and c.get("status") == "False")


def _exit_code(state: Mapping[str, Any]) -> int | None:
    code = state.get("exitCode")
    return code if isinstance(code, int) else None
