"""Which nodes reach a pod's volumes: claims and the volumes that they are bound to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.capacity.snapshots import VolumeFact
from nightshift.domain.kubejson import as_mapping, as_objects
from nightshift.domain.nodeterms import NodeTerm, parse_node_terms
from nightshift.errors import Invalid


@dataclass(frozen=True, slots=True)
class Volumes:
    """The cluster's claims, each with what its volume says of nodes.

    :param facts: by ``namespace/name`` of the claim; only claims that are bound.
    """

    facts: Mapping[str, VolumeFact]

    def of_pod(self, pod: Object) -> tuple[VolumeFact, ...]:
        """Give the facts about a pod's bound claims.

        :raises ValueError: with the path of the fault.
        """
        meta, spec = as_mapping(pod.get("metadata"), "metadata"), as_mapping(pod["spec"], "spec")
        keys = (f"{meta.get('namespace')}/{name}" for name in _claims(meta, spec))
        return tuple(self.facts[key] for key in keys if key in self.facts)


def read_volumes(cluster: Cluster) -> Volumes:
    """Read every claim and volume.

    :raises Invalid: if one of them cannot be understood.
    """
    try:
        volumes = {
            str(as_mapping(obj.get("metadata"), "metadata").get("name")): obj
            for obj in cluster.iterate("/api/v1/persistentvolumes")
        }
        facts: dict[str, VolumeFact] = {}
        for claim in cluster.iterate("/api/v1/persistentvolumeclaims"):
            meta = as_mapping(claim.get("metadata"), "metadata")
            bound = str(as_mapping(claim.get("spec"), "spec").get("volumeName") or "")
            if bound in volumes:
                key = f"{meta.get('namespace')}/{meta.get('name')}"
                facts[key] = _fact(key, volumes[bound])
    except ValueError as error:
        raise Invalid(f"{cluster.server} has a volume that we cannot read: {error}") from error
    return Volumes(facts)


def _fact(claim: str, volume: Object) -> VolumeFact:
    spec = as_mapping(volume.get("spec"), "spec")
    required = _required(spec)
    return VolumeFact(claim, required, local=_is_local(spec))


def _required(spec: Mapping[str, Any]) -> tuple[NodeTerm, ...] | None:
    affinity = as_mapping(spec.get("nodeAffinity"), "spec.nodeAffinity")
    if affinity.get("required") is None:
        return None
    terms = as_mapping(affinity["required"], "spec.nodeAffinity.required")
    return parse_node_terms(terms.get("nodeSelectorTerms"), "spec.nodeAffinity.required")


def _is_local(spec: Mapping[str, Any]) -> bool:
    """Tell whether the data lies on one node's disk and stays there."""
    return "local" in spec or "hostPath" in spec


def _claims(meta: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterable[str]:
    for volume in as_objects(spec.get("volumes"), "spec.volumes"):
        if "persistentVolumeClaim" in volume:
            where = "spec.volumes.persistentVolumeClaim"
            yield str(as_mapping(volume["persistentVolumeClaim"], where).get("claimName"))
        elif "ephemeral" in volume:  # its claim is called <pod>-<volume>
            yield f"{meta.get('name')}-{volume.get('name')}"
