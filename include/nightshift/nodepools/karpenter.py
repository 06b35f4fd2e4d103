"""``karpenter``: a NodePool of Karpenter (karpenter.sh/v1).

A dynamic NodePool follows its pods: it has no minimum and no target, only ``spec.limits``, and of
those ``limits.nodes`` is what a policy's ``max`` means; limits of CPU and memory are left as they
are. A limit removes nothing: it may be below what runs, and then nothing is added. A static
NodePool (``spec.replicas``, the alpha gate StaticCapacity) has a target besides.

Nodes are removed by deleting exactly their NodeClaims. A static NodePool replaces what is deleted
unless its limit forbids it, so there the limit comes first and the replicas follow.

Permissions, cluster-wide: get and patch nodepools.karpenter.sh, patch nodepools/scale; list and
delete nodeclaims.karpenter.sh; get nodes.

Source: Karpenter 1.14, pkg/apis/v1/nodepool.go, pkg/controllers/{provisioning,static}.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nightshift.cluster.client import Cluster, Object
from nightshift.cluster.objects import read_object
from nightshift.domain.capacity.targets import (
    OUR_MANAGER,
    FieldName,
    FieldValue,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.domain.kubejson import as_int, as_mapping, as_strings
from nightshift.domain.quantities import parse_quantity
from nightshift.errors import ClusterUnavailable, Conflict, Invalid, NotFound
from nightshift.nodepools.drivers import Capabilities, Tempo

API = "/apis/karpenter.sh/v1"
POOL_LABEL = "karpenter.sh/nodepool"
_TRIES = 5


@dataclass(frozen=True, slots=True)
class KarpenterPool:
    """One NodePool.

    :param name: of the pool in the policy.
    :param node_pool: of the NodePool.
    """

    name: str
    cluster: Cluster
    node_pool: str

    @property
    def capabilities(self) -> Capabilities:
        """The NodeClaims that we name go; it drains them too, and asks budgets unless told not to.

        A NodePool with ``terminationGracePeriod`` deletes pods past their budgets when that is
        over: its state warns, and no node is removed before we have emptied it.
        """
        return Capabilities(
            victim_choice=True, self_drains=True, respects_pdb=True, zero_ok=True, per_zone=False
        )

    def get_state(self) -> LiveTarget | None:
        """Read the NodePool, and count its NodeClaims.

        :raises NotFound: if it, or Karpenter, is not there.
        :raises Invalid: if this Karpenter does not count nodes: then no limit of ours holds.
        """
        return self._parse(self._read())

    def set_bounds(self, patch: Patch) -> LiveTarget:
        """Write the limit, the replicas and our annotations in one PATCH."""
        spec: Object = {}
        if FieldName.MAX_NODES in patch.fields:
            most = patch.fields[FieldName.MAX_NODES]
            spec["limits"] = {"nodes": None if most is None else str(int(most))}
        if FieldName.TARGET_NODES in patch.fields:
            spec["replicas"] = int(patch.fields[FieldName.TARGET_NODES] or 0)
        annotations = dict(patch.annotations)
        body = {
            "metadata": {"resourceVersion": patch.resource_version, "annotations": annotations},
            "spec": spec,
        }
        return self._parse(self.cluster.patch(self._path(), body, manager=OUR_MANAGER))

    def set_target(self, count: int, token: str) -> None:
        """Ask a static NodePool for so many nodes, through the scale subresource.

        :raises Invalid: if it is dynamic; with fewer nodes Karpenter would choose which go.
        """
        replicas = _replicas(self._read())
        if replicas is None:
            raise Invalid(f"the NodePool {self.node_pool} is dynamic: its pods say how many nodes")
        if count < replicas:
            raise Invalid("with fewer nodes Karpenter would choose which go; drain and remove them")
        body = {"spec": {"replicas": count}}
        self.cluster.patch(f"{self._path()}/scale", body, manager=OUR_MANAGER)

    def remove(self, nodes: Sequence[str], token: str) -> None:
        """Delete these nodes' NodeClaims; again is no change.

        :raises Invalid: if a node is not of this NodePool, or a static NodePool's limit would let
            it have another node at once.
        """
        claims = {_node_of(one): one for one in self._claims()}
        for node in nodes:
            if node not in claims and self._has_node(node):
                raise Invalid(f"the NodePool {self.node_pool} has no NodeClaim of the node {node}")
        going = [claims[one] for one in nodes if one in claims and not _is_leaving(claims[one])]
        stay = sum(not _is_leaving(one) for one in claims.values()) - len(going)
        pool = self._read()
        static = _replicas(pool) is not None
        if static and going:
            self._refuse_replacing(pool, stay)
        for claim in going:
            with suppress(NotFound):
                self.cluster.delete(f"{API}/nodeclaims/{claim['metadata']['name']}")
        if static:
            self._lower_replicas(stay)

    def wait(self, tempo: Tempo) -> None:
        """Wait until no NodeClaim is leaving, and each node that was asked for is ready."""
        until = tempo.clock().timestamp() + tempo.timeout_seconds
        while True:
            claims = list(self._claims())
            leaving = sum(map(_is_leaving, claims))
            ready, wanted = sum(map(_is_ready, claims)), _replicas(self._read())
            if not leaving and ready == (len(claims) if wanted is None else wanted):
                return
            if tempo.clock().timestamp() >= until:
                raise ClusterUnavailable(
                    f"the NodePool {self.node_pool} has {ready} ready nodes and {leaving} leaving "
                    f"after {tempo.timeout_seconds:.0f} s"
                )
            tempo.sleep(tempo.every_seconds)

    def _parse(self, obj: Object) -> LiveTarget:
        claims = list(self._claims())

        def parse(found: Object) -> LiveTarget:
            meta, spec, status = (
                as_mapping(found.get(key), key) for key in ("metadata", "spec", "status")
            )
            if "nodes" not in status:
                raise Invalid(
                    f"the NodePool {self.node_pool} has no status.nodes, so nobody counts its "
                    "nodes: it is new, or this Karpenter is too old for limits of nodes"
                )
            return LiveTarget(
                id=TargetId(ObjectKind.NODE_POOL, "", self.name),
                resource_version=str(meta.get("resourceVersion", "")),
                fields=_fields(spec),
                labels=as_strings(meta.get("labels"), "metadata.labels"),
                annotations=as_strings(meta.get("annotations"), "metadata.annotations"),
                status=LiveStatus(replicas=len(claims), ready=sum(map(_is_ready, claims))),
                max_at_once=True,
                warnings=tuple(_warnings(spec)),
            )

        return read_object(self.cluster, obj, parse)

    def _claims(self) -> Iterator[Object]:
        label = f"{POOL_LABEL}={self.node_pool}"
        return self.cluster.iterate(f"{API}/nodeclaims", labelSelector=label)

    def _has_node(self, node: str) -> bool:
        try:
            self.cluster.get(f"/api/v1/nodes/{node}")
        except NotFound:
            return False
        return True

    def _refuse_replacing(self, pool: Object, stay: int) -> None:
        most = _limit(as_mapping(pool.get("spec"), "spec"))
        if most is None or most > stay:
            shown = "none" if most is None else most
            raise Invalid(
                f"the static NodePool {self.node_pool} would replace a node that is removed: its "
                f"limits.nodes ({shown}) must be {stay}; set the policy's weekend.max to its target"
            )

    def _lower_replicas(self, stay: int) -> None:
        """Let the replicas follow what is there; they are never raised here."""
        for _ in range(_TRIES):
            obj = self._read()
            if (_replicas(obj) or 0) <= stay:
                return
            body = {
                "metadata": {"resourceVersion": obj["metadata"]["resourceVersion"]},
                "spec": {"replicas": stay},
            }
            try:
                self.cluster.patch(self._path(), body, manager=OUR_MANAGER)
            except Conflict:
                continue
            return
        raise Conflict(f"the NodePool {self.node_pool} kept changing under us")

    def _read(self) -> Object:
        return self.cluster.get(self._path())

    def _path(self) -> str:
        return f"{API}/nodepools/{self.node_pool}"


def _fields(spec: Mapping[str, Any]) -> Mapping[FieldName, FieldValue]:
    """Give the limit of nodes, None without one; a static NodePool's replicas are its target."""
    fields: dict[FieldName, FieldValue] = {FieldName.MAX_NODES: _limit(spec)}
    if spec.get("replicas") is not None:
        fields[FieldName.TARGET_NODES] = as_int(spec["replicas"], "spec.replicas")
    return fields


