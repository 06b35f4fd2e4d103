from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.cluster.jobs import GROUP
from nightshift.embedded.kube.nodespecs import NodeSpec
from nightshift.settings import CONFIG_DIR
from tests.cli.cli_support import SUCCEEDING, Local, call, job, make_repository, write_batch
from tests.cli.conftest import environ_of
from tests.cluster.kube_support import connected_to, running_server

FAILED_SCAN = """
case "$*" in
  *"runner scan"*)
    echo '{"scan": "1-flask-ruff", "scanner": "ruff", "outcome": "failed", "reason": "canary"}' ;;
esac
"""


def names(local: Local, plural: str, group: str = "api/v1") -> list[str]:
    found = local.cluster.iterate(local.cluster.path(plural, group=group))
    wanted = (obj["metadata"]["name"] for obj in found)
    return [name for name in wanted if name != "kube-root-ca.crt"]


def run(local: Local, batch: str, *options: str, **more: Any) -> Any:
    return call("run", "-f", batch, *options, environ=local.environ, **more)


def test_a_job_that_succeeds_is_shown_and_cleaned_up(local: Local, tmp_path: Path) -> None:
    result = run(local, write_batch(tmp_path, job()))
    assert result.out.splitlines() == [
        "default/flask: succeeded on n1",
        "  ruff: succeeded (ok)",
        "1 of 1 jobs succeeded",
    ]
    assert result.code == 0
    assert "default/flask: Job default/scan--default--flask--" in result.err
    assert "steering soft: pods prefer their nodes; predicted hit rate 100%" in result.err
    assert "1 of 1 pods met their planned node: 100%, predicted were 100%" in result.err
    assert names(local, "jobs", GROUP) == []
    assert names(local, "configmaps") == []


def test_kept_jobs_are_adopted_by_the_next_run(local: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, job())
    assert run(local, batch, "--keep").code == 0
    kept = names(local, "jobs", GROUP)
    assert len(kept) == 1
    again = run(local, batch, "--keep")
    assert again.code == 0
    assert "is there already" in again.err
    assert "planned node" not in again.err, "an adopted Job follows the plan of its own run"
    assert "ruff: succeeded (ok)" in again.out
    assert names(local, "jobs", GROUP) == names(local, "configmaps") == kept


def test_a_scan_that_failed_fails_the_run(local: Local, tmp_path: Path) -> None:
    local.image_does(FAILED_SCAN)
    result = run(local, write_batch(tmp_path, job()))
    assert result.code == 1
    assert "  ruff: failed (canary)" in result.out
    assert "0 of 1 jobs succeeded" in result.out


def test_a_pod_that_says_nothing_has_proved_nothing(local: Local, tmp_path: Path) -> None:
    local.image_does("echo all is well")
    result = run(local, write_batch(tmp_path, job()))
    assert result.code == 1
    assert "  only 0 of 1 scans said how they ended" in result.out
    assert "  | all is well" in result.out


def test_a_failed_job_stays_shows_its_log_and_is_replaced_next_time(
    local: Local, tmp_path: Path
) -> None:
    batch = write_batch(tmp_path, job())
    local.image_does("echo no such host; echo '\x1b[2J'; exit 75")
    failed = run(local, batch)
    assert failed.code == 1
    assert "default/flask: failed: BackoffLimitExceeded" in failed.out
    assert "  | no such host" in failed.out
    assert "\x1b" not in failed.out
    left = names(local, "jobs", GROUP)
    assert len(left) == 1
    assert names(local, "configmaps") == left

    local.image_does(SUCCEEDING)
    again = run(local, batch)
    assert again.code == 0
    assert "created" in again.err
    assert names(local, "jobs", GROUP) == []


