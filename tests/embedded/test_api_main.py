"""``python -m nightshift.embedded.kube``: starts, says so, ends with its pods."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from nightshift.embedded.kube.__main__ import app

INCLUDE = Path(__file__).parents[2] / "include"


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nightshift.embedded.kube", *words]
    env = {**os.environ, "PYTHONPATH": str(INCLUDE)}
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_kubeconfig_and_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text("[{name: n1, cpu: 1, memory: 1Gi}]")
    data = tmp_path / "data"
    with start("--data", str(data), "--nodes", str(nodes), "--pretend-pods") as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        config = yaml.safe_load((data / "kubeconfig").read_text())
        process.send_signal(number)
        rest, errors = process.communicate(timeout=30)
    assert (
        ready
        == f"ready: {config['clusters'][0]['cluster']['server']} KUBECONFIG={data}/kubeconfig\n"
    )
    assert rest == ""
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--node", "n1"], "--node n1: write name=cpu,memory"),
        (["--nodes", "none.yaml"], "none.yaml"),
        (["--nodes", "a.yaml", "--node", "n=1,1"], "give one of them, not both"),
        (["--image", "busybox"], "--image busybox: write NAME=DIR"),
    ],
)
def test_fault_is_one_message_without_a_traceback(
    tmp_path: Path, words: list[str], message: str
) -> None:
    result = CliRunner().invoke(app, ["--data", str(tmp_path / "data"), *words])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert message in result.stderr
    assert "Traceback" not in result.stderr
