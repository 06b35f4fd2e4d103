"""The managed instance groups of Compute Engine behind a node pool: one a zone."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nightshift.errors import Invalid
from nightshift.nodepools.google_errors import google_errors

if TYPE_CHECKING:
    from google.cloud.compute_v1.services.instance_group_managers import (
        InstanceGroupManagersClient,
    )

TIMEOUT_SECONDS = 30.0
_LEAVING = frozenset({"DELETING", "ABANDONING"})


@dataclass(frozen=True, slots=True)
class Group:
    """One group as it was read.

    :param size: the instances that it is to have.
    :param stable: nothing is being added or removed.
    """

    project: str
    zone: str
    name: str
    size: int
    stable: bool


@dataclass(frozen=True, slots=True)
class InstanceGroups:
    """Reads groups, and deletes instances with their places."""

    client: "InstanceGroupManagersClient"

    def read(self, urls: Iterable[str]) -> list[Group]:
        """Read the groups behind a node pool's ``instance_group_urls``."""
        return [self._read(url) for url in urls]

    def _read(self, url: str) -> Group:
        parts = url.split("/")[-6:]
        if len(parts) != 6 or (parts[0], parts[2]) != ("projects", "zones"):
            raise Invalid(f"{url!r} is no managed instance group of a zone")
        project, zone, name = parts[1], parts[3], parts[5]
        with google_errors(f"read the instance group {name}"):
            found = self.client.get(
                project=project,
                zone=zone,
                instance_group_manager=name,
                retry=None,
                timeout=TIMEOUT_SECONDS,
            )
        return Group(project, zone, name, found.target_size, found.status.is_stable)

    def find(self, groups: Iterable[Group], zone: str, instance: str) -> tuple[Group, str] | None:
        """Give the group that has an instance, and what it does to it; None if none has."""
        for group in groups:
            if group.zone != zone:
                continue
            with google_errors(f"list the instances of {group.name}"):
                listed = self.client.list_managed_instances(
                    project=group.project,
                    zone=zone,
                    instance_group_manager=group.name,
                    retry=None,
                    timeout=TIMEOUT_SECONDS,
                )
                for one in listed:
                    if one.instance.rpartition("/")[2] == instance:
                        return group, one.current_action
        return None

    def delete(self, group: Group, instance: str, token: str) -> None:
        """Delete one instance and take its place away; with the same token it counts once."""
        from google.cloud.compute_v1.types import (
            DeleteInstancesInstanceGroupManagerRequest,
            InstanceGroupManagersDeleteInstancesRequest,
        )

        once = uuid.uuid5(uuid.NAMESPACE_URL, f"{token}/{group.name}/{instance}")
        body = InstanceGroupManagersDeleteInstancesRequest(
            instances=[f"zones/{group.zone}/instances/{instance}"],
            skip_instances_on_validation_error=True,
        )
        request = DeleteInstancesInstanceGroupManagerRequest(
            project=group.project,
            zone=group.zone,
            instance_group_manager=group.name,
            request_id=str(once),
            instance_group_managers_delete_instances_request_resource=body,
        )
        with google_errors(f"delete the instance {instance} of {group.name}"):
            self.client.delete_instances_unary(request, retry=None, timeout=TIMEOUT_SECONDS)


def is_leaving(action: str) -> bool:
    """Tell whether a group is taking an instance away already."""
    return action in _LEAVING
