"""`nightshift run` with the real runner and a real scanner, as the shipped template starts them."""

from pathlib import Path

from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from tests.cli.cli_support import call, job, make_repository, write_batch
from tests.cli.conftest import IMAGE, NODES, environ_of
from tests.cluster.kube_support import running_server
from tests.runner.scan_support import PROJECT, scanner_python


def test_a_repository_is_cloned_and_scanned_by_the_shipped_template(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "app", {"app.py": "import os\n\nos.system('ls')\n"})
    include = PROJECT / "include"
    image = Image(
        path_dirs=(scanner_python().parent,),
        env={"PYTHONPATH": str(include)},
        visible=(include,),
        host=True,
    )
    kubelet = KubeletOptions(
        tmp_path / "kubelet", images={IMAGE: image}, visible_paths=(tmp_path / "app",)
    )
    batch = write_batch(
        tmp_path, job(repository=repository, ref="main", cpu="100m", memory="1Gi", account="acme")
    )
    with running_server(tmp_path / "c", NODES, controllers=True, kubelet=kubelet) as server:
        environ = {
            **environ_of(server),
            "NIGHTSHIFT_GIT_PROTOCOLS": "file",
            "NIGHTSHIFT_REQUIRE_CONFINEMENT": "false",
        }
        result = call("run", "-f", batch, environ=environ)
    assert result.out.splitlines() == [
        "acme/flask: succeeded on n2",
        "  ruff: succeeded (ok)",
        "1 of 1 jobs succeeded",
    ]
    assert result.code == 0
