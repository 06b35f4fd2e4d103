import json
from pathlib import Path
from typing import Any

import pytest

from nightshift.config.batch_files import parse_batch_file, read_batch_file
from nightshift.config.entries import Allowed
from nightshift.domain.batches import BatchFile
from nightshift.domain.ids import ScannerName
from nightshift.domain.resources import Resources
from nightshift.errors import ConfigError, ConfigErrors
from nightshift.scanners import load_scanners

ALLOWED = Allowed(scanners=(ScannerName("ruff"), ScannerName("bandit")))
EXAMPLES = Path(__file__).parents[2] / "include" / "config" / "examples"


def job(**changes: Any) -> dict[str, Any]:
    """A sound job; a change to None takes the key away."""
    sound = {
        "name": "flask",
        "repository": "https://github.com/pallets/flask",
        "scanners": ["ruff"],
        "cpu": "500m",
        "memory": "3.5G",
    }
    return {key: value for key, value in {**sound, **changes}.items() if value is not None}


def read(*jobs: object) -> BatchFile:
    return parse_batch_file(json.dumps({"jobs": jobs}), ALLOWED)


def faults_of(*jobs: object) -> dict[str, str]:
    with pytest.raises(ConfigErrors) as caught:
        read(*jobs)
    faults = [fault for fault in caught.value.exceptions if isinstance(fault, ConfigError)]
    return {fault.where: fault.problem for fault in faults}


def test_every_field_is_read() -> None:
    whole = job(
        ref="v3.0", account="acme", cpu=0.25, memory="1Gi", time_limit=600, priority=-5,
        scanners=["bandit", "ruff"],
    )  # fmt: skip
    (found,) = read(whole).jobs
    assert found.name == "flask"
    assert found.remote.url == "https://github.com/pallets/flask"
    assert found.ref == "v3.0"
    assert found.account == "acme"
    assert found.scanners == ("bandit", "ruff")
    assert found.request == Resources(250, 1024**3)
    assert found.time_limit_seconds == 600
    assert found.priority == -5


def test_what_is_left_out_has_its_default() -> None:
    (found,) = read(job()).jobs
    assert (found.account, found.ref, found.time_limit_seconds, found.priority) == (
        "default", None, None, 0,
    )  # fmt: skip


def test_an_integer_is_whole_cores() -> None:
    assert read(job(cpu=2)).jobs[0].request.cpu_millis == 2000


@pytest.mark.parametrize(
    ("bad", "where", "said"),
    [
        pytest.param(job(cpu="500mm"), "jobs[0].cpu", "not a Kubernetes quantity", id="bad cpu"),
        pytest.param(job(cpu="0"), "jobs[0].cpu", "from 1m to 1000 cores", id="no cpu"),
        pytest.param(job(cpu="-1"), "jobs[0].cpu", "from 1m to 1000 cores", id="negative cpu"),
        pytest.param(job(cpu=True), "jobs[0].cpu", "expected CPU", id="a truth as cpu"),
        pytest.param(job(memory=512), "jobs[0].memory", "unit missing", id="memory without unit"),
        pytest.param(job(memory="1e40"), "jobs[0].memory", "beyond 10^30", id="absurd memory"),
        pytest.param(job(memory=None), "jobs[0]", "lacks memory", id="no memory"),
        pytest.param(job(cpus="1"), "jobs[0]", "did you mean cpu?", id="misspelt key"),
        pytest.param(job(zebra=1), "jobs[0]", "it may have name, repository", id="strange key"),
        pytest.param(job(name="../x"), "jobs[0].name", "1 to 100 of", id="a path as name"),
        pytest.param(job(name="x\n"), "jobs[0].name", "1 to 100 of", id="a newline in the name"),
        pytest.param(job(account="A"), "jobs[0].account", "1 to 40 of", id="capital account"),
        pytest.param(job(account="a\n"), "jobs[0].account", "1 to 40 of", id="newline account"),
        pytest.param(job(ref="a..b"), "jobs[0].ref", "a ref has no", id="a range as ref"),
        pytest.param(job(ref="--upload-pack=x"), "jobs[0].ref", "a branch", id="option as ref"),
        pytest.param(
            job(repository="ext::sh -c x"), "jobs[0].repository", "no spaces", id="a helper"
        ),
        pytest.param(
            job(repository="http://github.com/a/b"), "jobs[0].repository", "only https", id="http"
        ),
        pytest.param(
            job(repository="https://10.0.0.1/a/b"), "jobs[0].repository", "IP address", id="an IP"
        ),
        pytest.param(job(scanners=[]), "jobs[0].scanners", "at least one", id="no scanners"),
        pytest.param(
            job(scanners=["ruff", "ruff"]), "jobs[0].scanners", "twice", id="a scanner twice"
        ),
        pytest.param(
            job(scanners=["ruff", "rufff"]),
            "jobs[0].scanners[1]",
            "no scanner rufff; there are ruff, bandit",
            id="unknown scanner",
        ),
        pytest.param(
            job(time_limit=3), "jobs[0].time_limit", "from 60 to 86400", id="a limit of seconds"
        ),
        pytest.param(job(priority=1.5), "jobs[0].priority", "expected higher", id="half priority"),
        pytest.param([], "jobs[0]", "expected an object", id="a list as job"),
        pytest.param(None, "jobs[0]", "expected an object", id="null as job"),
    ],
)
def test_a_fault_names_its_place_and_rule(bad: object, where: str, said: str) -> None:
    faults = faults_of(bad)
    assert said in faults[f"batchJob.json: {where}"]


