from typing import Any

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.config_maps import (
    MAX_BYTES,
    delete_config_map,
    list_config_maps,
    work_list_labels,
    write_config_map,
)
from nightshift.domain.ids import CommitSha, RepositoryName, ScanName, ScannerName
from nightshift.domain.jsonvalues import dump
from nightshift.domain.shards import ShardLimits
from nightshift.domain.worklists import ScanItem
from nightshift.errors import Invalid

LABELS = work_list_labels(batch="7", account="acme", shard="s001")


def read(cluster: Cluster, name: str) -> dict[str, Any]:
    return cluster.get(cluster.path("configmaps", name))


def test_a_work_list_is_immutable_and_labelled(cluster: Cluster) -> None:
    write_config_map(cluster, "w", {"scan.json": "{}"}, LABELS)
    there = read(cluster, "w")
    assert there["data"] == {"scan.json": "{}"}
    assert there["immutable"] is True
    assert there["metadata"]["labels"]["nightshift/shard"] == "s001"


def test_writing_the_same_again_changes_nothing(cluster: Cluster) -> None:
    write_config_map(cluster, "w", {"a": "1"}, LABELS)
    before = read(cluster, "w")
    write_config_map(cluster, "w", {"a": "1"}, LABELS)
    assert read(cluster, "w") == before


def test_other_files_replace_it(cluster: Cluster) -> None:
    write_config_map(cluster, "w", {"a": "1"}, LABELS)
    write_config_map(cluster, "w", {"b": "2"}, LABELS)
    assert read(cluster, "w")["data"] == {"b": "2"}


def test_another_owner_replaces_it_so_that_the_old_ones_end_does_not_take_it_along(
    cluster: Cluster,
) -> None:
    def owner(uid: str) -> dict[str, Any]:
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "uid": uid}}

    write_config_map(cluster, "w", {"a": "1"}, LABELS, owner("old"))
    first = read(cluster, "w")["metadata"]["uid"]
    write_config_map(cluster, "w", {"a": "1"}, LABELS, owner("new"))
    there = read(cluster, "w")["metadata"]
    assert there["uid"] != first
    assert [one["uid"] for one in there["ownerReferences"]] == ["new"]


def test_somebody_elses_is_left_alone(cluster: Cluster) -> None:
    theirs = {"metadata": {"name": "w"}, "data": {"a": "theirs"}}
    cluster.create(cluster.path("configmaps"), theirs)
    with pytest.raises(Invalid, match="default/w is there and is not Nightshift's"):
        write_config_map(cluster, "w", {"a": "1"}, LABELS)
    assert read(cluster, "w")["data"] == {"a": "theirs"}


def test_what_is_too_large_is_refused_before_it_is_sent(cluster: Cluster) -> None:
    with pytest.raises(Invalid, match="NIGHTSHIFT_SHARD_TARGET_SECONDS"):
        write_config_map(cluster, "w", {"a": "é" * (MAX_BYTES // 2)}, LABELS)
    assert list_config_maps(cluster) == []


def test_the_largest_shard_that_is_planned_fits(cluster: Cluster) -> None:
    item = ScanItem(
        ScanName(f"{9:018d}-{'r' * 100}-{'s' * 40}"),
        RepositoryName("r" * 100),
        CommitSha("f" * 64),
        ScannerName("s" * 40),
        cache_key="c" * 64,
        deadline_seconds=86_400,
        memory_bytes=10**14,
    )
    assert len(dump(item)) * ShardLimits().max_scans < 900 * 1024


def test_only_ours_are_listed_and_deleting_twice_is_fine(cluster: Cluster) -> None:
    cluster.create(cluster.path("configmaps"), {"metadata": {"name": "theirs"}})
    write_config_map(cluster, "w", {}, LABELS)
    assert [one.name for one in list_config_maps(cluster)] == ["w"]
    assert list_config_maps(cluster, work_list_labels(batch="8")) == []
    assert [delete_config_map(cluster, "w") for _ in range(2)] == [True, False]
