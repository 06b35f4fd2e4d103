"""Which resources the embedded cluster serves, and what they are called.

A resource is addressed by its *key*, as in ``interfaces.ObjectStore``: ``pods``,
``deployments.apps``. One stored kind may be served by several API groups (events); each is then
converted at the door. Source: the discovery documents of Kubernetes 1.36.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from nightshift.embedded.kube.interfaces import Object

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one API group version, as discovery describes it.

    :param storage_key: where its objects are kept; differs from ``key`` only for events.k8s.io.
    :param subresources: ``status``, ``scale``, ``log`` .. without the plural.
    :param has_generation: ``metadata.generation`` counts changes of the spec.
    :param schemaless: a custom resource: strategic merge patches are refused, as in Kubernetes.
    :param scale_paths: of a custom resource: where spec.replicas, status.replicas and the
        selector's text are.
    :param columns: of a custom resource: (name, type, path, priority) of its table.
    :param verbs: ``create`` alone marks a review, which is answered and not stored.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    storage_key: str = ""
    has_generation: bool = False
    schemaless: bool = False
    singular: str = ""
    scale_paths: tuple[str, str, str] = (".spec.replicas", ".status.replicas", "")
    columns: tuple[tuple[str, str, str, int], ...] = ()
    verbs: tuple[str, ...] = VERBS

    @property
    def key(self) -> str:
        """``plural`` or ``plural.group``, as Kubernetes writes it in messages."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def stored_as(self) -> str:
        """The key of the kind that holds the objects."""
        return self.storage_key or self.key

    @property
    def api_version(self) -> str:
        """``v1``, ``apps/v1`` .. as objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular_name(self) -> str:
        """The lower-case singular that kubectl takes."""
        return self.singular or self.kind.lower()


def _core(plural: str, kind: str, short: str = "", sub: str = "", **more: object) -> Resource:
    return _resource("", "v1", plural, kind, short, sub, **more)


def _resource(
    group: str, version: str, plural: str, kind: str, short: str = "", sub: str = "", **more: object
) -> Resource:
    categories = ("all",) if more.pop("all", False) else ()
    return Resource(
        group,
        version,
        plural,
        kind,
        short_names=tuple(short.split()),
        subresources=tuple(sub.split()),
        categories=categories,
        **more,  # type: ignore[arg-type]  # the remaining fields, checked by the dataclass' users
    )


def _review(group: str, plural: str, kind: str) -> Resource:
    return Resource(group, "v1", plural, kind, namespaced=False, verbs=("create",))


BUILT_IN: tuple[Resource, ...] = (
    _core("namespaces", "Namespace", "ns", "finalize status", namespaced=False),
    _core("nodes", "Node", "no", "status", namespaced=False),
    _core(
        "pods",
        "Pod",
        "po",
        "binding eviction exec log status",
        all=True,
        has_generation=True,
    ),
    _core("events", "Event", "ev"),
    _core("secrets", "Secret"),
    _core("configmaps", "ConfigMap", "cm"),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("services", "Service", "svc", "status", all=True),
    _core("endpoints", "Endpoints", "ep", singular="endpoints"),
    _core("persistentvolumes", "PersistentVolume", "pv", "status", namespaced=False),
    _core("persistentvolumeclaims", "PersistentVolumeClaim", "pvc", "status"),
    _core("resourcequotas", "ResourceQuota", "quota", "status"),
    _core("limitranges", "LimitRange", "limits"),
    _core("podtemplates", "PodTemplate", has_generation=True),
    _core(
        "replicationcontrollers",
        "ReplicationController",
        "rc",
        "scale status",
        all=True,
        has_generation=True,
    ),
    _resource(
        "apps", "v1", "deployments", "Deployment", "deploy", "scale status",
        all=True, has_generation=True,
    ),
    _resource(
        "apps", "v1", "replicasets", "ReplicaSet", "rs", "scale status",
        all=True, has_generation=True,
    ),
    _resource(
        "apps", "v1", "statefulsets", "StatefulSet", "sts", "scale status",
        all=True, has_generation=True,
    ),
    _resource(
        "apps", "v1", "daemonsets", "DaemonSet", "ds", "status", all=True, has_generation=True
    ),
    _resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _resource("batch", "v1", "jobs", "Job", "", "status", all=True, has_generation=True),
    _resource("batch", "v1", "cronjobs", "CronJob", "cj", "status", all=True, has_generation=True),
    _resource(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", "hpa",
        "status", all=True,
    ),
    _resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "pdb", "status",
        has_generation=True,
    ),
    _resource("coordination.k8s.io", "v1", "leases", "Lease"),
    _resource("events.k8s.io", "v1", "events", "Event", "ev", storage_key="events"),
    _resource(
        "networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", "netpol",
        has_generation=True,
    ),
    _resource(
        "networking.k8s.io", "v1", "ingresses", "Ingress", "ing", "status", has_generation=True
    ),
    _resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", has_generation=True),
    _resource(
        "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", "pc",
        namespaced=False, has_generation=True,
    ),
    _resource("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", namespaced=False),
    _resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", "sc", namespaced=False),
    _resource("storage.k8s.io", "v1", "csidrivers", "CSIDriver", namespaced=False),
    _resource("storage.k8s.io", "v1", "csinodes", "CSINode", namespaced=False),
    _resource(
        "storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", "", "status",
        namespaced=False,
    ),
    _resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    _resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    _resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    _resource(
        "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding",
        namespaced=False,
    ),
    _resource(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition",
        "crd crds", "status", namespaced=False, has_generation=True,
    ),
    _review("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview"),
    _review("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
)  # fmt: skip

GENERATION_KEYS = frozenset(r.stored_as for r in BUILT_IN if r.has_generation)
"""Built-in kinds whose ``metadata.generation`` counts changes of the spec."""

_KINDS = {r.stored_as: r for r in BUILT_IN if not r.storage_key}


def resource_of_key(key: str) -> Resource | None:
    """Find the built-in resource that is stored under ``key`` (``deployments.apps``)."""
    return _KINDS.get(key)


def key_of_object(obj: Object) -> str | None:
    """Find the storage key of a built-in object by its apiVersion and kind."""
    return _BY_GVK.get((str(obj.get("apiVersion", "")), str(obj.get("kind", ""))))


_BY_GVK = {(r.api_version, r.kind): r.stored_as for r in BUILT_IN}


class Registry:
    """The resources served now: the built-in ones, and those of CustomResourceDefinitions."""

    def __init__(self) -> None:
        self._by_path = {(r.group, r.version, r.plural): r for r in BUILT_IN}
        self._custom: dict[str, tuple[Resource, ...]] = {}

    def __iter__(self) -> Iterator[Resource]:
        yield from self._by_path.values()

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Look a resource up by its place in the URL."""
        return self._by_path.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """Look a resource up by an object's apiVersion and kind."""
        return next((r for r in self if r.api_version == api_version and r.kind == kind), None)

    def groups(self) -> dict[str, list[str]]:
        """List API groups with their versions, in order of registration; "" is the core group."""
        found: dict[str, list[str]] = {}
        for resource in self:
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return found

    def serve_custom(self, name: str, resources: tuple[Resource, ...]) -> None:
        """Serve the versions of one CustomResourceDefinition instead of what it served before."""
        self.stop_custom(name)
        self._custom[name] = resources
        for resource in resources:
            self._by_path[resource.group, resource.version, resource.plural] = resource

    def stop_custom(self, name: str) -> None:
        """Serve a CustomResourceDefinition's resources no longer."""
        for resource in self._custom.pop(name, ()):
            self._by_path.pop((resource.group, resource.version, resource.plural), None)
