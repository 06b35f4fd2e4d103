"""What the cluster is asked before the level is chosen."""

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.rights import is_allowed, read_rights, read_version
from nightshift.domain.placement.steering import Rights, SteeringChoice
from nightshift.domain.steering.choosing import choose_or_weaken
from nightshift.embedded.kube.background import BackgroundCluster

CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
REVIEWS = "selfsubjectaccessreviews"


def make_class(cluster: Cluster, policy: str, name: str = "scans") -> str:
    body = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": -11,
        "preemptionPolicy": policy,
    }
    cluster.create(CLASSES, body)
    return name


def test_everything_that_is_granted_is_found(cluster: Cluster) -> None:
    granted = read_rights(cluster, make_class(cluster, "Never"))
    assert granted.rights == Rights(read_version(cluster), True, True)
    assert read_version(cluster) >= (1, 35)
    assert granted.remarks == ()


def test_what_is_refused_is_not_used(cluster: Cluster, server: BackgroundCluster) -> None:
    name = make_class(cluster, "Never")
    server.call(lambda local: local.faults.add("POST", REVIEWS, 403, times=2))
    assert read_rights(cluster, name).rights == Rights(read_version(cluster), False, False)
    assert is_allowed(cluster, "patch", "nodes"), "the fault was meant for two calls"


def test_a_hidden_version_is_unknown(cluster: Cluster, server: BackgroundCluster) -> None:
    server.call(lambda local: local.faults.add("GET", "/version", 403))
    assert read_version(cluster) == (0, 0)


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        pytest.param(None, "NIGHTSHIFT_PRIORITY_CLASS=nightshift-scans", id="no class"),
        pytest.param("PreemptLowerPriority", "lets pods evict others", id="preempts"),
        pytest.param("missing", "cannot be read", id="missing"),
    ],
)
def test_pods_that_could_evict_others_are_not_nominated(
    cluster: Cluster, policy: str | None, why: str
) -> None:
    name = ""
    if policy is not None:
        name = "gone" if policy == "missing" else make_class(cluster, policy)
    granted = read_rights(cluster, name)
    assert granted.rights == Rights(read_version(cluster), True, True, preempts=True)
    assert not choose_or_weaken(SteeringChoice.AUTO, 500, granted).level.nominates
    (remark,) = granted.remarks
    assert why in remark
