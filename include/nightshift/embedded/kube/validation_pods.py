"""Faults in pods and pod templates.

Source: ValidatePodSpec in pkg/apis/core/validation/validation.go, Kubernetes 1.36. What Windows,
devices and vendors' volumes need is not looked at.
"""

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_affinity import (
    check_affinity,
    check_gates,
    check_spread,
    check_tolerations,
)
from nightshift.embedded.kube.validation_containers import (
    check_containers,
    check_descending_path,
    check_no_backsteps,
    check_resources,
)
from nightshift.embedded.kube.validation_faults import Faults, in_range, items
from nightshift.embedded.kube.validation_names import (
    check_annotations,
    check_labels,
    dns_label,
    dns_subdomain,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_INT32 = 2**31 - 1
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate",
    "Socket",
)  # fmt: skip


def check_pod(faults: Faults, pod: Object) -> None:
    """Check a pod that is created."""
    check_pod_spec(faults, "spec", pod.get("spec") or {})


def check_template(faults: Faults, path: str, template: Object | None) -> None:
    """Check a pod template: its labels, annotations and spec."""
    metadata = (template or {}).get("metadata") or {}
    check_labels(faults, f"{path}.labels", metadata.get("labels"))
    check_annotations(faults, f"{path}.annotations", metadata.get("annotations"))
    check_pod_spec(faults, f"{path}.spec", (template or {}).get("spec") or {})


def check_pod_spec(faults: Faults, path: str, spec: Object) -> None:
    """Check a pod's spec after defaults were filled in."""
    volumes = _check_volumes(faults, f"{path}.volumes", items(spec, "volumes"))
    check_containers(faults, path, spec, volumes)
    check_resources(faults, f"{path}.resources", spec.get("resources") or {})
    faults.one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    faults.one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    check_labels(faults, f"{path}.nodeSelector", spec.get("nodeSelector"))
    check_affinity(faults, f"{path}.affinity", spec.get("affinity"))
    check_gates(faults, f"{path}.schedulingGates", items(spec, "schedulingGates"))
    check_spread(
        faults, f"{path}.topologySpreadConstraints", items(spec, "topologySpreadConstraints")
    )
    check_tolerations(faults, f"{path}.tolerations", items(spec, "tolerations"))
    _check_names(faults, path, spec)
    _check_numbers(faults, path, spec)


def _check_names(faults: Faults, path: str, spec: Object) -> None:
    for field in ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"):
        if spec.get(field):
            faults.each(f"{path}.{field}", spec[field], dns_subdomain(spec[field]))
    for field in ("hostname", "subdomain"):
        if spec.get(field):
            faults.each(f"{path}.{field}", spec[field], dns_label(spec[field]))
    for index, reference in enumerate(items(spec, "imagePullSecrets")):
        if not reference.get("name"):
            faults.required(f"{path}.imagePullSecrets[{index}].name")
    policy = spec.get("preemptionPolicy")
    if policy is not None:
        faults.one_of(f"{path}.preemptionPolicy", policy, ("Never", "PreemptLowerPriority"))


def _check_numbers(faults: Faults, path: str, spec: Object) -> None:
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MAX_INT32:
        faults.invalid(f"{path}.activeDeadlineSeconds", deadline, in_range(1, _MAX_INT32))
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        faults.invalid(
            f"{path}.terminationGracePeriodSeconds",
            spec["terminationGracePeriodSeconds"],
            "must be greater than or equal to 0",
        )
    context = spec.get("securityContext") or {}
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        value = context.get(field)
        if value is not None and not 0 <= value <= 0xFFFFFFFF:
            where = f"{path}.securityContext.{field}"
            faults.invalid(where, value, in_range(0, 0xFFFFFFFF))


def _check_volumes(faults: Faults, path: str, volumes: list[Object]) -> set[str]:
    """Check volumes; give the names that mounts may use."""
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name", "")
        before = len(faults)
        _check_source(faults, where, volume)
        if name:
            faults.each(f"{where}.name", name, dns_label(name))
        else:
            faults.required(f"{where}.name")
        if name in names:
            faults.duplicate(f"{where}.name", name)
        if len(faults) == before:
            names.add(name)
    return names


def _check_source(faults: Faults, path: str, volume: Object) -> None:
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    if not sources:
        faults.required(path, "must specify a volume type")
    for extra in sources[1:]:
        faults.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
    checks = {
        "emptyDir": _check_empty_dir,
        "hostPath": _check_host_path,
        "persistentVolumeClaim": _check_claim,
        "configMap": _check_files,
        "secret": _check_files,
    }
    for source in sources[:1]:
        if source in checks:
            checks[source](faults, f"{path}.{source}", volume[source])


def _check_empty_dir(faults: Faults, path: str, source: Object) -> None:
    if parse_quantity(source.get("sizeLimit", "0")) < 0:
        faults.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _check_host_path(faults: Faults, path: str, source: Object) -> None:
    if not source.get("path"):
        faults.required(f"{path}.path")
        return
    check_no_backsteps(faults, f"{path}.path", source["path"])
    kind = source.get("type", "")
    if kind not in _HOST_PATH_TYPES:
        faults.not_supported(f"{path}.type", kind, _HOST_PATH_TYPES)


def _check_claim(faults: Faults, path: str, source: Object) -> None:
    if not source.get("claimName"):
        faults.required(f"{path}.claimName")


def _check_files(faults: Faults, path: str, source: Object) -> None:
    name = "secretName" if path.endswith(".secret") else "name"
    if not source.get(name):
        faults.required(f"{path}.{name}")
    if not 0 <= source.get("defaultMode", 0) <= 0o777:
        detail = "must be a number between 0 and 0777 (octal), both inclusive"
        faults.invalid(f"{path}.defaultMode", source["defaultMode"], detail)
    for index, item in enumerate(items(source, "items")):
        where = f"{path}.items[{index}]"
        for field in ("key", "path"):
            if not item.get(field):
                faults.required(f"{where}.{field}")
        check_descending_path(faults, f"{where}.path", item.get("path", ""))
