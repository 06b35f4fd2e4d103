"""What all Kubernetes objects share, read from their JSON."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.kubejson import as_mapping, as_strings
from nightshift.errors import Invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Metadata:
    """An object's metadata.

    :param created_at: aware, UTC.
    :param deleting: deletion was asked for and has not ended.
    """

    name: str
    namespace: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    created_at: dt.datetime
    deleting: bool = False


def parse_metadata(obj: Mapping[str, Any]) -> Metadata:
    """Read ``metadata``.

    :raises ValueError: with the path of the fault.
    """
    meta = as_mapping(obj.get("metadata"), "metadata")
    return Metadata(
        name=str(meta.get("name", "")),
        namespace=str(meta.get("namespace", "")),
        uid=str(meta.get("uid", "")),
        labels=as_strings(meta.get("labels"), "metadata.labels"),
        annotations=as_strings(meta.get("annotations"), "metadata.annotations"),
        created_at=parse_time(str(meta.get("creationTimestamp", ""))),
        deleting=meta.get("deletionTimestamp") is not None,
    )


def parse_time(text: str) -> dt.datetime:
    """Read an RFC 3339 time as Kubernetes writes it.

    :raises ValueError: if it is none, or names no zone.
    """
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return time.astimezone(dt.UTC)


def read_object(cluster: Cluster, obj: Object, parse: Callable[[Object], T]) -> T:
    """Turn an object into ours at the door.

    :raises Invalid: if it does not have the shape that its kind has.
    """
    try:
        return parse(obj)
    except (ValueError, KeyError) as error:
        name = (obj.get("metadata") or {}).get("name", "without a name")
        raise Invalid(
            f"{cluster.server} sent an object ({name}) that we cannot read: {error}"
        ) from error
