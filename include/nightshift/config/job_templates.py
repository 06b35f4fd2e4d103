"""The Job template of ``nightshift run``: a Kubernetes manifest that users may replace."""

from pathlib import Path
from typing import Any

from nightshift.config.documents import MEGABYTE, parse_yaml, read_text
from nightshift.config.faults import Faults

INIT_CONTAINER = "clone"
MAIN_CONTAINER = "scan"
VOLUMES = ("workspace", "work")


def read_job_template(path: Path) -> dict[str, Any]:
    """Read a Job manifest and check the parts that Nightshift fills in.

    The API server checks the rest; what it refuses is reported in its words.

    :raises ConfigError: if it cannot be read or is no YAML.
    :raises ConfigErrors: with every part that is missing.
    """
    document, faults = parse_yaml(read_text(path, max_bytes=MEGABYTE), path.name), Faults(path.name)
    if not isinstance(document, dict) or document.get("kind") != "Job":
        faults.add(("kind",), "expected one Kubernetes manifest of kind Job")
    elif document.get("apiVersion") != "batch/v1":
        faults.add(("apiVersion",), "expected batch/v1")
    else:
        _check_pod(document, faults)
    faults.raise_if_any()
    template: dict[str, Any] = document
    return template


def _check_pod(job: dict[str, Any], faults: Faults) -> None:
    found: Any = job
    for index, step in enumerate(path := ("spec", "template", "spec")):
        found = found.get(step)
        if not isinstance(found, dict):
            faults.add(path[: index + 1], "expected an object")
            return
    for path_to in (("metadata",), ("spec", "template", "metadata"), (*path, "affinity")):
        _check_mapping(job, path_to, faults)
    _check_named(found, "initContainers", (INIT_CONTAINER,), faults)
    _check_named(found, "containers", (MAIN_CONTAINER,), faults)
    _check_named(found, "volumes", VOLUMES, faults)


def _check_mapping(job: dict[str, Any], path: tuple[str, ...], faults: Faults) -> None:
    """Check an object that may also be left out, and the labels in it."""
    found: Any = job
    for step in path:
        found = found.get(step) or {}
    if not isinstance(found, dict):
        faults.add(path, "expected an object")
    elif not isinstance(found.get("labels") or {}, dict):
        faults.add((*path, "labels"), "expected an object")


def _check_named(pod: dict[str, Any], key: str, wanted: tuple[str, ...], faults: Faults) -> None:
    path = ("spec", "template", "spec", key)
    items = pod.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        faults.add(path, f"expected a list of objects, one named {wanted[0]}")
        return
    names = [item.get("name") for item in items]
    for name in wanted:
        if names.count(name) != 1:
            faults.add(path, f"expected one item named {name}")
    for index, item in enumerate(items):
        if not isinstance(item.get("secret") or {}, dict):
            faults.add((*path, index, "secret"), "expected an object")
