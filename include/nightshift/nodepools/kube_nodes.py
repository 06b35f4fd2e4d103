"""The nodes of a cloud's pool as Kubernetes sees them: which are ready, and whose they are."""

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.kubejson import as_mapping, as_strings
from nightshift.errors import Invalid, NotFound


def count_ready(kube: Cluster, label: str, pool: str) -> int:
    """Count the ready nodes that carry the vendor's label of a pool."""
    nodes = kube.iterate("/api/v1/nodes", labelSelector=f"{label}={pool}")
    return sum(map(_is_ready, nodes))


def _is_ready(node: Object) -> bool:
    conditions = as_mapping(node.get("status"), "status").get("conditions") or []
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def provider_of(kube: Cluster, node: str, scheme: str, label: str, pool: str) -> str | None:
    """Give a node's ``providerID`` without its scheme; None if the node is gone.

    :param scheme: of the vendor, such as ``azure``.
    :param label: that the vendor puts on the nodes of ``pool``.
    :raises Invalid: if the node is of another cloud, or of another pool.
    """
    try:
        obj = kube.get(f"/api/v1/nodes/{node}")
    except NotFound:
        return None
    provider = str(as_mapping(obj.get("spec"), "spec").get("providerID") or "")
    kind, _, rest = provider.partition("://")
    if kind != scheme or not rest:
        raise Invalid(f"the node {node} says that it is {provider!r}, which is no machine of ours")
    metadata = as_mapping(obj.get("metadata"), "metadata")
    found = as_strings(metadata.get("labels"), "metadata.labels").get(label, "")
    if found != pool:
        raise Invalid(f"the node {node} is of the pool {found!r}, not of {pool!r}")
    return rest
