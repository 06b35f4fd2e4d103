import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.embedded.kube.nodespecs import NodeSpec
from tests.cli.cli_support import Local, call, job, write_batch
from tests.cli.conftest import environ_of
from tests.cluster.kube_support import build_pod, running_server


def test_the_table_has_ratio_ranking_reasons_and_affinity(quiet: Local, tmp_path: Path) -> None:
    quiet.cluster.create("/api/v1/namespaces/default/pods", build_pod("busy", "n2"))
    batch = write_batch(tmp_path, job())
    result = call("rank", "-f", batch, "--strategy", "ratio", environ=quiet.environ)
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert lines[0] == "1 job asking cpu 500m, memory 3500M in all"
    assert lines[1] == "ratio 0.5714285714 (memory-heavy)"
    assert lines[3].startswith("steering soft: 2 nodes: the scheduler scores every one")
    assert lines[5].split() == ["rank", "node", "candidate", "why"]
    assert lines[6].startswith("1     n2    yes        free: cpu 1, memory 31Gi")
    assert lines[7].startswith("2     n1    yes        free: cpu 4, memory 16Gi")
    assert "# default/flask: n2 ranks first where it fits" in result.out
    affinity = yaml.safe_load(result.out[result.out.index("\naffinity:") :])["affinity"]
    terms = affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [term["weight"] for term in terms] == [100, 15]
    fields = [term["preference"]["matchFields"][0]["values"] for term in terms]
    assert fields == [["n2"], ["n1"]]


