"""A pool's annotations in a ConfigMap of its own cluster, for clouds whose tags will not do.

It is as lasting as the pool: both go with the cluster. Writes are conditional. People hold a pool
with an annotation on it: ``kubectl annotate configmap nightshift-node-pool-general
nightshift/hold=true``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.cluster.client import Cluster, Object
from nightshift.domain.capacity.targets import OUR_MANAGER
from nightshift.domain.kubejson import as_mapping, as_strings
from nightshift.errors import NotFound

_PREFIX = "nightshift/"


@dataclass(frozen=True, slots=True)
class Notes:
    """What was read.

    :param version: the ConfigMap's resourceVersion; "" if there is none.
    """

    annotations: Mapping[str, str]
    version: str


@dataclass(frozen=True, slots=True)
class PoolNotes:
    """The ConfigMap ``nightshift-node-pool-<pool>`` in our namespace.

    :param pool: as the cloud calls it.
    """

    kube: Cluster
    pool: str

    def read(self) -> Notes:
        """Read them; without a ConfigMap there are none."""
        try:
            return _parse(self.kube.get(self.kube.path("configmaps", self._name)))
        except NotFound:
            return Notes({}, "")

    def write(self, seen: Notes, changes: Mapping[str, str | None]) -> Notes:
        """Change annotations; None takes one away.

        :raises Conflict: if they have changed since they were ``seen``.
        """
        if not changes:
            return seen
        metadata: Object = {"annotations": dict(changes)}
        if seen.version:
            path = self.kube.path("configmaps", self._name)
            body = {"metadata": {**metadata, "resourceVersion": seen.version}}
            return _parse(self.kube.patch(path, body, manager=OUR_MANAGER))
        metadata = {"annotations": {key: one for key, one in changes.items() if one is not None}}
        made: Object = {"apiVersion": "v1", "kind": "ConfigMap"}
        made["metadata"] = {"name": self._name, **metadata}
        return _parse(self.kube.create(self.kube.path("configmaps"), made))

    @property
    def _name(self) -> str:
        return f"nightshift-node-pool-{self.pool}"


def _parse(obj: Object) -> Notes:
    metadata = as_mapping(obj.get("metadata"), "metadata")
    annotations = as_strings(metadata.get("annotations"), "metadata.annotations")
    ours = {key: value for key, value in annotations.items() if key.startswith(_PREFIX)}
    return Notes(ours, str(metadata.get("resourceVersion", "")))
