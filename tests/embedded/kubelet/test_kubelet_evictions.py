"""An emptyDir that grows beyond its limit costs the pod its place."""

from pathlib import Path
from typing import Any

import pytest

from nightshift.embedded.kube.kubelet.folders import measure_tree
from nightshift.embedded.kube.kubelet.options import Patience
from tests.embedded.kubelet.bench import open_bench, pod, shell

QUICK = Patience(usage=0.05)


def _volume(**fields: Any) -> Any:
    return {"name": "tmp", "emptyDir": fields}


def _filler() -> Any:
    script = "head -c 3000000 /dev/zero > /work/file; echo filled; exec sleep 60"
    return shell(script, volumeMounts=[{"name": "tmp", "mountPath": "/work"}])


def test_a_pod_beyond_its_limit_is_evicted(tmp_path: Path) -> None:
    with open_bench(tmp_path, patience=QUICK) as bench:
        bench.create(pod(_filler(), volumes=[_volume(sizeLimit="1Mi")]))
        status = bench.until_phase("Failed")
        assert status["reason"] == "Evicted"
        assert status["message"] == 'Usage of EmptyDir volume "tmp" exceeds the limit "1Mi". '
        assert bench.state()["terminated"]["exitCode"] == 137
        assert ("Evicted", status["message"]) in bench.events()


@pytest.mark.parametrize("fields", [{}, {"sizeLimit": "1Gi"}], ids=["no limit", "a larger limit"])
def test_others_stay(tmp_path: Path, fields: Any) -> None:
    with open_bench(tmp_path, patience=QUICK) as bench:
        bench.create(pod(_filler(), volumes=[_volume(**fields)]))
        bench.until_running()
        bench.until(lambda: bench.log() == "filled\n")
        bench.run_for(0.3)
        assert bench.status()["phase"] == "Running"


def test_what_links_lead_to_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "file").write_bytes(b"x" * 100_000)
    before = measure_tree(tmp_path / "in")
    assert 100_000 <= before < 200_000
    (tmp_path / "out").write_bytes(b"x" * 1_000_000)
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    assert measure_tree(tmp_path / "in") - before < 10_000
