"""Faults in containers: names, ports, environment, mounts, resources.

Source: pkg/apis/core/validation/validation.go, Kubernetes 1.36.
"""

from collections.abc import Collection

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import Faults, items
from nightshift.embedded.kube.validation_names import (
    config_key,
    dns_label,
    dns_subdomain,
    env_name,
    port_name,
    port_number,
    qualified_name,
)

_STANDARD = {"cpu", "memory", "ephemeral-storage"}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")


def check_containers(faults: Faults, path: str, spec: Object, volumes: Collection[str]) -> None:
    """Check ``containers`` and ``initContainers`` of a pod's spec.

    :param path: of the spec.
    :param volumes: names of the volumes that mounts may use.
    """
    containers = items(spec, "containers")
    if not containers:
        faults.required(f"{path}.containers")
    names: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{path}.containers[{index}]"
        _check_container(faults, where, container, volumes)
        _check_unique(faults, where, container, names)
        _check_probes(faults, where, container)
    for index, container in enumerate(items(spec, "initContainers")):
        where = f"{path}.initContainers[{index}]"
        _check_container(faults, where, container, volumes)
        _check_unique(faults, where, container, names)
        _check_init(faults, where, container)


def _check_unique(faults: Faults, path: str, container: Object, names: set[str]) -> None:
    name = container.get("name", "")
    if name in names:
        faults.duplicate(f"{path}.name", name)
    elif name:
        names.add(name)


def _check_container(
    faults: Faults, path: str, container: Object, volumes: Collection[str]
) -> None:
    name = container.get("name", "")
    if name:
        faults.each(f"{path}.name", name, dns_label(name))
    else:
        faults.required(f"{path}.name")
    image = container.get("image", "")
    if not image:
        faults.required(f"{path}.image")
    elif image != image.strip():
        detail = "must not have leading or trailing whitespace"
        faults.invalid(f"{path}.image", image, detail)
    policies = ("Always", "IfNotPresent", "Never")
    faults.one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), policies)
    _check_ports(faults, f"{path}.ports", items(container, "ports"))
    _check_env(faults, path, container)
    _check_mounts(faults, f"{path}.volumeMounts", items(container, "volumeMounts"), volumes)
    check_resources(faults, f"{path}.resources", container.get("resources") or {})
    _check_security(faults, f"{path}.securityContext", container.get("securityContext") or {})


