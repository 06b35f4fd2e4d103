"""Which pods the local cluster runs where, read over its API like any client's."""

import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from nightshift.errors import ClusterUnavailable


@dataclass(frozen=True, slots=True)
class PodOnNode:
    """A pod of the night; ``node`` is "" before it is scheduled, ``phase`` as in Kubernetes."""

    name: str
    node: str
    phase: str
    shard: str


class PodView:
    """Reads nodes and pods with the credentials of a kubeconfig."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        raw = yaml.safe_load(kubeconfig.read_text())
        cluster, user = raw["clusters"][0]["cluster"], raw["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._namespace = namespace
        self._client = httpx.Client(
            base_url=cluster["server"],
            headers={"authorization": f"Bearer {user['token']}"},
            verify=ssl.create_default_context(cadata=authority),
            timeout=10,
        )

    def list_nodes(self) -> list[str]:
        """List the nodes' names.

        :raises ClusterUnavailable: if the cluster does not answer.
        """
        return [item["metadata"]["name"] for item in self._items("/api/v1/nodes")]

    def list_pods(self) -> list[PodOnNode]:
        """List the pods of our namespace.

        :raises ClusterUnavailable: if the cluster does not answer.
        """
        return [_parse(item) for item in self.list_objects("pods")]

    def list_objects(self, plural: str) -> list[dict[str, Any]]:
        """List objects of a core kind in our namespace, as JSON.

        :raises ClusterUnavailable: if the cluster does not answer.
        """
        return self._items(f"/api/v1/namespaces/{self._namespace}/{plural}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _items(self, path: str) -> list[dict[str, Any]]:
        try:
            reply = self._client.get(path)
            reply.raise_for_status()
        except httpx.HTTPError as error:
            raise ClusterUnavailable(f"the local cluster does not answer: {error}") from error
        items: list[dict[str, Any]] = reply.json()["items"]
        return items


def _parse(item: Mapping[str, Any]) -> PodOnNode:
    meta = item["metadata"]
    return PodOnNode(
        name=meta["name"],
        node=item["spec"].get("nodeName", ""),
        phase=item.get("status", {}).get("phase", ""),
        shard=meta.get("labels", {}).get("nightshift/shard", ""),
    )
