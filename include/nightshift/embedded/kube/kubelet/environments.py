"""A container's environment from its spec: values, references, and $(VAR) expansion.

Source: pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), third_party/forked/golang/expansion.
No service variables are made: pods here reach services by address.
"""

import base64
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import ceil

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.faults import ConfigFault

Lookup = Callable[[str, str], Object | None]
"""(``secrets`` or ``configmaps``, name) in the pod's namespace."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_LOCALHOST = "127.0.0.1"


def build_environment(
    container: Object, pod: Object, base: Mapping[str, str], lookup: Lookup
) -> dict[str, str]:
    """Compute the environment of ``container``; later entries win, and may refer to earlier ones.

    :param base: the image's environment and HOSTNAME, HOME, PATH.
    :raises ConfigFault: a secret, config map or key that is not optional does not exist.
    """
    env = dict(base)
    for source in container.get("envFrom") or []:
        env.update(_read_env_from(source, pod, lookup))
    for entry in container.get("env") or []:
        if "valueFrom" in entry:
            value = _read_value_from(entry["valueFrom"], container, pod, lookup)
        else:
            value = expand(str(entry.get("value") or ""), env)
        if value is not None:
            env[entry["name"]] = value
    for name, value in env.items():
        if not name or "=" in name or "\0" in name + value:
            raise ConfigFault(
                f"environment variable {name!r} has a name or value that none may have"
            )
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; unknown names stay, $$ is a dollar sign.

    >>> expand("$(A)/$(B) $$(A)", {"A": "x"})
    'x/$(B) $(A)'
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else env.get(name, match[0])

    return _REFERENCE.sub(replace, text)


def read_field(path: str, pod: Object) -> str:
    """Read what a ``fieldRef`` names (the downward API).

    :raises ConfigFault: unknown paths.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    subscript = _SUBSCRIPT.fullmatch(path)
    if subscript:
        return str((metadata.get(subscript[1]) or {}).get(subscript[2], ""))
    values: dict[str, object] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        **dict.fromkeys(("status.hostIP", "status.hostIPs"), _LOCALHOST),
        **dict.fromkeys(("status.podIP", "status.podIPs"), _LOCALHOST),
        "metadata.labels": _write_pairs(metadata.get("labels")),
        "metadata.annotations": _write_pairs(metadata.get("annotations")),
    }
    if path not in values:
        raise ConfigFault(f"unsupported fieldPath: {path}")
    return str(values[path])


def read_resource(reference: Object, container: Object) -> str:
    """Read what a ``resourceFieldRef`` names, in units of its divisor, rounded up.

    A limit that is not set reads as 0: nodes here do not bound what a container may use.

    :raises ConfigFault: names other than limits.X and requests.X, and amounts that are none.
    """
    section, _, name = str(reference.get("resource", "")).partition(".")
    if section not in {"limits", "requests"} or not name:
        raise ConfigFault(f"unsupported resource field: {reference.get('resource')}")
    resources = container.get("resources") or {}
    amount = (resources.get(section) or {}).get(name) or (resources.get("limits") or {}).get(name)
    try:
        divisor = parse_quantity(reference.get("divisor") or "1") or Fraction(1)
        return str(ceil(parse_quantity(amount or "0") / divisor))
    except ValueError as error:
        raise ConfigFault(f"{section}.{name}: {error}") from error


def read_data(kind: str, obj: Object) -> dict[str, bytes]:
    """Read the entries of a secret or config map as bytes.

    :param kind: ``secrets`` or ``configmaps``.
    """
    if kind == "configmaps":
        text = {k: str(v).encode() for k, v in (obj.get("data") or {}).items()}
        return {**text, **_decode(obj.get("binaryData"))}
    plain = {k: str(v).encode() for k, v in (obj.get("stringData") or {}).items()}
    return {**_decode(obj.get("data")), **plain}


def _decode(entries: Mapping[str, str] | None) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (entries or {}).items()}


def _write_pairs(pairs: Mapping[str, str] | None) -> str:
    return "\n".join(f'{key}="{value}"' for key, value in sorted((pairs or {}).items()))


def _read_env_from(source: Object, pod: Object, lookup: Lookup) -> dict[str, str]:
    kind, reference = _reference(source, "Ref")
    obj = lookup(kind, reference["name"])
    if obj is None:
        if reference.get("optional"):
            return {}
        raise ConfigFault(f'{kind[:-1]} "{reference["name"]}" not found')
    prefix = source.get("prefix") or ""
    return {f"{prefix}{k}": _text(v) for k, v in read_data(kind, obj).items()}


def _read_value_from(source: Object, container: Object, pod: Object, lookup: Lookup) -> str | None:
    if "fieldRef" in source:
        return read_field(str(source["fieldRef"].get("fieldPath", "")), pod)
    if "resourceFieldRef" in source:
        return read_resource(source["resourceFieldRef"], container)
    kind, reference = _reference(source, "KeyRef")
    obj = lookup(kind, reference["name"])
    if obj is None and not reference.get("optional"):
        raise ConfigFault(f'{kind[:-1]} "{reference["name"]}" not found')
    value = read_data(kind, obj).get(reference["key"]) if obj else None
    if value is None and not reference.get("optional"):
        shown = {"secrets": "Secret", "configmaps": "ConfigMap"}[kind]
        where = f"{pod['metadata'].get('namespace', '')}/{reference['name']}"
        raise ConfigFault(f"couldn't find key {reference['key']} in {shown} {where}")
    return None if value is None else _text(value)


def _reference(source: Object, suffix: str) -> tuple[str, Object]:
    for field, kind in (("secret", "secrets"), ("configMap", "configmaps")):
        if source.get(f"{field}{suffix}"):
            return kind, source[f"{field}{suffix}"]
    raise ConfigFault(f"unsupported source of a variable: {', '.join(source) or 'none'}")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
