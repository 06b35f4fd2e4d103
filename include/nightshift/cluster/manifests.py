"""Build Jobs from a template. Pure: plain JSON in, plain JSON out; the template is not modified."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Object
from nightshift.domain.quantities import format_bytes, format_cpu
from nightshift.domain.resources import Resources


@dataclass(frozen=True, slots=True)
class JobParts:
    """What one Job has that its template has not.

    :param arguments: by container name, init containers too; added to its command.
    :param request: what each container asks for. They run one after another, so the pod asks for
        no more. The memory is also the limit; CPU has none.
    :param affinity: camelCase JSON; empty for none.
    :param deadline_seconds: of the pod, from its start on a node: waiting for a node is not work.
    :param config_map: what the volume ``work`` shows.
    :param git_secret: what the volume ``git-credentials`` shows, if the template has one.
    """

    name: str
    labels: Mapping[str, str]
    image: str
    image_pull_policy: str
    arguments: Mapping[str, tuple[str, ...]]
    request: Resources
    affinity: Mapping[str, Any]
    deadline_seconds: int
    config_map: str
    git_secret: str
    service_account: str = "default"
    priority_class: str = ""


def build_job(template: Mapping[str, Any], parts: JobParts) -> Object:
    """Fill a checked template in; see ``config.job_templates``."""
    job: Object = copy.deepcopy(dict(template))
    meta = _object_at(job, "metadata")
    meta["name"] = parts.name
    _object_at(meta, "labels").update(parts.labels)
    pod_template = job["spec"]["template"]
    _object_at(_object_at(pod_template, "metadata"), "labels").update(parts.labels)
    pod = pod_template["spec"]
    pod["activeDeadlineSeconds"] = parts.deadline_seconds
    pod["serviceAccountName"] = parts.service_account
    if parts.priority_class:
        pod["priorityClassName"] = parts.priority_class
    if parts.affinity:
        _object_at(pod, "affinity").update(copy.deepcopy(dict(parts.affinity)))
    for container in [*pod["initContainers"], *pod["containers"]]:
        if container.get("name") in parts.arguments:
            _fill_container(container, parts)
    for volume in pod["volumes"]:
        _fill_volume(volume, parts)
    return job


def build_resources(request: Resources) -> Object:
    """Write a container's resources: memory is limited to the request, CPU is not limited."""
    memory = format_bytes(request.memory_bytes)
    requests = {"cpu": format_cpu(request.cpu_millis), "memory": memory}
    others = {name: format_bytes(amount) for name, amount in request.extended.items()}
    return {"requests": {**requests, **others}, "limits": {"memory": memory, **others}}


def _fill_container(container: Object, parts: JobParts) -> None:
    container["image"] = container.get("image") or parts.image
    container["imagePullPolicy"] = container.get("imagePullPolicy") or parts.image_pull_policy
    container["args"] = [*parts.arguments[container["name"]]]
    container["resources"] = build_resources(parts.request)


def _fill_volume(volume: Object, parts: JobParts) -> None:
    if volume.get("name") == "work":
        volume["configMap"] = {"name": parts.config_map}
    elif volume.get("name") == "git-credentials":
        _object_at(volume, "secret")["secretName"] = parts.git_secret


def _object_at(parent: Object, key: str) -> Object:
    """Give the object under ``key``; one is made where the template leaves it out."""
    found: Object = parent.get(key) or {}
    parent[key] = found
    return found
