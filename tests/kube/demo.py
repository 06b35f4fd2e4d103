"""``nightshift demo`` on a real cluster: the stack of this machine, pods on its nodes."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.commands import Tell, run_in_foreground
from tests.kube.installing import install, mount_samples

STACK = CHECKOUT / ".nightshift-kube" / "stack"
VARIABLES = {
    "NIGHTSHIFT_IMAGE_PULL_POLICY": "Never",
    "NIGHTSHIFT_PRIORITY_CLASS": "nightshift-scans",
}
"""There is no registry to pull from; the priority class is that of deploy/base."""


def prepare_stack(cluster: Cluster, data: Path) -> Path:
    """Prepare a stack's data directory and the cluster for each other; give Airflow's kubeconfig.

    :param data: absolute; nodes must see it, so not below /run or /dev.
    """
    samples = data / "repositories"
    samples.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    kubeconfig = install(cluster)
    mount_samples(cluster, samples, data / "config")
    return kubeconfig


def run_demo(cluster: Cluster, data: Path, words: Sequence[str], tell: Tell) -> int:
    """Run the demo as a user would, with ``words`` after ours; give its exit code."""
    kubeconfig = prepare_stack(cluster, data)
    address = str(cluster.place.address)
    argv = [
        *(sys.executable, "-m", "nightshift", "demo", "--data", str(data)),
        *("--kubeconfig", str(kubeconfig), "--database-address", address),
        *(f"--set={name}={value}" for name, value in VARIABLES.items()),
        *words,
    ]
    tell(f"look on with: kubectl --kubeconfig {cluster.kubeconfig} -n nightshift get pods -o wide")
    return run_in_foreground(argv)
