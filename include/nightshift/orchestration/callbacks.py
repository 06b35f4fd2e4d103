"""What the worker does beside a pod: it steers scan pods, and notes down where all of them ran.

The plan says which node each shard prefers; this says where it went, so that the report can show
both. A container that the kernel or the kubelet ended leaves its reason here, because nothing
inside the pod could write it down.
"""

import logging
import os
from typing import Any

from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from kubernetes.client import V1ContainerStateTerminated, V1Pod  # noqa: TID253 - KPO has imported it

from nightshift.domain.placement.affinity import HOSTNAME_LABEL, POOL_LABEL
from nightshift.domain.steering.scanpods import GATE, NOMINATED, parse_nominations
from nightshift.errors import RetryableError
from nightshift.settings import Settings

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


class PodSteerer(PodRecorder):
    """Steers scan pods while they are made, and records them like all others."""

    @staticmethod
    def on_pod_manifest_created(*, pod_request: V1Pod, **_: Any) -> None:  # noqa: ANN401 - KPO's signature
        """Wait for the brake, take the newest plan, and gate a pod that is to be nominated."""
        from nightshift.clock import utc_now
        from nightshift.orchestration.steps.steering import PodWish, prepare_pod

        labels, annotations = pod_request.metadata.labels, pod_request.metadata.annotations or {}
        mapped = PodWish(None, next(iter(parse_nominations(annotations.get(NOMINATED, ""))), None))
        settings = Settings.from_env(os.environ)
        batch, shard = int(labels["nightshift/batch"]), labels["nightshift/shard"]
        wish = prepare_pod(settings, batch, shard, mapped, utc_now)
        if wish.affinity is not None:
            pod_request.spec.affinity = wish.affinity or None
        annotations.pop(NOMINATED, None)
        if wish.nominated is not None:
            annotations[NOMINATED] = wish.nominated
            gates = pod_request.spec.scheduling_gates or []
            pod_request.spec.scheduling_gates = [*gates, {"name": GATE}]
        pod_request.metadata.annotations = annotations

    @staticmethod
    def on_pod_creation(*, pod: V1Pod, **_: Any) -> None:  # noqa: ANN401 - KPO's signature
        """Nominate a gated pod and let it go; a pod that a try before this one made, too."""
        from nightshift.orchestration.steps.steering import steer_pod

        note = ""
        nominations = parse_nominations((pod.metadata.annotations or {}).get(NOMINATED, ""))
        if any(gate.name == GATE for gate in pod.spec.scheduling_gates or ()):
            settings = Settings.from_env(os.environ)
            note = steer_pod(settings, pod.metadata.name, next(iter(nominations), None))
        nominated = bool(nominations) and not note
        _record(pod, {"steering": _level(pod, nominated=nominated), "note": note})


def _level(pod: V1Pod, *, nominated: bool) -> str:
    """Say how a pod was really steered, in the words of the plan."""
    node = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = node.required_during_scheduling_ignored_during_execution if node else None
    terms = required.node_selector_terms if required else ()
    keys = {rule.key for term in terms for rule in term.match_expressions or ()}
    done = {"names": HOSTNAME_LABEL in keys, "pool": POOL_LABEL in keys, "nominate": nominated}
    return "+".join(name for name, has in done.items() if has) or "soft"


def _record(pod: V1Pod, outcome: dict[str, Any] | None = None) -> None:
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
                outcome={**_delays(pod, terminated), **(outcome or {})},
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


def _delays(pod: V1Pod, terminated: V1ContainerStateTerminated | None) -> dict[str, float]:
    """Say how long after its creation the pod was bound, and its container started."""
    conditions = (pod.status.conditions if pod.status else None) or []
    bound = [c for c in conditions if c.type == "PodScheduled" and c.status == "True"]
    moments = {
        "wait_seconds": bound[0].last_transition_time if bound else None,
        "start_seconds": terminated.started_at if terminated else None,
    }
    created = pod.metadata.creation_timestamp
    return {
        name: max(0.0, (moment - created).total_seconds())
        for name, moment in moments.items()
        if moment is not None and created is not None
    }


def _reason(pod: V1Pod, terminated: V1ContainerStateTerminated | None) -> str:
    """Prefer the pod's own reason (Evicted, DeadlineExceeded) to its container's (OOMKilled)."""
    if pod.status and pod.status.reason:
        return str(pod.status.reason)
    return str(terminated.reason or "") if terminated else ""
