"""The night's steps without Airflow: a real PostgreSQL, a local cluster, git repositories."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.embedded.kube.background import BackgroundCluster, cluster_in_background
from nightshift.embedded.kube.cluster import ClusterOptions
from nightshift.embedded.kube.kubelet import KubeletOptions
from nightshift.embedded.kube.nodespecs import parse_node_options
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.sample_history import File, write_repository
from nightshift.settings import Settings
from nightshift.store import BatchId, BatchSummary, read_batch_summary, reader_engine, transaction
from nightshift.store.schema import migrate


@pytest.fixture(scope="session")
def night_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("night") / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_url(night_server: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    """A store of the test's own."""
    url = night_server.create_database(f"night_{abs(hash(request.node.nodeid)):x}"[:60])
    migrate(url)
    return url


@pytest.fixture
def node_options() -> list[str]:
    """The cluster's nodes, as ``name=cpu,memory``; a module may have others."""
    return ["big=8,32Gi", "small=2,4Gi", "tiny=500m,512Mi"]


@pytest.fixture
def kube(tmp_path: Path, node_options: list[str]) -> Iterator[BackgroundCluster]:
    """Three nodes; pods pretend to run, so volumes and plans are real and nothing else is."""
    folder = tmp_path / "cluster"
    options = ClusterOptions(
        data_dir=folder,
        nodes=parse_node_options(node_options),
        kubelet=KubeletOptions(folder / "kubelet", pretend_seconds=0.1),
    )
    with cluster_in_background(options) as running:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "nightshift"}}
        running.call(lambda cluster: cluster.store.create("namespaces", namespace))
        yield running


@dataclass(frozen=True, slots=True)
class World:
    """Settings that lead to all of it, and the places behind them."""

    settings: Settings
    folder: Path
    kube: BackgroundCluster

    def write_registry(self, accounts: dict[str, list[str]], **more: Any) -> None:
        """Make repositories and list them; ``more`` adds entries by account."""
        listed = []
        for account, names in accounts.items():
            entries = [{"name": name, "remote": self.make(account, name)} for name in names]
            listed.append({"name": account, "repositories": [*entries, *more.get(account, [])]})
        text = yaml.safe_dump({"accounts": listed})
        (self.settings.config_dir / "repositories.yaml").write_text(text)

    def make(self, account: str, name: str, content: bytes = b"x = 1\n") -> str:
        path = self.folder / "remotes" / account / f"{name}.git"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_repository(path, [{"app.py": File(content)}])
        return path.as_uri()

    def summary(self, batch: int) -> BatchSummary:
        engine = reader_engine(self.settings.reader_url())
        try:
            with transaction(engine) as connection:
                return read_batch_summary(connection, BatchId(batch))
        finally:
            engine.dispose()

    def work_items(self, pod: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Read the work list of a planned pod."""
        name = pod["labels"]["nightshift/work"]
        stored = self.kube.call(lambda c: c.store.get("configmaps", name, "nightshift"))
        (text,) = stored["data"].values()
        return list(json.loads(text)["items"])

    def names(self, kind: str) -> list[str]:
        found = self.kube.call(lambda cluster: cluster.store.list(kind, "nightshift"))
        return [str(obj["metadata"]["name"]) for obj in found]


@pytest.fixture
def make_world(tmp_path: Path, database_url: str, kube: BackgroundCluster) -> Callable[..., World]:
    def make(**variables: str) -> World:
        (tmp_path / "config").mkdir(exist_ok=True)
        environment = {
            "NIGHTSHIFT_DATABASE_URL": database_url,
            "NIGHTSHIFT_KUBECONFIG": str(kube.kubeconfig),
            "NIGHTSHIFT_CONFIG_DIR": str(tmp_path / "config"),
            "NIGHTSHIFT_GIT_PROTOCOLS": "https,file",
            **variables,
        }
        return World(Settings.from_env(environment), tmp_path, kube)

    return make
