"""A managed node group as a node pool, with the real boto3 against a pretended AWS."""

import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.policies_pools import NodePool, PoolBounds, PoolDriver
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.targets import FieldName, Patch
from nightshift.domain.leases.annotations import read_lease, write_lease
from nightshift.errors import (
    ClusterUnavailable,
    Conflict,
    Forbidden,
    Invalid,
    NightshiftError,
    NotFound,
    TooManyRequests,
)
from nightshift.nodepools.aws_errors import aws_errors
from nightshift.nodepools.building import build_driver
from nightshift.nodepools.drivers import Tempo, pool_facts
from nightshift.nodepools.eks import EksPool
from nightshift.weekend.connections import ConnectionFacts
from tests.capacity.capacity_support import Hand, lease_for

REGION = "eu-central-1"
ALLOWED = set(string.ascii_letters + string.digits + " +-=._:/@")
GENERAL = NodePool(
    "general",
    PoolDriver.EKS,
    PoolBounds(1, 3, 2),
    parse_label_selector("pool=general"),
    {"cluster": "prod", "nodegroup": "general", "conn_id": "aws_default", "region": REGION},
)


class TaggedEks:
    """boto3's client, with tags of node groups: moto keeps those of clusters alone."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.tags: dict[str, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def describe_nodegroup(self, **kwargs: str) -> Any:
        answer = self.client.describe_nodegroup(**kwargs)
        answer["nodegroup"]["tags"] = dict(self.tags)
        return answer

    def tag_resource(self, resourceArn: str, tags: dict[str, str]) -> None:  # noqa: N803 - AWS's
        assert all(set(value) <= ALLOWED and len(value) <= 256 for value in tags.values())
        self.tags |= tags

    def untag_resource(self, resourceArn: str, tagKeys: list[str]) -> None:  # noqa: N803 - AWS's
        for key in tagKeys:
            self.tags.pop(key, None)


class Aws:
    """A cluster, a node group and its Auto Scaling group of three instances."""

    def __init__(self) -> None:
        self.ec2 = boto3.client("ec2", REGION)
        self.eks = boto3.client("eks", REGION)
        self.autoscaling = boto3.client("autoscaling", REGION)
        subnet = self.ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        role = "arn:aws:iam::123456789012:role/x"
        vpc = {"subnetIds": [subnet]}
        self.eks.create_cluster(name="prod", roleArn=role, resourcesVpcConfig=vpc)
        group = self.eks.create_nodegroup(
            clusterName="prod",
            nodegroupName="general",
            scalingConfig={"minSize": 2, "maxSize": 6, "desiredSize": 3},
            subnets=[subnet],
            nodeRole=role,
        )["nodegroup"]
        self.arn = group["nodegroupArn"]
        self.group = group["resources"]["autoScalingGroups"][0]["name"]
        image = self.ec2.describe_images()["Images"][0]["ImageId"]
        self.autoscaling.create_launch_configuration(
            LaunchConfigurationName="x", ImageId=image, InstanceType="m5.large"
        )
        self.autoscaling.create_auto_scaling_group(
            AutoScalingGroupName=self.group,
            LaunchConfigurationName="x",
            MinSize=1,
            MaxSize=6,
            DesiredCapacity=3,
            VPCZoneIdentifier=subnet,
        )

    def instances(self) -> list[str]:
        (group,) = self.autoscaling.describe_auto_scaling_groups(
            AutoScalingGroupNames=[self.group]
        )["AutoScalingGroups"]
        assert group["DesiredCapacity"] == len(group["Instances"])
        return [one["InstanceId"] for one in group["Instances"]]

    def sizes(self) -> dict[str, int]:
        found = self.eks.describe_nodegroup(clusterName="prod", nodegroupName="general")
        sizes: dict[str, int] = found["nodegroup"]["scalingConfig"]
        return sizes


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Aws()


@pytest.fixture
def pool(aws: Aws, cluster: Cluster) -> EksPool:
    for number, instance in enumerate(aws.instances(), start=1):
        provider = f"aws:///{REGION}a/{instance}"
        cluster.patch(f"/api/v1/nodes/n{number}", {"spec": {"providerID": provider}})
    hand = Hand()
    tempo = Tempo(hand.clock, hand.sleep)
    made = build_driver(GENERAL, cluster, lambda _: ConnectionFacts("aws"), tempo)
    assert isinstance(made, EksPool)
    return replace(made, eks=TaggedEks(made.eks))


def test_bounds_and_lease_are_written_and_taken_away_again(aws: Aws, pool: EksPool) -> None:
    live = pool.get_state()
    assert live is not None
    assert live.fields == {
        FieldName.MIN_NODES: 2, FieldName.MAX_NODES: 6, FieldName.TARGET_NODES: 3
    }  # fmt: skip
    lease = lease_for(live, {FieldName.MIN_NODES: 1, FieldName.MAX_NODES: 3})
    patch = Patch(lease.applied, write_lease(lease), live.resource_version, lease.id)
    lowered = pool.set_bounds(patch)
    assert aws.sizes() == {"minSize": 1, "maxSize": 3, "desiredSize": 3}
    found = read_lease(lowered)
    assert found is not None
    assert (found.id, found.before, found.due) == (lease.id, lease.before, lease.due)
    gone = dict.fromkeys(lowered.annotations)
    back = Patch(lease.before, gone, lowered.resource_version, "back")
    assert pool.set_bounds(back).annotations == {}
    assert aws.sizes() == {"minSize": 2, "maxSize": 6, "desiredSize": 3}


def test_a_group_that_changed_since_is_not_written(aws: Aws, pool: EksPool) -> None:
    live = pool.get_state()
    assert live is not None
    sizes = {"minSize": 2, "maxSize": 9, "desiredSize": 3}
    aws.eks.update_nodegroup_config(
        clusterName="prod", nodegroupName="general", scalingConfig=sizes
    )
    with pytest.raises(Conflict):
        pool.set_bounds(Patch({FieldName.MAX_NODES: 3}, {}, live.resource_version, "x"))
    assert aws.sizes() == sizes


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({FieldName.MIN_NODES: 9}, "above the maximum"),
        ({FieldName.MAX_NODES: 2}, "AWS would choose which go"),
    ],
    ids=["minimum above maximum, which AWS's pretence takes", "fewer than there are"],
)
def test_sizes_that_would_end_badly_are_refused(
    aws: Aws, pool: EksPool, fields: dict[FieldName, int], why: str
) -> None:
    live = pool.get_state()
    assert live is not None
    with pytest.raises(Invalid, match=why):
        pool.set_bounds(Patch(fields, {}, live.resource_version, "x"))
    assert aws.sizes()["desiredSize"] == 3


def test_exactly_the_named_nodes_are_terminated_and_only_once(aws: Aws, pool: EksPool) -> None:
    before = aws.instances()
    pool.remove(["n2"], "lease")
    assert aws.instances() == [before[0], before[2]]
    pool.remove(["n2"], "lease")
    assert aws.instances() == [before[0], before[2]]


def test_a_node_of_another_cloud_is_refused_and_one_that_is_gone_is_done(
    aws: Aws, pool: EksPool, cluster: Cluster
) -> None:
    pool.remove(["gone"], "lease")
    cluster.patch("/api/v1/nodes/n3", {"spec": {"providerID": None}})
    with pytest.raises(Invalid, match="no EC2 instance"):
        pool.remove(["n3"], "lease")
    assert len(aws.instances()) == 3


def test_where_an_autoscaler_fills_the_group_its_size_is_left_alone(
    aws: Aws, pool: EksPool
) -> None:
    pool.eks.tag_resource(aws.arn, {"k8s.io/cluster-autoscaler/enabled": "true"})
    live = pool.get_state()
    assert live is not None
    assert FieldName.TARGET_NODES not in live.fields
    assert pool_facts("general", pool).removes


def test_more_nodes_can_be_asked_for_and_fewer_cannot(aws: Aws, pool: EksPool) -> None:
    pool.set_target(5, "x")
    assert aws.sizes()["desiredSize"] == 5
    with pytest.raises(Invalid, match="AWS would choose"):
        pool.set_target(1, "x")
    hand = Hand()
    pool.wait(Tempo(hand.clock, hand.sleep))


def test_a_group_that_is_not_there_is_told(aws: Aws, cluster: Cluster) -> None:
    gone = EksPool("x", cluster, aws.eks, aws.autoscaling, "prod", "gone")
    with pytest.raises(NotFound, match="read the node group gone"):
        gone.get_state()


def refusal(code: str, status: int = 400) -> ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "said"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Call")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (refusal("ThrottlingException"), TooManyRequests),
        (refusal("AccessDeniedException"), Forbidden),
        (refusal("ResourceInUseException"), Conflict),
        (refusal("ResourceNotFoundException"), NotFound),
        (refusal("InvalidParameterException"), Invalid),
        (refusal("ServerException", 500), ClusterUnavailable),
        (EndpointConnectionError(endpoint_url="https://eks"), ClusterUnavailable),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else one.__name__,
)
def test_what_aws_says_is_one_of_our_errors(error: Exception, ours: type[NightshiftError]) -> None:
    with pytest.raises(ours), aws_errors("look"):
        raise error
