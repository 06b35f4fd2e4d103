"""What crashed nights leave behind: volumes, work lists, pods, labels and gates without a purpose.

The plan is a value, made from the store and the cluster; applying it is a few calls. A volume is
kept while its batch is open, whatever its age: results that were not ingested lie on it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nightshift.cluster.config_maps import delete_config_map, list_config_maps
from nightshift.cluster.labels import BATCH
from nightshift.cluster.pods import delete_pod, list_pods
from nightshift.cluster.pool import PoolNode, list_pool, remove_from_pool
from nightshift.cluster.scanpods import list_scan_pods, open_gate
from nightshift.cluster.volumes import delete_volume, list_volumes
from nightshift.domain.ids import AccountName, NodeName
from nightshift.domain.pods import OUR_LABELS
from nightshift.domain.steering.drift import Patience, sort_waiting
from nightshift.orchestration.steps.connections import Night
from nightshift.orchestration.steps.workspaces import delete_workspace
from nightshift.store.batches import list_open_batches
from nightshift.store.engines import transaction
from nightshift.store.records import BatchId
from nightshift.store.workspaces import WorkspaceRow, list_releasable

SETTLING = dt.timedelta(hours=1)
"""Younger objects stay: a task may be between making them and writing them down."""


@dataclass(frozen=True, slots=True)
class Removal:
    """One object to be removed, and why.

    :param kind: workspace, volume, work-list, pod, label (of a node) or gate (of a pod).
    :param row: the store's row of a workspace.
    :param batch: which batch labelled a node.
    """

    kind: str
    name: str
    reason: str
    row: WorkspaceRow | None = None
    batch: str = ""

    def __str__(self) -> str:
        return f"remove {self.kind} {self.name}: {self.reason}"


def plan_cleaning(night: Night, now: dt.datetime) -> list[Removal]:
    """Say what can go; changes nothing."""
    with transaction(night.writer) as connection:
        open_batches = frozenset(str(batch) for batch, _ in list_open_batches(connection))
        rows = list_releasable(connection)
    return [
        *_workspaces(rows, open_batches),
        *_volumes(night, rows, open_batches, now),
        *_work_lists(night, open_batches, now),
        *_pods(night, open_batches, now),
        *_labels(night, open_batches),
        *_gates(night, now),
    ]


def apply_cleaning(night: Night, plan: Sequence[Removal], now: dt.datetime) -> int:
    """Remove what the plan says; what is gone already counts as removed. Gives the count."""
    for removal in plan:
        if removal.row is not None:
            batch, account = BatchId(removal.row.batch), AccountName(removal.row.account)
            delete_workspace(night, batch, account, removal.row.path, lambda: now)
        elif removal.kind == "volume":
            delete_volume(night.cluster, removal.name)
        elif removal.kind == "work-list":
            delete_config_map(night.cluster, removal.name)
        elif removal.kind == "label":
            remove_from_pool(night.cluster, PoolNode(NodeName(removal.name), "", removal.batch))
        elif removal.kind == "gate":
            open_gate(night.cluster, removal.name)
        else:
            delete_pod(night.cluster, removal.name)
    return len(plan)


def _workspaces(rows: Sequence[WorkspaceRow], open_batches: frozenset[str]) -> Iterator[Removal]:
    for row in rows:
        if str(row.batch) not in open_batches:
            reason = f"batch {row.batch} is over and its scans have ended"
            yield Removal("workspace", row.path, reason, row)


def _volumes(
    night: Night, rows: Sequence[WorkspaceRow], open_batches: frozenset[str], now: dt.datetime
) -> Iterator[Removal]:
    planned = {row.path for row in rows}
    for volume in list_volumes(night.cluster):
        settled = now - volume.created_at > SETTLING
        if settled and volume.batch not in open_batches and volume.name not in planned:
            yield Removal("volume", volume.name, f"no open batch {volume.batch} needs it")


def _work_lists(night: Night, open_batches: frozenset[str], now: dt.datetime) -> Iterator[Removal]:
    for one in list_config_maps(night.cluster):
        batch = one.labels.get(BATCH)
        if batch is None or batch in open_batches or now - one.created_at <= SETTLING:
            continue
        yield Removal("work-list", one.name, f"no open batch {batch} needs it")


def _pods(night: Night, open_batches: frozenset[str], now: dt.datetime) -> Iterator[Removal]:
    """Find pods that Airflow made and forgot: active_deadline_seconds ends only started ones."""
    for pod in list_pods(night.cluster, {**OUR_LABELS, "kubernetes_pod_operator": "True"}):
        batch = pod.meta.labels.get(BATCH)
        if batch is None or batch in open_batches or now - pod.meta.created_at <= SETTLING:
            continue
        yield Removal("pod", pod.meta.name, f"no open batch {batch} needs it ({pod.phase})")


def _labels(night: Night, open_batches: frozenset[str]) -> Iterator[Removal]:
    for node in list_pool(night.cluster):
        if node.batch and node.batch not in open_batches:
            reason = f"batch {node.batch}, which labelled it, is over"
            yield Removal("label", node.name, reason, batch=node.batch)


def _gates(night: Night, now: dt.datetime) -> Iterator[Removal]:
    """Find pods whose gate nobody has opened: their task died between two calls."""
    pods = list_scan_pods(night.cluster, {"kubernetes_pod_operator": "True"}, only_pending=True)
    for pod in sort_waiting(pods, now, Patience()).stuck:
        yield Removal("gate", pod.name, f"gated for {pod.age_seconds(now):.0f} s")
