"""What the worker notes down about a pod: which node it ran on, and how its container ended.

The plan says which node each shard prefers; this says where it went, so that the report can show
both. A container that the kernel or the kubelet ended leaves its reason here, because nothing
inside the pod could write it down.
"""

import logging
import os
from typing import Any

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from kubernetes.client import V1ContainerStateTerminated, V1Pod  # noqa: TID253 - KPO has imported it

from nightshift.errors import RetryableError

log = logging.getLogger(__name__)


class PodRecorder(KubernetesPodOperatorCallback):
    """Records each shard's pod in the store: when it is made, and when its container has ended."""

    @staticmethod
    def on_pod_creation(*, pod: V1Pod, **_: Any) -> None:  # noqa: ANN401 - KPO's signature
        """Note the pod's name, so that a lost pod can be told from one that never was."""
        _record(pod)

    @staticmethod
    def on_pod_completion(*, pod: V1Pod, **_: Any) -> None:  # noqa: ANN401 - KPO's signature
        """Note the node and how the container ended."""
        _record(pod)


def _record(pod: V1Pod) -> None:
    """Write what is known of the pod; a busy store must not fail a scan that went well."""
    from nightshift.orchestration.steps.recording import record_pod
    from nightshift.store.records import PodRecord

    labels = pod.metadata.labels
    terminated = _terminated(pod)
    try:
        record_pod(
            os.environ,
            batch=int(labels["nightshift/batch"]),
            shard=labels["nightshift/shard"],
            pod=PodRecord(
                pod=pod.metadata.name,
                node=pod.spec.node_name or "",
                started_at=pod.status.start_time if pod.status else None,
                finished_at=terminated.finished_at if terminated else None,
                terminated_reason=_reason(pod, terminated),
            ),
        )
    except RetryableError as error:
        log.warning("pod %s is not recorded: %s", pod.metadata.name, error)


def _terminated(pod: V1Pod) -> V1ContainerStateTerminated | None:
    statuses = (pod.status.container_statuses if pod.status else None) or []
    for status in statuses:
        if status.name == "base":
            return status.state.terminated if status.state else None
    return None


def _reason(pod: V1Pod, terminated: V1ContainerStateTerminated | None) -> str:
    """Prefer the pod's own reason (Evicted, DeadlineExceeded) to its container's (OOMKilled)."""
    if pod.status and pod.status.reason:
        return str(pod.status.reason)
    return str(terminated.reason or "") if terminated else ""
