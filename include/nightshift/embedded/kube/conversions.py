"""Between the version that a client speaks and the one that is stored.

Two cases only: events are stored as core/v1 and also served as events.k8s.io/v1; the versions of
a custom resource differ in nothing but apiVersion (strategy None).
"""

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import Resource

_EVENT_FIELDS = (  # core/v1, events.k8s.io/v1
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("source", "deprecatedSource"),
    ("reportingComponent", "reportingController"),
)


def to_served(resource: Resource, stored: Object) -> Object:
    """Give an object in the version of ``resource``; the stored one is not modified."""
    if resource.storage_key == "events":
        renamed = dict(_EVENT_FIELDS)
        served = {renamed.get(field, field): value for field, value in stored.items()}
        return {**served, "apiVersion": resource.api_version}
    if stored.get("apiVersion") == resource.api_version:
        return stored
    return {**stored, "apiVersion": resource.api_version}


def to_stored(resource: Resource, obj: Object) -> Object:
    """Give an object as it is stored; ``obj`` is not modified."""
    if resource.storage_key != "events":
        return obj
    renamed = {new: old for old, new in _EVENT_FIELDS}
    stored = {renamed.get(field, field): value for field, value in obj.items()}
    return {**stored, "apiVersion": "v1"}