def _check_ports(faults: Faults, path: str, ports: list[Object]) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        where, name = f"{path}[{index}]", port.get("name", "")
        if name:
            faults.each(f"{where}.name", name, port_name(name))
            if name in names:
                faults.duplicate(f"{where}.name", name)
            names.add(name)
        number = port.get("containerPort", 0)
        if number:
            faults.each(f"{where}.containerPort", number, port_number(number))
        else:
            faults.required(f"{where}.containerPort")
        if port.get("hostPort"):
            faults.each(f"{where}.hostPort", port["hostPort"], port_number(port["hostPort"]))
        faults.one_of(f"{where}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))


def _check_env(faults: Faults, path: str, container: Object) -> None:
    for index, variable in enumerate(items(container, "env")):
        where, name = f"{path}.env[{index}]", variable.get("name", "")
        if name:
            faults.each(f"{where}.name", name, env_name(name))
        else:
            faults.required(f"{where}.name")
        source = variable.get("valueFrom")
        if source is not None:
            _check_env_source(faults, f"{where}.valueFrom", source, variable.get("value", ""))
    for index, entry in enumerate(items(container, "envFrom")):
        where = f"{path}.envFrom[{index}]"
        sources = [key for key in ("configMapRef", "secretRef") if entry.get(key) is not None]
        if len(sources) != 1:
            wrong = "may not have more than one field specified at a time"
            detail = wrong if sources else "must specify one of: `configMapRef` or `secretRef`"
            faults.invalid(f"{path}.envFrom", "", detail)
        for key in sources:
            _check_reference(faults, f"{where}.{key}", entry[key])


def _check_env_source(faults: Faults, path: str, source: Object, value: str) -> None:
    given = [key for key, reference in source.items() if reference is not None]
    if not given:
        one_of = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        faults.invalid(path, "", f"must specify one of: {one_of}")
    elif value:
        faults.invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        faults.invalid(path, "", "may not have more than one field specified at a time")
    for key in ("configMapKeyRef", "secretKeyRef"):
        reference = source.get(key)
        if reference is not None:
            _check_reference(faults, f"{path}.{key}", reference)
            if reference.get("key"):
                faults.each(f"{path}.{key}.key", reference["key"], config_key(reference["key"]))
            else:
                faults.required(f"{path}.{key}.key")


def _check_reference(faults: Faults, path: str, reference: Object) -> None:
    name = reference.get("name", "")
    faults.each(f"{path}.name", name, dns_subdomain(name))


def _check_mounts(
    faults: Faults, path: str, mounts: list[Object], volumes: Collection[str]
) -> None:
    taken: set[str] = set()
    for index, mount in enumerate(mounts):
        where = f"{path}[{index}]"
        name, place = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            faults.required(f"{where}.name")
        if name not in volumes:
            faults.not_found(f"{where}.name", name)
        if not place:
            faults.required(f"{where}.mountPath")
        if place in taken:
            faults.invalid(f"{where}.mountPath", place, "must be unique")
        taken.add(place)
        for key in ("subPath", "subPathExpr"):
            if mount.get(key):
                check_descending_path(faults, f"{path}.{key}", mount[key])
        if mount.get("subPath") and mount.get("subPathExpr"):
            detail = "subPathExpr and subPath are mutually exclusive"
            faults.invalid(f"{where}.subPathExpr", mount["subPathExpr"], detail)


def check_descending_path(faults: Faults, path: str, value: str) -> None:
    """Require a relative path that never leaves its root."""
    if value.startswith("/"):
        faults.invalid(path, value, "must be a relative path")
    check_no_backsteps(faults, path, value)


def check_no_backsteps(faults: Faults, path: str, value: str) -> None:
    """Refuse ``..`` as a part of a path."""
    if ".." in value.split("/"):
        faults.invalid(path, value, "must not contain '..'")


def check_resources(faults: Faults, path: str, resources: Object) -> None:
    """Check requests and limits of a container or a pod."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        _check_amount(faults, f"{path}.limits[{name}]", name, amount)
    for name, amount in requests.items():
        _check_amount(faults, f"{path}.requests[{name}]", name, amount)
        _check_against_limit(faults, path, name, amount, limits.get(name))


def _check_against_limit(
    faults: Faults, path: str, name: str, amount: str, limit: str | None
) -> None:
    overcommits = "/" not in name and not name.startswith("hugepages-")
    if limit is None:
        if not overcommits:
            faults.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    asked, allowed = parse_quantity(amount), parse_quantity(limit)
    if not overcommits and asked != allowed:
        faults.invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}")
    elif asked > allowed:
        detail = f"must be less than or equal to {name} limit of {limit}"
        faults.invalid(f"{path}.requests", amount, detail)


def _check_amount(faults: Faults, path: str, name: str, amount: str) -> None:
    wrong = qualified_name(name)
    faults.each(path, name, wrong)
    is_plain = not wrong and "/" not in name
    if is_plain and name not in _STANDARD and not name.startswith("hugepages-"):
        faults.invalid(path, name, "must be a standard resource type or fully qualified")
        faults.invalid(path, name, "must be a standard resource for containers")
    value = parse_quantity(amount)
    if value < 0:
        faults.invalid(path, amount, "must be greater than or equal to 0")
    elif name not in {"cpu"} and "/" in name and value.denominator != 1:
        faults.invalid(path, amount, "must be an integer")


def _check_security(faults: Faults, path: str, context: Object) -> None:
    for field in ("runAsUser", "runAsGroup"):
        value = context.get(field)
        if value is not None and not 0 <= value <= 0xFFFFFFFF:
            faults.invalid(f"{path}.{field}", value, "must be between 0 and 4294967295, inclusive")
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            faults.invalid(path, context, detail)
        if "CAP_SYS_ADMIN" in items(context.get("capabilities"), "add"):
            detail = (
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add`"
                " CAP_SYS_ADMIN"
            )
            faults.invalid(path, context, detail)


def _check_probes(faults: Faults, path: str, container: Object) -> None:
    for kind in _PROBES:
        probe = container.get(kind)
        if probe is not None:
            _check_probe(faults, f"{path}.{kind}", probe, kind)


def _check_probe(faults: Faults, path: str, probe: Object, kind: str) -> None:
    given = [handler for handler in _HANDLERS if probe.get(handler) is not None]
    if not given:
        faults.required(path, "must specify a handler type")
    for extra in given[1:]:
        faults.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    for field in (
        "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
        "failureThreshold",
    ):  # fmt: skip
        faults.non_negative(f"{path}.{field}", probe.get(field))
    if kind != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        faults.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _check_init(faults: Faults, path: str, container: Object) -> None:
    policy = container.get("restartPolicy")
    if policy == "Always":
        _check_probes(faults, path, container)
        return
    if policy is not None and policy not in {"Never", "OnFailure"}:
        allowed = ("Always", "Never", "OnFailure")
        faults.not_supported(f"{path}.restartPolicy", policy, allowed)
    for field in ("lifecycle", *_PROBES):
        if container.get(field) is not None:
            detail = "may not be set for init containers without restartPolicy=Always"
            faults.forbidden(f"{path}.{field}", detail)
