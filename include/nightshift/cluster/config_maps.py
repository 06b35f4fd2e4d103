"""Work lists as ConfigMaps: small files that pods mount read-only and cannot change."""

from collections.abc import Mapping

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.labels import are_ours, our_labels, selector
from nightshift.cluster.objects import Metadata, parse_metadata, read_object
from nightshift.domain.pods import OUR_LABELS
from nightshift.errors import Conflict, Invalid, NotFound

MAX_BYTES = 1_000_000
"""A ConfigMap holds 1 MiB, keys and values together; the rest is room for its metadata."""

COMPONENT = "work-list"


def write_config_map(
    cluster: Cluster,
    name: str,
    files: Mapping[str, str],
    labels: Mapping[str, str],
    owner: Object | None = None,
) -> Metadata:
    """Make sure that an immutable ConfigMap of ours has exactly these files.

    Safe to repeat: an equal one stays, a different one of ours is replaced.

    :param files: file name to text.
    :param labels: from ``our_labels``.
    :param owner: an object with kind and metadata; when it is deleted the ConfigMap goes with it.
    :raises Invalid: if the files are too large together, or the name is taken by something that
        is not ours.
    """
    size = sum(len(key) + len(text.encode()) for key, text in files.items())
    if size > MAX_BYTES:
        raise Invalid(
            f"the work list {name} has {size:,} bytes, a ConfigMap holds {MAX_BYTES:,}: "
            "make shards smaller (NIGHTSHIFT_SHARD_TARGET_SECONDS)"
        )
    body = build_config_map(name, files, labels, owner)
    try:
        created = cluster.create(cluster.path("configmaps"), body)
    except Conflict:
        created = _reuse_or_replace(cluster, name, body)
    return read_object(cluster, created, parse_metadata)


def build_config_map(
    name: str, files: Mapping[str, str], labels: Mapping[str, str], owner: Object | None = None
) -> Object:
    """Write the manifest of an immutable ConfigMap."""
    meta: Object = {"name": name, "labels": dict(labels)}
    if owner is not None:
        keys = {"apiVersion": owner["apiVersion"], "kind": owner["kind"]}
        identity = {key: owner["metadata"][key] for key in ("name", "uid")}
        meta["ownerReferences"] = [{**keys, **identity}]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta,
        "data": dict(files),
        "immutable": True,
    }


def delete_config_map(cluster: Cluster, name: str) -> bool:
    """Delete a ConfigMap; False if it is not there any more."""
    try:
        cluster.delete(cluster.path("configmaps", name))
    except NotFound:
        return False
    return True


def list_config_maps(cluster: Cluster, labels: Mapping[str, str] = OUR_LABELS) -> list[Metadata]:
    """List the metadata of ConfigMaps that have all of ``labels``; by default all of ours."""
    found = cluster.iterate(cluster.path("configmaps"), labelSelector=selector(labels))
    return [read_object(cluster, obj, parse_metadata) for obj in found]


def work_list_labels(**more: str) -> dict[str, str]:
    """Label a work list; see ``our_labels``."""
    return our_labels(COMPONENT, **more)


def _reuse_or_replace(cluster: Cluster, name: str, body: Object) -> Object:
    path = cluster.path("configmaps", name)
    try:
        there = cluster.get(path)
    except NotFound:  # deleted since: the name is free again
        return cluster.create(cluster.path("configmaps"), body)
    if not are_ours(read_object(cluster, there, parse_metadata).labels):
        raise Invalid(
            f"the ConfigMap {cluster.namespace}/{name} is there and is not Nightshift's: "
            "delete or rename it"
        )
    if there.get("data") == body["data"] and _owners(there) == _owners(body):
        return there
    delete_config_map(cluster, name)
    return cluster.create(cluster.path("configmaps"), body)


def _owners(obj: Object) -> set[str]:
    return {one["uid"] for one in obj["metadata"].get("ownerReferences") or []}
