"""Steers scan pods: opens their gate, and sets, moves and clears nominations that are ours.

Every change carries the version of the pod that it was decided on, so that two who act at once
never undo each other; what has changed is read again.
"""

from collections.abc import Callable, Mapping

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.labels import selector
from nightshift.cluster.objects import read_object
from nightshift.domain.ids import NodeName
from nightshift.domain.steering.scanpods import (
    GATE,
    NOMINATED,
    ScanPod,
    format_nominations,
    parse_scan_pod,
)
from nightshift.errors import Conflict

_TRIES = 5


def list_scan_pods(
    cluster: Cluster, labels: Mapping[str, str], *, only_pending: bool = False
) -> list[ScanPod]:
    """List the pods of our namespace that have all of ``labels``."""
    query = {"labelSelector": selector(labels)}
    query |= {"fieldSelector": "status.phase=Pending"} if only_pending else {}
    found = cluster.iterate(cluster.path("pods"), **query)
    return [read_object(cluster, obj, parse_scan_pod) for obj in found]


def read_scan_pod(cluster: Cluster, name: str) -> ScanPod:
    """Read one pod.

    :raises NotFound: if it is not there.
    """
    return read_object(cluster, cluster.get(cluster.path("pods", name)), parse_scan_pod)


def nominate_pod(cluster: Cluster, name: str, node: NodeName) -> bool:
    """Nominate a pod, if nobody has; False if it is bound, or nominated by someone else.

    :raises Forbidden: if we may not patch ``pods/status``.
    :raises NotFound: if the pod is not there.
    :raises Conflict: if it kept changing.
    """

    def change(pod: ScanPod) -> bool:
        if pod.nominated:
            return pod.nominated == node
        if not pod.is_unbound:
            return False
        if node not in pod.ours:
            pod = _note_nomination(cluster, pod, node)
        _set_nomination(cluster, pod, node)
        return True

    return _retry(cluster, name, change)


def move_nomination(cluster: Cluster, name: str, node: NodeName | None) -> bool:
    """Nominate an unbound pod to another node, or clear its nomination; ours only.

    :returns: whether it is now as asked.
    :raises Forbidden: if we may not patch ``pods/status``.
    :raises NotFound: if the pod is not there.
    :raises Conflict: if it kept changing.
    """

    def change(pod: ScanPod) -> bool:
        if not pod.is_unbound or (pod.nominated and not pod.has_our_nomination):
            return False
        if node is not None and pod.ours[:1] != (node,):
            pod = _note_nomination(cluster, pod, node)
        _set_nomination(cluster, pod, node)
        return True

    return _retry(cluster, name, change)


def open_gate(cluster: Cluster, name: str) -> bool:
    """Take our gate off a pod and leave others'; False if it had none of ours.

    :raises NotFound: if the pod is not there.
    :raises Conflict: if it kept changing.
    """

    def change(pod: ScanPod) -> bool:
        if not pod.is_gated:
            return False
        left = [{"name": gate} for gate in pod.gates if gate != GATE]
        _patch(cluster, pod, {"spec": {"schedulingGates": left or None}})
        return True

    return _retry(cluster, name, change)


def _note_nomination(cluster: Cluster, pod: ScanPod, node: NodeName) -> ScanPod:
    names = format_nominations([node, *pod.ours])
    return _patch(cluster, pod, {"metadata": {"annotations": {NOMINATED: names}}})


def _set_nomination(cluster: Cluster, pod: ScanPod, node: NodeName | None) -> None:
    _patch(cluster, pod, {"status": {"nominatedNodeName": node}}, "/status")


def _patch(cluster: Cluster, pod: ScanPod, body: Object, subresource: str = "") -> ScanPod:
    meta = {**body.get("metadata", {}), "resourceVersion": pod.version}
    path = f"{cluster.path('pods', pod.name)}{subresource}"
    return read_object(cluster, cluster.patch(path, {**body, "metadata": meta}), parse_scan_pod)


def _retry(cluster: Cluster, name: str, change: Callable[[ScanPod], bool]) -> bool:
    """Read the pod and change it, again when someone else was faster."""
    for _ in range(_TRIES - 1):
        try:
            return change(read_scan_pod(cluster, name))
        except Conflict:
            continue
    return change(read_scan_pod(cluster, name))