def test_one_failure_among_several_fails_the_run(local: Local, tmp_path: Path) -> None:
    local.image_does(
        'for word in "$@"; do case $word in *.json) list=$word;; esac; done\n'
        f'grep -q \'"repository": "b"\' "$list" && exit 3\n{SUCCEEDING}'
    )
    result = run(local, write_batch(tmp_path, job(), job(name="b", priority=5)))
    assert result.code == 1
    assert result.out.splitlines()[0].startswith("default/b: failed: BackoffLimitExceeded")
    assert "default/flask: succeeded" in result.out
    assert "1 of 2 jobs succeeded" in result.out
    assert result.err.index("default/b: Job") < result.err.index("default/flask: Job")
    assert len(names(local, "jobs", GROUP)) == 1


def test_a_dry_run_prints_what_kubectl_could_create_and_creates_nothing(
    quiet: Local, tmp_path: Path
) -> None:
    result = run(quiet, write_batch(tmp_path, job(), job(name="b")), "--dry-run")
    assert result.code == 0
    documents = list(yaml.safe_load_all(result.out))
    assert [d["kind"] for d in documents] == ["ConfigMap", "Job", "ConfigMap", "Job"]
    pod = documents[1]["spec"]["template"]["spec"]
    assert pod["affinity"]["nodeAffinity"]
    assert pod["volumes"][1]["configMap"]["name"] == documents[0]["metadata"]["name"]
    assert names(quiet, "jobs", GROUP) == names(quiet, "configmaps") == []
    for config_map in documents[::2]:
        quiet.cluster.create(quiet.cluster.path("configmaps"), config_map)
    for planned in documents[1::2]:
        quiet.cluster.create(quiet.cluster.path("jobs", group=GROUP), planned)


@pytest.mark.parametrize(
    ("strategy", "said", "hosts"),
    [
        ("pack", "steering names: pods require one of up to 64 nodes, and prefer theirs", 64),
        ("spread", "steering soft: pods prefer theirs; predicted hit rate 67%; a night in", 0),
    ],
)
def test_where_the_scheduler_only_samples_pods_get_a_list_of_hosts_and_no_gate(
    tmp_path: Path, strategy: str, said: str, hosts: int
) -> None:
    nodes = tuple(NodeSpec(f"n{number:03d}", "4", "16Gi") for number in range(150))
    options = ("--timeout", "1", "--strategy", strategy)
    with running_server(tmp_path / "c", nodes) as server:
        environ = {**environ_of(server), "NIGHTSHIFT_STEERING": "nominate"}
        result = call("run", "-f", write_batch(tmp_path, job()), *options, environ=environ)
        with connected_to(server) as cluster:
            jobs = list(cluster.iterate("/apis/batch/v1/namespaces/default/jobs"))
    assert said.replace("theirs", "their nodes") in result.err
    (made,) = jobs
    pod = made["spec"]["template"]["spec"]
    assert "schedulingGates" not in pod
    assert len(required_hosts(pod)) == hosts


def required_hosts(pod: Any) -> list[str]:
    required = pod["affinity"]["nodeAffinity"].get(
        "requiredDuringSchedulingIgnoredDuringExecution", {"nodeSelectorTerms": []}
    )
    rules = [rule for term in required["nodeSelectorTerms"] for rule in term["matchExpressions"]]
    return [host for rule in rules for host in rule["values"]]


def test_names_stand_for_the_work(quiet: Local, tmp_path: Path) -> None:
    def name_of(**changes: Any) -> str:
        result = run(quiet, write_batch(tmp_path, job(**changes)), "--dry-run")
        return str(next(yaml.safe_load_all(result.out))["metadata"]["name"])

    usual = name_of()
    assert usual == name_of()
    others = [
        name_of(ref="e" * 40),
        name_of(cpu="501m"),
        name_of(time_limit=100),
        name_of(scanners=["bandit"]),
        name_of(account="acme"),
    ]
    assert len({usual, *others}) == 6


def test_what_does_not_end_in_time_goes_on(quiet: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, job())
    result = run(quiet, batch, "--timeout", "1")
    assert result.code == 1
    assert "default/flask: has not ended" in result.out
    assert "run the same command again" in result.err
    assert len(names(quiet, "jobs", GROUP)) == 1
    assert "is there already" in run(quiet, batch, "--timeout", "1").err