def test_all_faults_of_all_jobs_are_reported_in_the_files_order() -> None:
    faults = faults_of(
        job(cpu="x", memory="y"),
        job(name="second", cpus=1),
        job(name="third", scanners=["none"], repository="https://localhost/a"),
    )
    assert [where.removeprefix("batchJob.json: ") for where in faults] == [
        "jobs[0].cpu",
        "jobs[0].memory",
        "jobs[1]",
        "jobs[2].repository",
        "jobs[2].scanners[0]",
    ]


def test_several_missing_keys_are_told_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        read(job(cpu=None, memory=None))
    assert [str(fault) for fault in caught.value.exceptions] == [
        "batchJob.json: jobs[0]: lacks cpu, memory"
    ]


def test_two_jobs_of_one_name_are_refused_and_the_first_is_named() -> None:
    faults = faults_of(job(), job(name="other"), job())
    assert list(faults) == ["batchJob.json: jobs[2].name"]
    assert "jobs[0] already" in faults["batchJob.json: jobs[2].name"]


def test_the_same_name_in_two_accounts_is_fine() -> None:
    assert len(read(job(account="a"), job(account="b")).jobs) == 2


def test_many_faults_are_cut_and_counted() -> None:
    with pytest.raises(ConfigErrors) as caught:
        read(*[job(name=f"n{i}", cpu="x") for i in range(60)])
    assert len(caught.value.exceptions) == 51
    assert "and 10 more faults" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('{"jobs": [}', "Expecting value at line 1 column 11", id="broken JSON"),
        pytest.param("", "Expecting value at line 1 column 1", id="empty file"),
        pytest.param('{"jobs": [], "jobs": []}', "'jobs' is there twice", id="a key twice"),
        pytest.param('{"jobs": [{"cpu": NaN}]}', "NaN is not JSON", id="not a number"),
        pytest.param("[" * 100_000, "nested too deeply", id="a bomb of brackets"),
        pytest.param('{"a": ' + "9" * 5_000 + "}", "is not JSON that we accept", id="huge number"),
    ],
)
def test_text_that_is_no_json_is_one_fault_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_batch_file(text, ALLOWED, "b.json")
    assert caught.value.where == "b.json"
    assert said in caught.value.problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[]", "expected an object", id="a list"),
        pytest.param("{}", "lacks jobs", id="no jobs"),
        pytest.param('{"jobs": []}', "at least one", id="an empty list"),
        pytest.param('{"jobs": {}}', "expected a list", id="jobs as an object"),
    ],
)
def test_a_document_of_another_shape_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse_batch_file(text, ALLOWED)
    assert said in str(caught.value)


def test_a_password_in_a_remote_is_not_repeated() -> None:
    bad = faults_of(job(repository="https://me:hunter2@github.com/a/b"), job(name=7))
    long = faults_of(job(repository="https://me:hunter2@github.com/" + "a" * 3000))
    assert "hunter2" not in str(bad) + str(long)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b" " * 10_000_001, "larger than 10 MB", id="too large"),
        pytest.param(b'{"jobs": "\xff"}', "is not UTF-8: byte 10", id="not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_text_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=said):
        read_batch_file(path, ALLOWED)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read: No such file"):
        read_batch_file(tmp_path / "none.json", ALLOWED)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"jobs": [job()]}), encoding="utf-8-sig")
    assert read_batch_file(path, ALLOWED).source == "b.json"


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("batchJob*.json")), ids=lambda path: path.name
)
def test_shipped_examples_are_sound(path: Path) -> None:
    batch = read_batch_file(path, Allowed(tuple(load_scanners())))
    assert batch.jobs


def test_there_are_examples() -> None:
    assert {"batchJob.json", "batchJob.two-accounts.json"} <= {p.name for p in EXAMPLES.iterdir()}
