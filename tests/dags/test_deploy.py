"""The rights in deploy/ are those that the code uses; the right on nodes has to be asked for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def rules(path: Path) -> dict[str, set[str]]:
    """Give the verbs of each resource, over all roles of a file."""
    found: dict[str, set[str]] = {}
    for obj in yaml.safe_load_all(path.read_text()):
        for rule in obj.get("rules") or []:
            for resource in rule["resources"]:
                found.setdefault(resource, set()).update(rule["verbs"])
    return found


def bindings(path: Path) -> list[Any]:
    objects = yaml.safe_load_all(path.read_text())
    return [obj["subjects"] for obj in objects if obj["kind"].endswith("Binding")]


@pytest.mark.parametrize(
    ("resource", "verbs"),
    [
        ("pods", {"create", "get", "list", "watch", "patch", "delete"}),
        ("pods/status", {"patch"}),
        ("pods/log", {"get"}),
        ("events", {"list", "watch"}),
        ("nodes", {"get", "list"}),
        ("priorityclasses", {"get"}),
    ],
)
def test_the_base_grants_what_is_used(resource: str, verbs: set[str]) -> None:
    assert rules(DEPLOY / "base" / "rbac.yaml")[resource] == verbs


def test_changing_nodes_is_an_optional_component_for_the_same_account() -> None:
    component = DEPLOY / "components" / "node-pool"
    assert rules(component / "rbac.yaml") == {"nodes": {"patch"}}
    kustomization = yaml.safe_load((component / "kustomization.yaml").read_text())
    assert kustomization["kind"] == "Component"
    assert kustomization["resources"] == ["rbac.yaml"]
    assert bindings(component / "rbac.yaml")[0] in bindings(DEPLOY / "base" / "rbac.yaml")


def test_scan_pods_never_evict_others() -> None:
    found = yaml.safe_load((DEPLOY / "base" / "priority-class.yaml").read_text())
    assert found["preemptionPolicy"] == "Never"
    assert found["value"] < 0
