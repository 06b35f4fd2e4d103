"""``eks``: a managed node group of Amazon EKS. Needs the extra ``eks`` (boto3).

Lowering ``desiredSize`` lets AWS choose which nodes go and ignores disruption budgets. So bounds
are lowered, nodes are drained by us, and exactly these instances are terminated, each with its
place in the group. Where the cluster's autoscaler fills the group (its tag says so),
``desiredSize`` is its own.

Permissions: eks:DescribeNodegroup, eks:UpdateNodegroupConfig, eks:TagResource and
eks:UntagResource on the node group; autoscaling:DescribeAutoScalingGroups,
autoscaling:DescribeAutoScalingInstances, and autoscaling:TerminateInstanceInAutoScalingGroup on its
group.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import (
    FieldName,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.domain.kubejson import as_int, as_mapping, as_strings
from nightshift.errors import Conflict, Invalid, NotFound
from nightshift.nodepools.aws_errors import aws_errors
from nightshift.nodepools.drivers import Capabilities, Tempo
from nightshift.nodepools.waiting import wait_until

_PREFIX = "nightshift/"
_ENCODED = "b64:"
_AUTOSCALED = "k8s.io/cluster-autoscaler/enabled"
_SIZES = {
    FieldName.MIN_NODES: "minSize",
    FieldName.MAX_NODES: "maxSize",
    FieldName.TARGET_NODES: "desiredSize",
}


@dataclass(frozen=True, slots=True)
class EksPool:
    """One managed node group.

    :param name: of the pool in the policy.
    :param kube: the cluster that the nodes are of; it knows their instances.
    :param eks: boto3's client, as is ``autoscaling``; it ships no types.
    """

    name: str
    kube: Cluster
    eks: Any
    autoscaling: Any
    cluster: str
    nodegroup: str

    @property
    def capabilities(self) -> Capabilities:
        """It terminates the instances that we name; it drains nothing when it does."""
        return Capabilities(
            victim_choice=True, self_drains=False, respects_pdb=False, zero_ok=True, per_zone=False
        )

    def get_state(self) -> LiveTarget | None:
        """Read the node group's scaling and our tags.

        :raises NotFound: if there is no such node group.
        """
        return self._parse(self._describe())

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Write sizes and tags, if both are still as they were read.

        AWS has no call for both: a lease is tagged before it lowers anything, and untagged after
        everything is back, so that a crash in between leaves a lease and never a lowered group
        without one.
        """
        there = self._describe()
        live = self._parse(there)
        if live.resource_version != patch.resource_version:
            raise Conflict(f"the node group {self.nodegroup} has changed since it was read")
        adds = {key: value for key, value in patch.annotations.items() if value is not None}
        removes = [key for key, value in patch.annotations.items() if value is None]
        with aws_errors(f"change the node group {self.nodegroup}"):
            if adds:
                tags = {key: _encode(value) for key, value in adds.items()}
                self.eks.tag_resource(resourceArn=there["nodegroupArn"], tags=tags)
            if patch.fields:
                self._resize(there, patch.fields, patch.token)
            if removes:
                self.eks.untag_resource(resourceArn=there["nodegroupArn"], tagKeys=removes)
        return self._parse(self._describe())

    def set_target(self, count: int, token: str) -> None:
        """Ask for so many nodes; only to have more: AWS chooses which go."""
        there = self._describe()
        if count < there["scalingConfig"].get("desiredSize", 0):
            raise Invalid("with fewer nodes AWS would choose which go; drain and remove them")
        with aws_errors(f"resize the node group {self.nodegroup}"):
            self._resize(there, {FieldName.TARGET_NODES: count}, token)

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Terminate these nodes' instances and take their places away; again is no change."""
        for node in nodes:
            instance = self._instance_of(node)
            if instance is None:
                continue
            with aws_errors(f"terminate {instance} of the node {node}"):
                if self._is_leaving(instance):
                    continue
                self.autoscaling.terminate_instance_in_auto_scaling_group(
                    InstanceId=instance, ShouldDecrementDesiredCapacity=True
                )

    def wait(self, tempo: Tempo) -> None:
        """Wait until the node group's last update has been carried out."""
        wait_until(self._why_busy, tempo, f"the node group {self.nodegroup}")

    def _why_busy(self) -> str:
        status = str(self._describe().get("status"))
        return "" if status == "ACTIVE" else f"is {status}"

    def _describe(self) -> dict[str, Any]:
        with aws_errors(f"read the node group {self.nodegroup}"):
            answer = self.eks.describe_nodegroup(
                clusterName=self.cluster, nodegroupName=self.nodegroup
            )
        found: dict[str, Any] = answer["nodegroup"]
        return found

    def _parse(self, group: Mapping[str, Any]) -> LiveTarget:
        sizes = as_mapping(group.get("scalingConfig"), "scalingConfig")
        tags = as_strings(group.get("tags"), "tags")
        desired = as_int(sizes.get("desiredSize"), "scalingConfig.desiredSize")
        groups, instances = self._groups(group)
        known = {
            name: as_int(sizes.get(key), f"scalingConfig.{key}") for name, key in _SIZES.items()
        }
        if _AUTOSCALED in tags or any(_AUTOSCALED in one for one in groups):
            known.pop(FieldName.TARGET_NODES)
        fields: dict[FieldName, FieldValue] = {**known}
        ours = {key: _decode(value) for key, value in tags.items() if key.startswith(_PREFIX)}
        return LiveTarget(
            id=TargetId(ObjectKind.NODE_POOL, "", self.name),
            resource_version=_digest(sizes, ours),
            fields=fields,
            annotations=ours,
            status=LiveStatus(
                replicas=desired,
                ready=instances,
                rolling_out=group.get("status") == "UPDATING",
            ),
        )

    def _groups(self, group: Mapping[str, Any]) -> tuple[list[set[str]], int]:
        """Give the tags of the node group's Auto Scaling groups, and their instances in service."""
        resources = as_mapping(group.get("resources"), "resources")
        names = [str(one["name"]) for one in resources.get("autoScalingGroups") or []]
        if not names:
            return [], 0
        with aws_errors(f"read the Auto Scaling groups of {self.nodegroup}"):
            answer = self.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=names)
        found = answer.get("AutoScalingGroups") or []
        tags = [{str(tag["Key"]) for tag in one.get("Tags") or []} for one in found]
        serving = sum(
            instance.get("LifecycleState") == "InService"
            for one in found
            for instance in one.get("Instances") or []
        )
        return tags, serving

    def _resize(
        self, there: Mapping[str, Any], fields: Mapping[FieldName, FieldValue], token: str
    ) -> None:
        sizes = dict(as_mapping(there.get("scalingConfig"), "scalingConfig"))
        sizes |= {_SIZES[name]: int(value or 0) for name, value in fields.items()}
        low, high = int(sizes["minSize"]), int(sizes["maxSize"])
        if low > high:
            raise Invalid(f"{self.nodegroup}: the minimum {low} is above the maximum {high}")
        if FieldName.TARGET_NODES not in fields:
            sizes["desiredSize"] = min(max(int(sizes.get("desiredSize", low)), low), high)
            if sizes["desiredSize"] < int(there["scalingConfig"].get("desiredSize", 0)):
                raise Invalid(
                    f"{self.nodegroup} has more nodes than a maximum of {high}; drain them first: "
                    "AWS would choose which go"
                )
        once = json.dumps([token, sizes], sort_keys=True)
        self.eks.update_nodegroup_config(
            clusterName=self.cluster,
            nodegroupName=self.nodegroup,
            scalingConfig=sizes,
            clientRequestToken=hashlib.sha256(once.encode()).hexdigest()[:64],
        )

    def _instance_of(self, node: str) -> str | None:
        """Give the instance behind a node; None if the node is gone."""
        try:
            obj = self.kube.get(f"/api/v1/nodes/{node}")
        except NotFound:
            return None
        provider = str(as_mapping(obj.get("spec"), "spec").get("providerID") or "")
        instance = provider.rpartition("/")[2]
        if not provider.startswith("aws://") or not instance.startswith("i-"):
            raise Invalid(f"the node {node} says that it is {provider!r}, which is no EC2 instance")
        return instance

    def _is_leaving(self, instance: str) -> bool:
        answer = self.autoscaling.describe_auto_scaling_instances(InstanceIds=[instance])
        found = answer.get("AutoScalingInstances") or []
        return not found or str(found[0].get("LifecycleState", "")).startswith("Terminat")


def _encode(value: str) -> str:
    """Write a tag's value in characters that AWS takes; JSON has others."""
    return _ENCODED + base64.urlsafe_b64encode(value.encode()).decode()


def _decode(value: str) -> str:
    if not value.startswith(_ENCODED):
        return value
    with suppress(ValueError):
        return base64.urlsafe_b64decode(value.removeprefix(_ENCODED)).decode()
    return value  # somebody wrote over it: then whoever reads the lease refuses it


def _digest(sizes: Mapping[str, Any], tags: Mapping[str, str]) -> str:
    text = json.dumps([dict(sizes), dict(tags)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
