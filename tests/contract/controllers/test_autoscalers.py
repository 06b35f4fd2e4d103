"""Autoscalers and what they scale

Bounds act at once and without metrics; a target that was set to nothing is left alone.
"""

from typing import Any

from tests.contract.access import Api, Object, condition
from tests.contract.objects import workload


def scaled(api: Api, replicas: int, **bounds: int) -> None:
    """Make a Deployment of so many replicas, and an autoscaler for it."""
    api.create("deployments", workload(api, "w", replicas))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}
    spec = {"scaleTargetRef": target, **bounds}
    api.create("horizontalpodautoscalers", {"metadata": {"name": "h"}, "spec": spec})


def wait_replicas(api: Api, replicas: int) -> Object:
    def is_so(found: Object) -> bool:
        wanted: Any = found["spec"]["replicas"]
        return bool(wanted == replicas)

    return api.wait("deployments", "w", is_so, f"scaled to {replicas}")


def test_target_below_the_least_is_raised_to_it(api: Api) -> None:
    scaled(api, 1, minReplicas=2, maxReplicas=3)
    wait_replicas(api, 2)
    api.patch("horizontalpodautoscalers", "h", body={"spec": {"minReplicas": 3}})
    wait_replicas(api, 3)


def test_target_above_the_most_is_lowered_to_it(api: Api) -> None:
    scaled(api, 2, minReplicas=1, maxReplicas=1)
    wait_replicas(api, 1)


def test_target_of_no_replicas_is_left_alone_and_told_so(api: Api) -> None:
    scaled(api, 0, minReplicas=1, maxReplicas=2)
    found = api.wait(
        "horizontalpodautoscalers",
        "h",
        lambda h: condition({"status": h.get("status", {})}, "ScalingActive"),
        "looked at",
    )
    told = condition(found, "ScalingActive")
    assert (told["status"], told["reason"]) == ("False", "ScalingDisabled")
    assert api.read("deployments", "w")["spec"]["replicas"] == 0