@pytest.mark.parametrize(
    ("option", "left", "said"),
    [
        pytest.param([], 1, "the Jobs go on", id="they are left alone by default"),
        pytest.param(["--on-interrupt", "delete"], 0, "deleted the 1 Jobs", id="or deleted"),
    ],
)
def test_ctrl_c(quiet: Local, tmp_path: Path, option: list[str], left: int, said: str) -> None:
    batch = write_batch(tmp_path, job())
    result = run(quiet, batch, *option, interrupt_after="waits for its pod")
    assert result.code == 130
    assert said in result.err
    assert len(names(quiet, "jobs", GROUP)) == len(names(quiet, "configmaps")) == left


def test_an_interrupted_run_does_not_delete_what_it_adopted(quiet: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, job())
    run(quiet, batch, "--timeout", "1")
    options = ("--on-interrupt", "delete")
    result = run(quiet, batch, *options, interrupt_after="waits for its pod")
    assert "deleted the 0 Jobs" in result.err
    assert len(names(quiet, "jobs", GROUP)) == 1


def test_a_template_of_ones_own_and_a_namespace(quiet: Local, tmp_path: Path) -> None:
    quiet.cluster.create("/api/v1/namespaces", {"metadata": {"name": "mine"}})
    template = tmp_path / "t.yaml"
    shipped = (CONFIG_DIR / "job-template.yaml").read_text()
    template.write_text(shipped.replace("backoffLimit: 1", "backoffLimit: 7"))
    batch = write_batch(tmp_path, job())
    run(quiet, batch, "--template", str(template), "--namespace", "mine", "--timeout", "1")
    path = "/apis/batch/v1/namespaces/mine/jobs"
    assert [one["spec"]["backoffLimit"] for one in quiet.cluster.iterate(path)] == [7]


def test_a_template_with_a_bad_amount_is_one_message(quiet: Local, tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    shipped = (CONFIG_DIR / "job-template.yaml").read_text()
    sidecar = "- {name: side, image: x, resources: {requests: {cpu: lots}}}\n        - name: scan"
    template.write_text(shipped.replace("- name: scan", sidecar))
    result = run(quiet, write_batch(tmp_path, job()), "--template", str(template))
    assert result.code == 1
    assert "the Job template: spec.template.spec.containers[0].resources.requests.cpu" in result.err


def test_text_is_shown_as_it_is(tmp_path: Path) -> None:
    result = call("run", "-f", str(tmp_path / "[b]:smile:.json"), environ={})
    assert "[b]:smile:.json: cannot be read" in result.err


def test_a_job_in_somebody_elses_name_is_one_message(quiet: Local, tmp_path: Path) -> None:
    batch = write_batch(tmp_path, job())
    planned = list(yaml.safe_load_all(run(quiet, batch, "--dry-run").out))[1]
    planned["metadata"]["labels"] = {"app": "theirs"}
    quiet.cluster.create(quiet.cluster.path("jobs", group=GROUP), planned)
    result = run(quiet, batch)
    assert result.code == 1
    assert "is there and is not Nightshift's: delete or rename it" in result.err


def test_remotes_without_anything_to_scan_are_one_message(quiet: Local, tmp_path: Path) -> None:
    environ = {**quiet.environ, "NIGHTSHIFT_GIT_PROTOCOLS": "file"}
    full = make_repository(tmp_path / "full", {"a.py": "x = 1\n"})
    batch = write_batch(
        tmp_path,
        job(repository=full, ref="main"),
        job(name="b", repository=full, ref="no-such-branch"),
        job(name="c", repository=(tmp_path / "gone").as_uri(), ref="main"),
    )
    result = call("run", "-f", batch, environ=environ)
    assert result.code == 1
    assert result.err.count("nightshift: ") == 1
    assert "batchJob.json: jobs[1].repository" in result.err
    assert "no ref no-such-branch" in result.err
    assert "batchJob.json: jobs[2].repository" in result.err
    assert "jobs[0]" not in result.err
    assert names(quiet, "jobs", GROUP) == []