@pytest.mark.parametrize(("form", "parse"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_programs_get_the_whole_plan(quiet: Local, tmp_path: Path, form: str, parse: Any) -> None:
    batch = write_batch(tmp_path, job(), job(name="b", cpu="1", memory="2G", account="acme"))
    result = call("rank", "-f", batch, "-o", form, environ=quiet.environ)
    plan = parse(result.out)
    assert plan["ratio"] == "1.0909090909"
    assert plan["heaviness"] == "cpu-heavy"
    assert [node["node"] for node in plan["ranking"]] == ["n1", "n2"]
    assert [one["job"] for one in plan["jobs"]] == ["default/flask", "acme/b"]
    assert plan["jobs"][0]["affinity"]["nodeAffinity"]


@pytest.mark.parametrize(
    ("option", "variable", "strategy"),
    [
        pytest.param(["--strategy", "none"], "spread", "none", id="the option wins"),
        pytest.param([], "spread", "spread", id="else the setting"),
        pytest.param([], "", "pack", id="else the default"),
    ],
)
def test_the_strategy_can_be_chosen(
    quiet: Local, tmp_path: Path, option: list[str], variable: str, strategy: str
) -> None:
    environ = {**quiet.environ, "NIGHTSHIFT_STRATEGY": variable}
    batch = write_batch(tmp_path, job())
    result = call("rank", "-f", batch, "-o", "json", *option, environ=environ)
    assert json.loads(result.out)["strategy"] == strategy


def test_equal_jobs_share_one_affinity_in_the_table(quiet: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, *[job(name=f"n{i}") for i in range(7)])
    result = call("rank", "-f", batch, "--strategy", "ratio", environ=quiet.environ)
    assert result.out.count("nodeAffinity") == 1
    assert "default/n4 and 2 more:" in result.out


def test_above_100_nodes_the_schedulers_sample_is_mentioned(tmp_path: Path) -> None:
    nodes = tuple(NodeSpec(f"n{number:03d}", "4", "16Gi") for number in range(200))
    batch = write_batch(tmp_path, job())
    with running_server(tmp_path / "large", nodes) as server:
        result = call("rank", "-f", batch, "--strategy", "ratio", environ=environ_of(server))
        packed = call("rank", "-f", batch, environ=environ_of(server))
    for shown, level in ((result, "pool"), (packed, "names")):
        assert f"steering {level}: 200 nodes: the scheduler scores 100 of them for" in shown.out
        assert "NIGHTSHIFT_PRIORITY_CLASS=nightshift-scans" in shown.out
    assert result.out.count("- weight: ") == 16


def test_a_packed_batch_shows_what_is_opened_and_how_good_that_is(
    quiet: Local, tmp_path: Path
) -> None:
    quiet.cluster.create("/api/v1/namespaces/default/pods", build_pod("busy", "n1"))
    batch = write_batch(tmp_path, *[job(name=f"j{i}", memory="5Gi") for i in range(6)])
    lines = call("rank", "-f", batch, environ=quiet.environ).out.splitlines()
    assert lines[2].startswith("strategy pack: 1 of 1 idle nodes opened, 1 node in use takes pods:")
    assert "no placement opens fewer; soft: 2 nodes" in lines[2]
    assert lines[3] == "idle nodes opened: 1 (n2)"
    assert lines[4].startswith(
        "no placement opens fewer than 1 (bound: volume); gap 0.0%; found by "
    )
    reasons = {line.split()[1]: " ".join(line.split()[3:]) for line in lines[8:10]}
    assert reasons["n1"].startswith("in use anyway, takes 3 pods; free: ")
    assert reasons["n2"].startswith("opened for 3 pods; free: ")


def test_of_many_packed_nodes_three_are_shown_in_the_table(tmp_path: Path) -> None:
    nodes = tuple(NodeSpec(f"n{number}", "4", "16Gi") for number in range(6))
    batch = write_batch(tmp_path, *[job(name=f"j{i}", memory="12Gi") for i in range(6)])
    with running_server(tmp_path / "six", nodes) as server:
        shown = call("rank", "-f", batch, environ=environ_of(server)).out
        whole = call("rank", "-f", batch, "-o", "yaml", environ=environ_of(server)).out
    assert shown.count("nodeAffinity") == 3
    assert "and 3 more; --output yaml shows all" in shown
    assert whole.count("nodeAffinity") == 6


def test_a_batch_can_come_from_standard_input(quiet: Local) -> None:
    data = json.dumps({"jobs": [job()]}).encode()
    result = call("rank", "-f", "-", environ=quiet.environ, stdin=data)
    assert result.code == 0
    bad = call("rank", "-f", "-", environ=quiet.environ, stdin=b"{")
    assert bad.err.startswith("nightshift: <stdin>: is not JSON")


def one_message(result: Any) -> str:
    """Check that a command failed with one message and nothing else."""
    assert result.code == 1
    assert result.out == ""
    assert result.err.startswith("nightshift: ")
    assert result.err.count("nightshift: ") == 1
    assert "Traceback" not in result.err
    return str(result.err)


def test_a_job_that_fits_no_node_is_one_message(quiet: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, job(), job(name="huge", memory="64Gi"))
    text = one_message(call("rank", "-f", batch, environ=quiet.environ))
    assert "default/huge asks cpu 500m, memory 64Gi" in text
    assert "the largest, n2, offers" in text
    assert "Ask for less, or add a larger node" in text


def test_an_unreachable_cluster_is_one_message(quiet: Local, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        kubeconfig = tmp_path / "kubeconfig"
        text = Path(quiet.environ["NIGHTSHIFT_KUBECONFIG"]).read_text()
        url = f"https://127.0.0.1:{closed.getsockname()[1]}"
        kubeconfig.write_text(text.replace(quiet.server.url, url))
        environ = {**quiet.environ, "NIGHTSHIFT_KUBECONFIG": str(kubeconfig)}
        said = one_message(call("rank", "-f", write_batch(tmp_path, job()), environ=environ))
    assert f"the Kubernetes API at {url} does not answer" in said
    assert "check that the cluster is up" in said
    assert said.count("\n") == 1


def test_no_kubeconfig_is_one_message(tmp_path: Path) -> None:
    environ = {"NIGHTSHIFT_KUBECONFIG": str(tmp_path / "none")}
    said = one_message(call("rank", "-f", write_batch(tmp_path, job()), environ=environ))
    assert "set NIGHTSHIFT_KUBECONFIG or KUBECONFIG" in said


def test_rights_that_are_missing_are_one_message(quiet: Local, tmp_path: Path) -> None:
    quiet.server.call(lambda local: local.faults.add("GET", "/nodes", 403))
    said = one_message(call("rank", "-f", write_batch(tmp_path, job()), environ=quiet.environ))
    assert "forbids GET /api/v1/nodes" in said


def test_a_batch_file_that_is_no_json_is_one_message(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text('{"jobs": [}')
    said = one_message(call("rank", "-f", str(path), environ={}))
    assert "is not JSON: Expecting value at line 1 column 11" in said


def test_an_unknown_scanner_is_one_message_that_lists_those_that_there_are(
    tmp_path: Path,
) -> None:
    said = one_message(
        call("rank", "-f", write_batch(tmp_path, job(scanners=["rufff"])), environ={})
    )
    assert "batchJob.json: jobs[0].scanners[0]: there is no scanner rufff; there are" in said
    assert "ruff" in said.split("there are")[1]


def test_a_strategy_that_there_is_not_is_one_message(tmp_path: Path) -> None:
    environ = {"NIGHTSHIFT_STRATEGY": "magic"}
    said = one_message(call("rank", "-f", write_batch(tmp_path, job()), environ=environ))
    assert "NIGHTSHIFT_STRATEGY: 'magic' is none of pack, ratio" in said


def test_bad_settings_are_one_message(tmp_path: Path) -> None:
    environ = {"NIGHTSHIFT_MAX_PODS": "many", "NIGHTSHIFT_TIME_ZONE": "Mars"}
    said = one_message(call("rank", "-f", write_batch(tmp_path, job()), environ=environ))
    assert "NIGHTSHIFT_MAX_PODS" in said
    assert "NIGHTSHIFT_TIME_ZONE" in said


def test_a_wrong_command_line_is_code_2() -> None:
    assert call("rank", "--nonsense", environ={}).code == 2
    assert call("rank", environ={}).code == 2


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_the_plan_can_be_drawn(quiet: Local, tmp_path: Path, ending: str, start: bytes) -> None:
    path = tmp_path / f"plan.{ending}"
    batch = write_batch(tmp_path, job())
    result = call("rank", "-f", batch, "--plot", str(path), environ=quiet.environ)
    assert result.code == 0
    assert result.err == f"{path}: written\n"
    assert path.read_bytes().startswith(start)
    if ending == "svg":
        assert ">n1<" in path.read_text()
        assert "1 pods on 2 nodes" in path.read_text()


def test_a_plot_that_cannot_be_drawn_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    result = call("rank", "-f", "nowhere.json", "--plot", "plan.gif", environ={})
    assert (result.code, result.out) == (1, "")
    assert "plan.gif: must end in .svg or .png" in result.err


def test_the_steering_level_is_shown_with_what_it_lacks(quiet: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, job())
    options = ["rank", "-f", batch, "--steering", "nominate", "-o", "json"]
    steering = json.loads(call(*options, environ=quiet.environ).out)["steering"]
    assert steering["level"] == "soft"
    assert "NIGHTSHIFT_PRIORITY_CLASS=nightshift-scans" in steering["reason"]
