"""Pod Security: what the levels ``baseline`` and ``restricted`` forbid, in their own words.

A namespace asks for a level with the label ``pod-security.kubernetes.io/enforce``. Source:
k8s.io/pod-security-admission/policy, release 1.36. Not checked: AppArmor, SELinux, sysctls,
procMount, host probes and Windows, which the embedded cluster does not have.
"""

from collections.abc import Callable, Iterable
from typing import Any

from nightshift.embedded.kube.defaults_pods import all_containers
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import items

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
_ALLOWED_VOLUMES = frozenset(
    {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
        "persistentVolumeClaim", "projected", "secret",
    }
)  # fmt: skip
_SECCOMP = ("RuntimeDefault", "Localhost")

Check = Callable[[Object], str]


def violations(level: str, spec: Object) -> str:
    """List what a pod's spec has that ``level`` forbids; "" when nothing.

    :param level: ``privileged``, ``baseline`` or ``restricted``; an unknown one counts as
        restricted, as in Kubernetes.
    """
    if level in {"", "privileged"}:
        return ""
    checks = _BASELINE if level == "baseline" else _RESTRICTED
    return ", ".join(text for text in (check(spec) for check in checks) if text)


def _context(holder: Object) -> Object:
    return holder.get("securityContext") or {}


def _names(spec: Object, is_bad: Callable[[Object], bool]) -> list[str]:
    return [c.get("name", "") for c in all_containers(spec) if is_bad(c)]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _containers(names: list[str]) -> str:
    return f"{'container' if len(names) == 1 else 'containers'} {_quoted(names)}"


def _host_namespaces(spec: Object) -> str:
    used = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _host_ports(spec: Object) -> str:
    def ports(container: Object) -> list[int]:
        return [p["hostPort"] for p in items(container, "ports") if p.get("hostPort")]

    names = _names(spec, lambda c: bool(ports(c)))
    if not names:
        return ""
    used = sorted({str(port) for c in all_containers(spec) for port in ports(c)})
    verb = "uses" if len(names) == 1 else "use"
    noun = "hostPort" if len(used) == 1 else "hostPorts"
    return f"hostPort ({_containers(names)} {verb} {noun} {', '.join(used)})"


def _host_paths(spec: Object) -> str:
    bad = [v.get("name", "") for v in items(spec, "volumes") if v.get("hostPath") is not None]
    noun = "volume" if len(bad) == 1 else "volumes"
    return f"hostPath volumes ({noun} {_quoted(bad)})" if bad else ""


def _privileged(spec: Object) -> str:
    bad = _names(spec, lambda c: bool(_context(c).get("privileged")))
    text = f"privileged ({_containers(bad)} must not set securityContext.privileged=true)"
    return text if bad else ""


def _escalation(spec: Object) -> str:
    bad = _names(spec, lambda c: _context(c).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return ""
    return (
        f"allowPrivilegeEscalation != false ({_containers(bad)} must set"
        " securityContext.allowPrivilegeEscalation=false)"
    )


def _capabilities(spec: Object) -> str:
    def listed(container: Object, field: str) -> list[str]:
        return items(_context(container).get("capabilities"), field)

    def adds(container: Object) -> set[str]:
        return set(listed(container, "add")) - {"NET_BIND_SERVICE"}

    keeps = _names(spec, lambda c: "ALL" not in listed(c, "drop"))
    adding = _names(spec, lambda c: bool(adds(c)))
    details = []
    if keeps:
        must = 'must set securityContext.capabilities.drop=["ALL"]'
        details.append(f"{_containers(keeps)} {must}")
    if adding:
        added = _quoted(sorted(set().union(*(adds(c) for c in all_containers(spec)))))
        must_not = f"must not include {added} in securityContext.capabilities.add"
        details.append(f"{_containers(adding)} {must_not}")
    return f"unrestricted capabilities ({'; '.join(details)})" if details else ""


def _volumes(spec: Object) -> str:
    bad: dict[str, str] = {}
    for volume in items(spec, "volumes"):
        kinds = [key for key, value in volume.items() if key != "name" and value is not None]
        if not _ALLOWED_VOLUMES.intersection(kinds):
            bad[volume.get("name", "")] = kinds[0] if kinds else "unknown"
    if not bad:
        return ""
    one = len(bad) == 1
    kinds = sorted(set(bad.values()))
    return (
        f"restricted volume types ({'volume' if one else 'volumes'} {_quoted(bad)}"
        f" {'uses' if one else 'use'} restricted volume {'type' if one else 'types'}"
        f" {_quoted(kinds)})"
    )


def _setters(spec: Object, is_bad: Callable[[Object], bool]) -> str:
    """Name the pod and the containers whose security context is bad: ``pod and container "a"``."""
    found = ["pod"] if is_bad(_context(spec)) else []
    names = _names(spec, lambda c: is_bad(_context(c)))
    return " and ".join([*found, *([_containers(names)] if names else [])])


def _unset(spec: Object, field: str) -> list[str]:
    """Name the containers that neither set ``field`` nor get it from the pod."""

    def value(holder: Object) -> Any:  # noqa: ANN401 - JSON
        return _context(holder).get(field)

    return [] if value(spec) is not None else _names(spec, lambda c: value(c) is None)


def _non_root(spec: Object) -> str:
    if spec.get("hostUsers") is False:
        return ""
    bad = _setters(spec, lambda context: context.get("runAsNonRoot") is False)
    if bad:
        return f"runAsNonRoot != true ({bad} must not set securityContext.runAsNonRoot=false)"
    unset = _unset(spec, "runAsNonRoot")
    if not unset:
        return ""
    must = "must set securityContext.runAsNonRoot=true"
    return f"runAsNonRoot != true (pod or {_containers(unset)} {must})"


def _root_user(spec: Object) -> str:
    if spec.get("hostUsers") is False:
        return ""
    bad = _setters(spec, lambda context: context.get("runAsUser") == 0)
    return f"runAsUser=0 ({bad} must not set runAsUser=0)" if bad else ""


def _seccomp(spec: Object) -> str:
    def kind(context: Object) -> Any:  # noqa: ANN401 - JSON
        return (context.get("seccompProfile") or {"type": None}).get("type", "")

    bad = _setters(spec, lambda context: kind(context) not in {None, *_SECCOMP})
    if bad:
        kinds = {kind(_context(holder)) for holder in (spec, *all_containers(spec))}
        listed = _quoted(sorted(kinds - {None, *_SECCOMP}))
        return (
            f"seccompProfile ({bad} must not set securityContext.seccompProfile.type to {listed})"
        )
    unset = _unset(spec, "seccompProfile")
    if not unset:
        return ""
    must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return f"seccompProfile (pod or {_containers(unset)} {must})"


_BASELINE: tuple[Check, ...] = (_host_namespaces, _host_paths, _host_ports, _privileged)
_RESTRICTED: tuple[Check, ...] = (
    _host_namespaces,
    _host_ports,
    _privileged,
    _escalation,
    _capabilities,
    _volumes,
    _non_root,
    _root_user,
    _seccomp,
)
"""In Kubernetes' order: baseline checks by id, then restricted ones by id."""
