"""Formats of names, keys and values, and of the metadata that every object has.

Each check gives the list of what is wrong, empty when nothing is. Source:
k8s.io/apimachinery/pkg/api/validate/content and api/validation (objectmeta.go), release 1.36.
"""

import re
from collections.abc import Callable

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_faults import Faults, in_range, items

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_NAME_PART})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"
_ANNOTATIONS_LIMIT_BYTES = 256 * 1024

Check = Callable[[str], list[str]]


def _regex_error(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples).removesuffix(", ")
    return f"{message} (e.g. {shown}, regex used for validation is '{pattern}')"


def _too_long(limit: int, unit: str = "characters") -> str:
    return f"must be no more than {limit} {unit}"


def dns_label(value: str) -> list[str]:
    """Check a DNS label (RFC 1123): at most 63 of ``a-z 0-9 -``."""
    wrong = [_too_long(63)] if len(value) > 63 else []
    if re.fullmatch(_LABEL, value):
        return wrong
    if re.fullmatch(_SUBDOMAIN, value):
        return [*wrong, "must not contain dots"]
    message = (
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
        " and must start and end with an alphanumeric character"
    )
    return [*wrong, _regex_error(message, _LABEL, "my-name", "123-abc")]


def dns_subdomain(value: str) -> list[str]:
    """Check a DNS subdomain (RFC 1123): labels joined by dots, at most 253."""
    wrong = [_too_long(253)] if len(value) > 253 else []
    if re.fullmatch(_SUBDOMAIN, value):
        return wrong
    message = (
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-'"
        " or '.', and must start and end with an alphanumeric character"
    )
    return [*wrong, _regex_error(message, _SUBDOMAIN, "example.com")]


def dns1035_label(value: str) -> list[str]:
    """Check a DNS label that starts with a letter (RFC 1035), as services have."""
    wrong = [_too_long(63)] if len(value) > 63 else []
    if re.fullmatch(_DNS1035, value):
        return wrong
    message = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
        " alphabetic character, and end with an alphanumeric character"
    )
    return [*wrong, _regex_error(message, _DNS1035, "my-name", "abc-123")]


def path_segment(value: str) -> list[str]:
    """Check a name that only has to fit into a URL's path."""
    if value in {".", ".."}:
        return [f"may not be '{value}'"]
    return [f"may not contain '{mark}'" for mark in "/%" if mark in value]


def qualified_name(value: str) -> list[str]:
    """Check a label's key: ``name`` or ``prefix.example/name``."""
    message = (
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
        " alphanumeric character"
    )
    pattern = _regex_error(message, _NAME_PART, "MyName", "my.name", "123-abc")
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        optional = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {pattern}{optional}"]
    wrong: list[str] = []
    if slash:
        said = dns_subdomain(prefix) if prefix else ["must be non-empty"]
        wrong += [f"prefix part {one}".replace("characters", "bytes") for one in said]
    if not name:
        wrong.append("name part must be non-empty")
    elif len(name) > 63:
        wrong.append(f"name part {_too_long(63, 'bytes')}")
    if not re.fullmatch(_NAME_PART, name):
        wrong.append(f"name part {pattern}")
    return wrong


def label_value(value: str) -> list[str]:
    """Check a label's value: empty, or at most 63 of ``A-Za-z0-9-_.``."""
    wrong = [_too_long(63, "bytes")] if len(value) > 63 else []
    if re.fullmatch(_LABEL_VALUE, value):
        return wrong
    message = (
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
        " '.', and must start and end with an alphanumeric character"
    )
    return [*wrong, _regex_error(message, _LABEL_VALUE, "MyValue", "my_value", "12345")]


