"""What the cluster lets us do: its release, and the rights that are really granted."""

import re

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.placement.steering import Rights
from nightshift.domain.steering.choosing import Granted
from nightshift.errors import Forbidden, NotFound

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
NEVER = "Never"


def read_rights(cluster: Cluster, priority_class: str) -> Granted:
    """Ask for everything that steering may need; changes nothing.

    A nomination is kept for pods that never preempt; others lose it as soon as nothing fits, and
    might evict a service instead. So without such a PriorityClass pods are not nominated.

    :param priority_class: of the scan pods; "" for none.
    """
    nominate = is_allowed(cluster, "patch", "pods", "status", namespace=cluster.namespace)
    nodes = is_allowed(cluster, "patch", "nodes")
    preempting = why_preempting(cluster, priority_class)
    rights = Rights(read_version(cluster), nominate, nodes, preempting is not None)
    return Granted(rights, (preempting,) if preempting and nominate else ())


def read_version(cluster: Cluster) -> tuple[int, int]:
    """Read the API server's release, major and minor; (0, 0) if it does not say one."""
    try:
        told = cluster.get("/version")
    except Forbidden:  # some providers hide it
        return (0, 0)
    numbers = [re.match(r"[0-9]{1,4}", str(told.get(key, ""))) for key in ("major", "minor")]
    major, minor = (int(number[0]) if number else 0 for number in numbers)
    return (major, minor)


def is_allowed(
    cluster: Cluster, verb: str, resource: str, subresource: str = "", *, namespace: str = ""
) -> bool:
    """Ask whether we may do something (SelfSubjectAccessReview).

    :param namespace: "" asks about all of them, and about what has none.
    """
    attributes = {"verb": verb, "resource": resource, "version": "v1"}
    attributes |= {"subresource": subresource} if subresource else {}
    attributes |= {"namespace": namespace} if namespace else {}
    review: Object = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = cluster.create(_REVIEWS, review)
    except Forbidden:  # whoever may not even ask is taken to be allowed nothing
        return False
    return (answer.get("status") or {}).get("allowed") is True


def why_preempting(cluster: Cluster, priority_class: str) -> str | None:
    """Say why scan pods might evict others, None if they never do."""
    if not priority_class:
        return (
            "no pod is nominated without a PriorityClass whose preemptionPolicy is Never: set "
            "NIGHTSHIFT_PRIORITY_CLASS=nightshift-scans (deploy/base has it)"
        )
    try:
        found = cluster.get(f"{_CLASSES}/{priority_class}")
    except (Forbidden, NotFound) as error:
        return f"no pod is nominated, as PriorityClass {priority_class} cannot be read: {error}"
    if found.get("preemptionPolicy") != NEVER:
        return (
            f"no pod is nominated, as PriorityClass {priority_class} lets pods evict others: "
            "give it preemptionPolicy Never"
        )
    return None
