"""A volume for each account, the clone pods that fill it, and its end.

A volume is leased in the store before it is made and released only when all of its account's scans
have ended; whatever a crash leaves between the two, the janitor finds in the store.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from nightshift.clock import Clock
from nightshift.cluster.config_maps import (
    delete_config_map,
    list_config_maps,
    work_list_labels,
    write_config_map,
)
from nightshift.cluster.labels import our_labels
from nightshift.cluster.pool import list_pool, remove_from_pool
from nightshift.cluster.volumes import (
    VolumeRequest,
    delete_volume,
    ensure_volume,
    volume_name,
    wait_for_volume,
)
from nightshift.cluster.waiting import Pace
from nightshift.domain.ids import AccountName, parse_commit_sha
from nightshift.domain.jsonvalues import dump
from nightshift.domain.names import object_name
from nightshift.domain.shards import CloneRequest, Shard, ShardLimits, plan_clone_shards
from nightshift.domain.worklists import CloneItem, CloneLimits, CloneWorkList
from nightshift.orchestration.pods import REQUESTS, ShardPod, Stage, mapped_kwargs
from nightshift.orchestration.steps.connections import Night, connected
from nightshift.settings import Settings
from nightshift.store.engines import transaction
from nightshift.store.records import BatchId, OpenScan, ShardRecord
from nightshift.store.scans import list_scans
from nightshift.store.shards import save_clone_shards
from nightshift.store.workspaces import (
    lease_workspace,
    list_releasable,
    mark_deleted,
    release_workspace,
)

log = logging.getLogger(__name__)

CLONE_BYTES_PER_SECOND = 5_000_000
"""A careful guess at what a fetch and its tree take; a repository's last size makes it better."""
CLONE_START_SECONDS = 2.0
DEADLINE_SECONDS = 900
VOLUME_SECONDS = 300


def prepare(settings: Settings, batch: int, now: Clock) -> list[dict[str, Any]]:
    """Make the volumes of the batch's accounts and plan the clone pods; safe to repeat.

    :returns: one item of ``expand_kwargs`` a clone pod; empty when nothing is to be scanned.
    :raises VolumeNotReady: if a claim stays Pending; the text has the provisioner's reason.
    """
    number = BatchId(batch)
    with connected(settings) as night:
        with transaction(night.writer) as connection:
            scans = list_scans(connection, number, only_open=True)
            for account in _accounts(scans):
                claim = volume_name(account, batch)
                lease_workspace(connection, number, account, claim, now())
        for account in _accounts(scans):
            request = VolumeRequest.from_settings(settings, account, batch)
            ensure_volume(night.cluster, request)
        for account in _accounts(scans):
            wait_for_volume(night.cluster, volume_name(account, batch), Pace(VOLUME_SECONDS))
        shards = _plan_clones(settings, scans)
        with transaction(night.writer) as connection:
            save_clone_shards(connection, number, [_record(shard) for shard in shards])
        return [_clone_pod(night, batch, shard, scans) for shard in shards]


def clean(settings: Settings, batch: int, now: Clock) -> int:
    """Delete the volumes and work lists of accounts whose scans have all ended; count volumes.

    The batch's nodes leave the pool first, whatever becomes of the rest.
    """
    with connected(settings) as night:
        for node in list_pool(night.cluster):
            if node.batch == str(batch):
                remove_from_pool(night.cluster, node)
        with transaction(night.writer) as connection:
            ready = [row for row in list_releasable(connection) if row.batch == batch]
        for row in ready:
            delete_workspace(night, row.batch, row.account, row.path, now)
        left = list_config_maps(night.cluster, our_labels("work-list", batch=str(batch)))
        for one in left:
            delete_config_map(night.cluster, one.name)
        return len(ready)


def delete_workspace(
    night: Night, batch: BatchId, account: AccountName, claim: str, now: Clock
) -> None:
    """Release one account's volume and delete it; each step may be repeated."""
    with transaction(night.writer) as connection:
        release_workspace(connection, batch, account, now())
    delete_volume(night.cluster, claim)
    with transaction(night.writer) as connection:
        mark_deleted(connection, batch, account, now())
    log.info("deleted the workspace of %s in batch %s", account, batch)


def write_work_list(night: Night, batch: int, shard: str, text: str) -> tuple[str, str]:
    """Write a shard's work list as a ConfigMap.

    :returns: its name, and the SHA-256 of the list in hex.
    """
    name = object_name("work", str(batch), shard)
    labels = work_list_labels(batch=str(batch), shard=shard)
    write_config_map(night.cluster, name, {f"{shard}.json": text}, labels)
    return name, hashlib.sha256(text.encode()).hexdigest()


def work_arguments(shard: str, sha256: str) -> tuple[str, ...]:
    """Tell a pod where its work list is, and its checksum."""
    return ("--work-list", f"/nightshift/work/{shard}.json", "--sha256", sha256)


def _accounts(scans: Iterable[OpenScan]) -> list[AccountName]:
    return sorted({scan.account for scan in scans})


def _plan_clones(settings: Settings, scans: Sequence[OpenScan]) -> tuple[Shard, ...]:
    once = {(scan.account, scan.repository): scan for scan in scans}
    requests = [
        CloneRequest(
            account=scan.account,
            repository=scan.repository,
            request=REQUESTS[Stage.CLONE],
            expected_seconds=CLONE_START_SECONDS + scan.last_bytes / CLONE_BYTES_PER_SECOND,
            deadline_seconds=DEADLINE_SECONDS,
        )
        for scan in once.values()
    ]
    limits = ShardLimits(settings.shard_target_seconds, max_shards=settings.max_shards)
    return plan_clone_shards(requests, limits)


def _clone_pod(night: Night, batch: int, shard: Shard, scans: Sequence[OpenScan]) -> dict[str, Any]:
    commits = {s.repository: s for s in scans if s.account == shard.account}
    work = CloneWorkList(
        batch=batch,
        shard=shard.name,
        account=shard.account,
        protocols=night.settings.git_protocols,
        items=tuple(
            CloneItem(name, commits[name].remote, parse_commit_sha(commits[name].commit))
            for name in shard.repositories
        ),
        limits=CloneLimits(seconds=DEADLINE_SECONDS),
    )
    name, sha256 = write_work_list(night, batch, shard.name, dump(work))
    return mapped_kwargs(
        ShardPod(
            batch=batch,
            shard=shard.name,
            account=shard.account,
            claim=volume_name(shard.account, batch),
            arguments=work_arguments(shard.name, sha256),
            request=shard.request,
            deadline_seconds=shard.deadline_seconds,
            work=name,
        )
    )


def _record(shard: Shard) -> ShardRecord:
    return ShardRecord(
        name=shard.name,
        account=shard.account,
        repositories=shard.repositories,
        expected_seconds=shard.expected_seconds,
        plan={"why": shard.why},
    )
