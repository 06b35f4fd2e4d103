"""What the API server fills into pods and pod templates, so that clients read it back.

Source: pkg/apis/core/v1/defaults.go (templates and pods), and the admission plugins
ServiceAccount, DefaultTolerationSeconds and PodTolerations of Kubernetes 1.36. One deviation: no
volume with a service account token is added.

The functions change the object that they are given; admission hands them a copy.
"""

from collections.abc import Iterator

from nightshift.domain.pods import tagged_image
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.storage import copy_json
from nightshift.embedded.kube.validation_faults import items

_TOLERATION_SECONDS = 300
_FILE_MODE = 0o644
_PROBE_DEFAULTS = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_QOS_RESOURCES = ("cpu", "memory")


def default_pod(pod: Object) -> None:
    """Complete a pod that is created, beyond what its template would get."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    for container in all_containers(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
    spec.setdefault("enableServiceLinks", True)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    add_tolerations(spec)


def default_pod_spec(spec: Object) -> None:
    """Complete a pod's spec, in a pod or in a template."""
    for field, value in (
        ("dnsPolicy", "ClusterFirst"),
        ("restartPolicy", "Always"),
        ("schedulerName", "default-scheduler"),
    ):
        if not spec.get(field):
            spec[field] = value
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    for volume in items(spec, "volumes"):
        _default_volume(volume)
    if spec.get("hostNetwork"):
        for container in all_containers(spec):
            for port in items(container, "ports"):
                port.setdefault("hostPort", port.get("containerPort"))
    for container in all_containers(spec):
        _default_container(container)


def all_containers(spec: Object) -> Iterator[Object]:
    """Go through init containers and containers."""
    yield from items(spec, "initContainers")
    yield from items(spec, "containers")


def _default_container(container: Object) -> None:
    image = str(container.get("image", ""))
    if not container.get("imagePullPolicy"):
        is_latest = "@" not in image and tagged_image(image).endswith(":latest")
        container["imagePullPolicy"] = "Always" if is_latest else "IfNotPresent"
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    for port in items(container, "ports"):
        port.setdefault("protocol", "TCP")
    for variable in items(container, "env"):
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(kind) is not None:
            _default_probe(container[kind])


def _default_probe(probe: Object) -> None:
    for field, value in _PROBE_DEFAULTS.items():
        probe[field] = probe.get(field) or value
    if probe.get("httpGet") is not None:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")


def _default_volume(volume: Object) -> None:
    if not [field for field, value in volume.items() if field != "name" and value is not None]:
        volume["emptyDir"] = {}
    for item in items(volume.get("downwardAPI"), "items"):
        if item.get("fieldRef") is not None:
            item["fieldRef"].setdefault("apiVersion", "v1")
    for field in ("secret", "configMap", "downwardAPI", "projected"):
        if volume.get(field) is not None:
            volume[field].setdefault("defaultMode", _FILE_MODE)
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")


def add_tolerations(spec: Object) -> None:
    """Let a pod stay 300 s on a node that became not ready or unreachable."""
    tolerations = items(spec, "tolerations")
    for reason in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{reason}"
        if not any(_covers(toleration, key) for toleration in tolerations):
            added = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations.append({**added, "tolerationSeconds": _TOLERATION_SECONDS})
    spec["tolerations"] = tolerations


def _covers(toleration: Object, key: str) -> bool:
    return toleration.get("key") in {None, "", key} and toleration.get("effect") in {
        None, "", "NoExecute",
    }  # fmt: skip


def qos_class(spec: Object) -> str:
    """Tell a pod's quality of service: Guaranteed, Burstable or BestEffort.

    Source: pkg/apis/core/v1/helper/qos.
    """
    asks_anything, is_guaranteed = False, True
    for container in all_containers(spec):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        asks_anything |= any(r.get(name) for r in (requests, limits) for name in _QOS_RESOURCES)
        is_guaranteed &= all(
            limits.get(name) and requests.get(name, limits[name]) == limits[name]
            for name in _QOS_RESOURCES
        )
    if not asks_anything:
        return "BestEffort"
    return "Guaranteed" if is_guaranteed else "Burstable"


def template_pod(template: Object) -> Object:
    """Give the metadata and spec of a pod made from a template; a copy."""
    made = copy_json(template)
    metadata = made.get("metadata") or {}
    kept = ("labels", "annotations", "finalizers")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {field: metadata[field] for field in kept if metadata.get(field)},
        "spec": made.get("spec") or {},
    }
