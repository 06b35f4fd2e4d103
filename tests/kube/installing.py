"""Installs Nightshift on a cluster as the user guide says, and as little more as can be.

Airflow gets a service account's token and not the administrator's certificate, so a night shows
that the role in deploy/base is enough.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nightshift.orchestration.pods import TEMPLATES
from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.kubeconfigs import write_kubeconfig
from tests.kube.volumes import build_local_volume

NAMESPACE = "nightshift"
SAMPLES = "nightshift-samples"
_ACCOUNT = "nightshift-airflow"
_INSTALLER = "nightshift-install"
_TOKEN_HOURS = 24


def install(cluster: Cluster, samples: Path) -> Path:
    """Apply deploy/base and what the samples need; safe to repeat.

    :param samples: the folder of the sample repositories, which clone pods see at the same path.
    :returns: a kubeconfig for Airflow.
    """
    cluster.kubectl("apply", "-k", str(CHECKOUT / "deploy" / "base"))
    objects = [*_installer_role(), *_samples_volume(samples)]
    listing = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(listing))
    words = ("create", "token", _ACCOUNT, f"--duration={_TOKEN_HOURS}h")
    token = cluster.kubectl("--namespace", NAMESPACE, *words).strip()
    file = cluster.layout.certificates / "airflow.kubeconfig"
    return write_kubeconfig(file, cluster.url, cluster.layout.certificates / "ca.crt", token)


def write_clone_template(config: Path, samples: Path) -> Path:
    """Write a stack's own template of clone pods: the shipped one, and a mount of the samples."""
    template = yaml.safe_load((TEMPLATES / "clone.yaml").read_text())
    mount = {"name": SAMPLES, "mountPath": str(samples), "readOnly": True}
    claim = {"claimName": SAMPLES, "readOnly": True}
    (container,) = template["spec"]["containers"]
    container["volumeMounts"].append(mount)
    template["spec"]["volumes"].append({"name": SAMPLES, "persistentVolumeClaim": claim})
    file = config / "pods" / "clone.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(template))
    return file


def _samples_volume(samples: Path) -> list[Mapping[str, Any]]:
    """Build a volume and its claim; *restricted* forbids hostPath in a pod, but not this."""
    volume = build_local_volume(SAMPLES, samples, "1Gi")
    volume["spec"]["accessModes"] = ["ReadOnlyMany"]
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": SAMPLES, "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadOnlyMany"],
            "storageClassName": "",
            "volumeName": SAMPLES,
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
