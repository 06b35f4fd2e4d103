"""Installs Nightshift on a cluster as the user guide says, and as little more as can be.

Airflow gets a service account's token and not the administrator's certificate, so a night shows
that the role in deploy/base is enough.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from nightshift.orchestration.pods import TEMPLATES
from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.kubeconfigs import write_kubeconfig
from tests.kube.volumes import build_local_volume

NAMESPACE = "nightshift"
_ACCOUNT = "nightshift-airflow"
_INSTALLER = "nightshift-install"
_TOKEN_HOURS = 24


def install(cluster: Cluster) -> Path:
    """Apply deploy/base, and give a kubeconfig for Airflow; safe to repeat."""
    cluster.kubectl("apply", "-k", str(CHECKOUT / "deploy" / "base"))
    _apply(cluster, _installer_role())
    words = ("create", "token", _ACCOUNT, f"--duration={_TOKEN_HOURS}h")
    token = cluster.kubectl("--namespace", NAMESPACE, *words).strip()
    file = cluster.layout.certificates / "airflow.kubeconfig"
    return write_kubeconfig(file, cluster.url, cluster.layout.certificates / "ca.crt", token)


def mount_samples(cluster: Cluster, samples: Path, config: Path) -> None:
    """Let clone pods see the sample repositories, at the path that their remotes name.

    :param samples: their folder, which every node sees.
    :param config: a stack's configuration folder; it gets a template of clone pods, the shipped one
        with a mount more.
    """
    name = f"samples-{hashlib.blake2b(str(samples).encode(), digest_size=4).hexdigest()}"
    _apply(cluster, _samples_volume(name, samples))
    template = yaml.safe_load((TEMPLATES / "clone.yaml").read_text())
    (container,) = template["spec"]["containers"]
    container["volumeMounts"].append({
        "name": "samples",
        "mountPath": str(samples),
        "readOnly": True,
    })
    claim = {"claimName": name, "readOnly": True}
    template["spec"]["volumes"].append({"name": "samples", "persistentVolumeClaim": claim})
    file = config / "pods" / "clone.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(template))


def _apply(cluster: Cluster, objects: Sequence[Mapping[str, Any]]) -> None:
    listing = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(listing))


def _samples_volume(name: str, samples: Path) -> list[Mapping[str, Any]]:
    """Build a volume and its claim; *restricted* forbids hostPath in a pod, but not this."""
    volume = build_local_volume(name, samples, "1Gi")
    volume["spec"]["accessModes"] = ["ReadOnlyMany"]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "storageClassName": "",
            "volumeName": name,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    return [volume, claim]


def _installer_role() -> list[Mapping[str, Any]]:
    """Build what ``nightshift install`` needs beyond the role of nights."""
    rbac = "rbac.authorization.k8s.io"
    subjects = [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": NAMESPACE}]
    rules = [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "patch"]},
    ]
    role = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _INSTALLER},
        "rules": rules,
    }
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _INSTALLER},
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": _INSTALLER},
        "subjects": subjects,
    }
    return [role, binding]
