"""A local cluster that runs pods, in which the scan image is a script of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from nightshift.embedded.kube.kubelet.options import MountMode, Patience
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.settings import CONFIG_DIR
from tests.cli.cli_support import SUCCEEDING, Local
from tests.cluster.kube_support import connected_to, running_server

IMAGE = "nightshift-scanner:0.1.0"
NODES = (NodeSpec("n1", "4", "16Gi"), NodeSpec("n2", "2", "32Gi"))


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Local]:
    """A cluster on which nothing acts: what was asked for stays as it is."""
    with running_server(tmp_path / "c", NODES) as server, connected_to(server) as cluster:
        yield Local(server, cluster, environ_of(server), tmp_path / "none")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    """A cluster that runs pods."""
    programs = tmp_path / "programs"
    programs.mkdir()
    kubelet = KubeletOptions(
        tmp_path / "kubelet",
        images={IMAGE: Image(path_dirs=(programs,), host=True)},
        mounts=MountMode.REWRITE,
        patience=Patience(backoff=0.1, retry=0.1),
    )
    running = running_server(tmp_path / "c", NODES, controllers=True, kubelet=kubelet)
    with running as server, connected_to(server) as cluster:
        environ = {**environ_of(server), "NIGHTSHIFT_CONFIG_DIR": str(quick_config(tmp_path))}
        made = Local(server, cluster, environ, programs / "python")
        made.image_does(SUCCEEDING)
        yield made


def quick_config(folder: Path) -> Path:
    """Make a configuration folder whose Jobs fail at once, and leave the image's place alone."""
    text = (CONFIG_DIR / "job-template.yaml").read_text()
    for old, new in (("backoffLimit: 1", "backoffLimit: 0"), ("mountPath: /tmp", "mountPath: /t")):
        assert old in text
        text = text.replace(old, new)
    (folder / "config").mkdir()
    (folder / "config" / "job-template.yaml").write_text(text)
    return folder / "config"


def environ_of(server: BackgroundCluster) -> dict[str, str]:
    """Give a user's environment."""
    return {"NIGHTSHIFT_KUBECONFIG": str(server.kubeconfig), "NIGHTSHIFT_NAMESPACE": "default"}
