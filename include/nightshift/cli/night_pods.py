"""Which pods run where while a night is watched: on the local cluster, or on yours."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.cluster.client import Cluster, connect
from nightshift.cluster.labels import SHARD
from nightshift.cluster.objects import parse_metadata, read_object
from nightshift.domain.kubejson import as_mapping
from nightshift.settings import PREFIX, Settings


@dataclass(frozen=True, slots=True)
class PodOnNode:
    """A pod of the night; ``node`` is "" before it is scheduled, ``phase`` as in Kubernetes."""

    name: str
    node: str
    phase: str
    shard: str


@dataclass(frozen=True, slots=True)
class NightPods:
    """Reads nodes and our namespace's pods; its errors are those of nightshift.cluster."""

    cluster: Cluster

    @classmethod
    def connect(cls, kubeconfig: Path, variables: Mapping[str, str]) -> "NightPods":
        """Prepare a connection, with the credentials that Airflow's tasks have.

        :param variables: the stack's own settings, such as another namespace.
        """
        environ = {**variables, f"{PREFIX}KUBECONFIG": str(kubeconfig)}
        return cls(connect(Settings.from_env(environ)))

    def list_nodes(self) -> list[str]:
        """List the nodes' names."""
        found = self.cluster.iterate("/api/v1/nodes")
        return [read_object(self.cluster, node, parse_metadata).name for node in found]

    def list_pods(self) -> list[PodOnNode]:
        """List the pods of our namespace."""
        found = self.cluster.iterate(self.cluster.path("pods"))
        return [read_object(self.cluster, pod, _parse) for pod in found]

    def close(self) -> None:
        """Close the connections."""
        self.cluster.close()


def _parse(pod: Mapping[str, Any]) -> PodOnNode:
    meta = parse_metadata(pod)
    spec, status = as_mapping(pod.get("spec"), "spec"), as_mapping(pod.get("status"), "status")
    return PodOnNode(
        name=meta.name,
        node=str(spec.get("nodeName") or ""),
        phase=str(status.get("phase") or ""),
        shard=meta.labels.get(SHARD, ""),
    )