def _limit(spec: Mapping[str, Any]) -> int | None:
    """Give ``limits.nodes``, rounded down: half a node is none."""
    found = as_mapping(spec.get("limits"), "spec.limits").get("nodes")
    return None if found is None else int(parse_quantity(found))


def _replicas(pool: Object) -> int | None:
    found = as_mapping(pool.get("spec"), "spec").get("replicas")
    return None if found is None else as_int(found, "spec.replicas")


def _warnings(spec: Mapping[str, Any]) -> Iterator[str]:
    template = as_mapping(spec.get("template"), "spec.template")
    period = as_mapping(template.get("spec"), "spec.template.spec").get("terminationGracePeriod")
    if period is not None:
        yield (
            f"the NodePool has terminationGracePeriod {period}: where Karpenter itself disrupts a "
            "node, pods are deleted after that, whatever their disruption budgets say"
        )


def _node_of(claim: Object) -> str:
    """Give the node of a NodeClaim; its own name while it has none, which no node has."""
    status = as_mapping(claim.get("status"), "status")
    return str(status.get("nodeName") or f"nodeclaim/{claim['metadata']['name']}")


def _is_leaving(claim: Object) -> bool:
    return "deletionTimestamp" in claim["metadata"]


def _is_ready(claim: Object) -> bool:
    conditions = as_mapping(claim.get("status"), "status").get("conditions") or []
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return ready and not _is_leaving(claim)
