"""Where the API keeps the kinds that can be lowered, and where in them our fields are."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from nightshift.domain.capacity.targets import FieldName, ObjectKind, TargetId


@dataclass(frozen=True, slots=True)
class TargetResource:
    """One kind.

    :param group: ``api/v1`` or ``apis/<group>/<version>``.
    :param fields: our names, and the API's below ``spec``.
    """

    group: str
    plural: str
    fields: Mapping[FieldName, str]
    namespaced: bool = True

    @property
    def everywhere(self) -> str:
        """The path of the list over all namespaces."""
        return f"/{self.group}/{self.plural}"

    def path(self, target: TargetId) -> str:
        """Give the path of one object."""
        name = quote(target.name, safe="")
        if not self.namespaced:
            return f"/{self.group}/{self.plural}/{name}"
        namespace = quote(target.namespace, safe="")
        return f"/{self.group}/namespaces/{namespace}/{self.plural}/{name}"


_REPLICAS = MappingProxyType({FieldName.REPLICAS: "replicas"})

TARGET_RESOURCES: Mapping[ObjectKind, TargetResource] = MappingProxyType({
    ObjectKind.DEPLOYMENT: TargetResource("apis/apps/v1", "deployments", _REPLICAS),
    ObjectKind.STATEFUL_SET: TargetResource("apis/apps/v1", "statefulsets", _REPLICAS),
    ObjectKind.CRON_JOB: TargetResource(
        "apis/batch/v1",
        "cronjobs",
        MappingProxyType({
            FieldName.SUSPEND: "suspend",
            FieldName.STARTING_DEADLINE: "startingDeadlineSeconds",
        }),
    ),
    ObjectKind.AUTOSCALER: TargetResource(
        "apis/autoscaling/v2",
        "horizontalpodautoscalers",
        MappingProxyType({
            FieldName.MIN_REPLICAS: "minReplicas",
            FieldName.MAX_REPLICAS: "maxReplicas",
        }),
    ),
    ObjectKind.SCALED_OBJECT: TargetResource(
        "apis/keda.sh/v1alpha1",
        "scaledobjects",
        MappingProxyType({
            FieldName.MIN_REPLICAS: "minReplicaCount",
            FieldName.MAX_REPLICAS: "maxReplicaCount",
        }),
    ),
    ObjectKind.NODE: TargetResource(
        "api/v1",
        "nodes",
        MappingProxyType({FieldName.UNSCHEDULABLE: "unschedulable"}),
        namespaced=False,
    ),
})
"""The kinds that Kubernetes itself keeps; node pools and Airflow's have their own adapters."""