def config_key(value: str) -> list[str]:
    """Check a key of a ConfigMap or Secret."""
    if len(value) > 253:
        return [_too_long(253)]
    if value in {".", ".."}:
        return [f"must not be '{value}'"]
    if re.fullmatch(_CONFIG_KEY, value):
        return []
    message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    return [_regex_error(message, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name")]


def env_name(value: str) -> list[str]:
    """Check an environment variable's name (relaxed since 1.32: printable ASCII without ``=``)."""
    if re.fullmatch(r"[ -<>-~]+", value):
        return []
    return [
        "a valid environment variable name must consist only of printable ASCII characters other"
        " than '='"
    ]


def port_name(value: str) -> list[str]:
    """Check a port's name (RFC 6335): at most 15 of ``a-z 0-9 -``, at least one letter."""
    rules = {
        _too_long(15): len(value) <= 15,
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)": bool(
            re.fullmatch(r"[-a-z0-9]+", value)
        ),
        "must contain at least one letter (a-z)": bool(re.search("[a-z]", value)),
        "must not contain consecutive hyphens": "--" not in value,
        "must not begin or end with a hyphen": value.strip("-") == value,
    }
    return [rule for rule, holds in rules.items() if not holds]


def port_number(value: int) -> list[str]:
    """Check a port's number."""
    return [] if 1 <= value <= 65535 else [in_range(1, 65535)]


def check_int_or_percent(faults: Faults, path: str, value: int | str) -> None:
    """Check a count (at least 0) or a percentage such as ``25%``."""
    if isinstance(value, int):
        faults.non_negative(path, value)
    elif not re.fullmatch(_PERCENT, value):
        message = "a valid percent string must be a numeric string followed by an ending '%'"
        faults.invalid(path, value, _regex_error(message, _PERCENT, "1%", "93%"))


def check_labels(faults: Faults, path: str, labels: dict[str, str] | None) -> None:
    """Check the keys and values of labels."""
    for key, value in (labels or {}).items():
        faults.each(path, key, qualified_name(key))
        faults.each(path, value, label_value(value))


def check_metadata(faults: Faults, metadata: Object, *, namespaced: bool, name: Check) -> None:
    """Check what every object has.

    A name that is still to be generated is not checked: it ends in five letters of ours.
    """
    if metadata.get("name"):
        faults.each("metadata.name", metadata["name"], name(metadata["name"]))
    elif metadata.get("generateName"):
        prefix = metadata["generateName"]
        faults.each("metadata.name", f"{prefix}xxxxx", name(f"{prefix}xxxxx"[:63].strip("-.")))
    else:
        faults.required("metadata.name", "name or generateName is required")
    if not namespaced and metadata.get("namespace"):
        faults.forbidden("metadata.namespace", "not allowed on this type")
    check_labels(faults, "metadata.labels", metadata.get("labels"))
    check_annotations(faults, "metadata.annotations", metadata.get("annotations"))
    check_owners(faults, "metadata.ownerReferences", items(metadata, "ownerReferences"))
    for finalizer in items(metadata, "finalizers"):
        faults.each("metadata.finalizers", finalizer, qualified_name(finalizer))


def check_annotations(faults: Faults, path: str, annotations: dict[str, str] | None) -> None:
    """Check annotations: keys as of labels in any case, 256 KiB in all."""
    size = 0
    for key, value in (annotations or {}).items():
        faults.each(path, key, qualified_name(key.lower()))
        size += len(key.encode()) + len(value.encode())
    if size > _ANNOTATIONS_LIMIT_BYTES:
        faults.too_long(path, _ANNOTATIONS_LIMIT_BYTES)


def check_owners(faults: Faults, path: str, owners: list[Object]) -> None:
    """Check ownerReferences: complete, and at most one controller."""
    controller = ""
    for owner in owners:
        if not owner.get("apiVersion"):
            faults.invalid(f"{path}.apiVersion", "", "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not owner.get(field):
                faults.invalid(f"{path}.{field}", "", "must not be empty")
        if owner.get("controller"):
            this = f"{owner.get('kind')}/{owner.get('name')}"
            if controller:
                detail = (
                    "Only one reference can have Controller set to true. Found"
                    f' "true" in references for {controller} and {this}'
                )
                faults.invalid(path, owners, detail)
            controller = controller or this
