"""Keyword arguments of KubernetesPodOperator for the three kinds of pods.

Hardening lives in the pod templates beside this module; what differs between shards (arguments,
affinity, resources, deadline, labels) is mapped; the rest is here, once. Nothing here builds
Kubernetes client objects: plain dicts parse fast and travel through XCom.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Any

import yaml

from nightshift.domain.resources import Resources
from nightshift.domain.steering.scanpods import NOMINATED
from nightshift.settings import Settings

TEMPLATES = Path(__file__).parent / "pods"
CONNECTION = "kubernetes_default"
WORKSPACE = "/nightshift/workspace"
RETRIES = 2


class Stage(StrEnum):
    """The three kinds of pods of a night."""

    CLONE = "clone"
    SCAN = "scan"
    INGEST = "ingest"


LONGEST_SECONDS = {Stage.CLONE: 2 * 3600, Stage.SCAN: 4 * 3600, Stage.INGEST: 1800}
"""The longest deadline that a pod of each stage may be given; execution_timeout follows it."""

REQUESTS = {
    Stage.CLONE: Resources(cpu_millis=250, memory_bytes=512 * 1024**2),
    Stage.INGEST: Resources(cpu_millis=250, memory_bytes=512 * 1024**2),
}
"""What clone and ingest pods ask for; scan pods ask for what their scanners need."""


def pod_operator_kwargs(stage: Stage, settings: Settings) -> dict[str, Any]:
    """Build what ``KubernetesPodOperator.partial`` takes for one stage.

    The pod's command carries the try's number, so that a retry resumes and the last one settles
    what is still open. Airflow finds a pod again by its labels, so nothing that differs between
    tries is a label.
    """
    waiting = settings.schedule_timeout_seconds + settings.startup_timeout_seconds
    return {
        "task_id": stage.value,
        "name": f"nightshift-{stage}",
        "namespace": settings.namespace,
        "kubernetes_conn_id": CONNECTION,
        "image": settings.scan_image,
        "image_pull_policy": settings.image_pull_policy,
        "pod_template_dict": read_pod_template(stage, settings),
        "cmds": [
            *("python", "-m", "nightshift.runner", stage.value),
            *OPTIONS[stage],
            *_own_scanners(stage, settings),
        ],
        "service_account_name": settings.pod_service_account,
        "automount_service_account_token": False,
        "priority_class_name": settings.priority_class or None,
        "termination_grace_period": 30,
        "do_xcom_push": False,
        "get_logs": True,
        "log_events_on_startup": False,
        "log_events_on_failure": True,
        "log_pod_spec_on_failure": False,
        "on_finish_action": "delete_pod",
        "schedule_timeout_seconds": settings.schedule_timeout_seconds,
        "startup_timeout_seconds": settings.startup_timeout_seconds,
        "startup_check_interval_seconds": settings.startup_check_seconds,
        "execution_timeout": timedelta(seconds=waiting + LONGEST_SECONDS[stage] + 300),
        "deferrable": settings.deferrable,
        "poll_interval": settings.poll_seconds,
        "logging_interval": 60 if settings.deferrable else None,
        "pool": settings.pool,
        "max_active_tis_per_dagrun": settings.max_pods,
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=settings.retry_seconds),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=16),
        "trigger_rule": TRIGGER_RULES[stage],
    }


def _own_scanners(stage: Stage, settings: Settings) -> tuple[str, ...]:
    if stage is not Stage.SCAN or not settings.scanners_dir:
        return ()
    return ("--scanners", settings.scanners_dir)


_TRY = ("--attempt", "{{ ti.try_number }}", "--max-attempts", "{{ ti.max_tries + 1 }}")
_SCRATCH = ("--scratch", "/tmp")  # noqa: S108 - the pod's own, an emptyDir

OPTIONS: dict[Stage, tuple[str, ...]] = {
    Stage.CLONE: (
        "--root",
        WORKSPACE,
        *_TRY,
        *_SCRATCH,
        "--credentials",
        "/nightshift/credentials",
    ),
    Stage.SCAN: ("--root", WORKSPACE, *_TRY, *_SCRATCH),
    # Ingest runs when the scan pods have had all their tries: what has no result now gets none.
    Stage.INGEST: ("--workspace", WORKSPACE, "--last-attempt"),
}

TRIGGER_RULES = {
    Stage.CLONE: "all_success",  # Airflow asks it of whatever follows a setup
    Stage.SCAN: "none_failed",
    Stage.INGEST: "all_done",  # a shard that failed for good has finished scans all the same
}


@dataclass(frozen=True, slots=True)
class ShardPod:
    """What differs between the pods of a stage.

    :param claim: the volume's claim; ``work`` names the ConfigMap with the work list ("" for none).
    :param affinity: plain camelCase JSON; preferred terms, and the pool's label at most.
    :param nominated: the node to nominate it to; "" creates it without a gate.
    """

    batch: int
    shard: str
    account: str
    claim: str
    arguments: tuple[str, ...]
    request: Resources
    deadline_seconds: int
    work: str = ""
    affinity: Mapping[str, Any] | None = None
    nominated: str = ""


def mapped_kwargs(pod: ShardPod) -> dict[str, Any]:
    """Build one item of ``expand_kwargs``: JSON only, and as small as it can be.

    Airflow hands the whole list to every mapped task, so bytes here count squared.
    """
    resources = {
        "cpu": f"{pod.request.cpu_millis}m",
        "memory": str(pod.request.memory_bytes),
    }
    labels = {
        "nightshift/batch": str(pod.batch),
        "nightshift/shard": pod.shard,
        "nightshift/account": pod.account,
        "nightshift/claim": pod.claim,
    }
    if pod.work:
        labels["nightshift/work"] = pod.work
    steered = {"annotations": {NOMINATED: pod.nominated}} if pod.nominated else {}
    return {
        **steered,
        "arguments": list(pod.arguments),
        "affinity": dict(pod.affinity or {}),
        "container_resources": {
            "requests": resources,
            "limits": {"memory": resources["memory"]},
        },
        "active_deadline_seconds": pod.deadline_seconds,
        "labels": labels,
    }


def ingest_pod_kwargs(scan: Mapping[str, Any]) -> dict[str, Any]:
    """Build the ingest pod's item from its scan shard's: same batch, shard, account and claim."""
    labels = scan["labels"]
    batch, shard, account = (labels[f"nightshift/{n}"] for n in ("batch", "shard", "account"))
    return mapped_kwargs(
        ShardPod(
            batch=int(batch),
            shard=shard,
            account=account,
            claim=labels["nightshift/claim"],
            arguments=("--batch", batch, "--account", account, "--shard", shard),
            request=REQUESTS[Stage.INGEST],
            deadline_seconds=LONGEST_SECONDS[Stage.INGEST],
        )
    )


def read_pod_template(stage: Stage, settings: Settings) -> dict[str, Any]:
    """Read a stage's pod template: ``<config_dir>/pods/<stage>.yaml`` if it is there, else ours.

    ``${name}`` is replaced by the setting of that name; ``{{ }}`` is left to Airflow.
    """
    own = settings.config_dir / "pods" / f"{stage}.yaml"
    path = own if own.exists() else TEMPLATES / f"{stage}.yaml"
    text = Template(path.read_text()).substitute(
        git_secret_prefix=settings.git_secret_prefix, database_secret=settings.database_secret
    )
    template: dict[str, Any] = yaml.safe_load(text)
    return template
