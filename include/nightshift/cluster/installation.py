"""What must be in the cluster before the first night: our namespace and the database's secret.

Roles, network policies and the priority class are plain manifests (deploy/base); these two hold
names and values of the settings, so the command makes them.
"""

import base64
from collections.abc import Mapping

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.pods import OUR_LABELS
from nightshift.errors import Conflict, NotFound


def ensure_namespace(cluster: Cluster) -> bool:
    """Make our namespace with Pod Security *restricted*; False if it is there already."""
    body: Object = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": cluster.namespace,
            "labels": {**OUR_LABELS, "pod-security.kubernetes.io/enforce": "restricted"},
        },
    }
    try:
        cluster.create("/api/v1/namespaces", body)
    except Conflict:
        return False
    return True


def ensure_secret(cluster: Cluster, name: str, values: Mapping[str, str]) -> bool:
    """Make a secret or bring its values up to date; False if it had them already.

    :param values: key to text; keys of the secret that are not named stay.
    """
    path = cluster.path("secrets", name)
    data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
    try:
        there = cluster.get(path).get("data") or {}
    except NotFound:
        body: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": dict(OUR_LABELS)},
            "type": "Opaque",
            "data": data,
        }
        cluster.create(cluster.path("secrets"), body)
        return True
    if {**there, **data} == there:
        return False
    cluster.patch(path, {"data": data})
    return True


def read_secret(cluster: Cluster, name: str) -> dict[str, str]:
    """Read a secret's values as text; empty if it is not there."""
    try:
        data = cluster.get(cluster.path("secrets", name)).get("data") or {}
    except NotFound:
        return {}
    return {key: base64.b64decode(text).decode() for key, text in data.items()}
