import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from nightshift import store
from nightshift.domain.ids import ShardName
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import LeftOut, Phase
from nightshift.errors import ConfigError, NotFound
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.ingest import main
from tests.store.nights import COMMITS, NOW, Nights, Query
from tests.store.volumes import TestVolume, sarif

SCAN = "1-api-ruff"
KEY = f"{COMMITS[0]}-1.0"
CODE = "import os\nassert os\npassword = 'hunter2-is-the-secret'\n"
RESULTS = [("S101", "app/main.py", 2), ("S105", "app/main.py", 3)]


@pytest.fixture
def nights(engine: Engine) -> Nights:
    return Nights(engine)


@pytest.fixture
def volume(tmp_path: Path) -> TestVolume:
    volume = TestVolume(tmp_path / "work space")
    volume.root.mkdir()
    volume.write_tree("api", COMMITS[0], {"app/main.py": CODE})
    return volume


@pytest.fixture
def run(nights: Nights, volume: TestVolume, database_url: str) -> Any:
    nights.open()

    def run(*arguments: str) -> ExitCode:
        argv = ["--batch", "1", "--account", "acme", "--shard", "s001", *arguments]
        return main(
            [*argv, "--workspace", str(volume.root)],
            {"NIGHTSHIFT_DATABASE_URL": database_url, "NIGHTSHIFT_FINGERPRINT_KEY": "k" * 32},
        )

    return run


def ended(query: Query) -> tuple[object, ...]:
    return query("SELECT state, reason, message FROM scans")[0]


def test_results_go_from_the_volume_into_the_store(
    run: Any, volume: TestVolume, query: Query, capsys: pytest.CaptureFixture[str]
) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS, root="file:///elsewhere/src/api/"))
    assert run() is ExitCode.DONE
    assert query("SELECT path, line, severity, state, snippet FROM findings ORDER BY line") == [
        ("app/main.py", 2, 3, "open", "assert os"),
        ("app/main.py", 3, 3, "open", ""),
    ]
    assert query("SELECT state, may_close, new, confinement, finished_at::text FROM scans") == [
        ("succeeded", True, 2, ["landlock:7"], "2026-03-03 01:00:02.5+00")
    ]
    assert query("SELECT state, files FROM checkouts") == [("ready", 1)]
    line = json.loads(capsys.readouterr().out)
    assert (line["scan"], line["state"], line["new"]) == (SCAN, "succeeded", 2)


def test_ingesting_again_changes_nothing(run: Any, volume: TestVolume, query: Query) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    run()
    before = query("SELECT *, xmin::text FROM findings ORDER BY id")
    assert run() is ExitCode.DONE
    assert query("SELECT *, xmin::text FROM findings ORDER BY id") == before
    assert query("SELECT count(*) FROM finding_events") == [(2,)]


def test_no_secret_is_stored(run: Any, volume: TestVolume, database_url: str) -> None:
    """The planted password is in the source, in the message and in a snippet of the tool's own."""
    raw = json.loads(sarif(RESULTS))
    result = raw["runs"][0]["results"][1]
    result["message"]["text"] = "Possible hardcoded password: 'hunter2-is-the-secret'"
    volume.write_scan(SCAN, KEY, json.dumps(raw).encode())
    run()
    engine = store.reader_engine(database_url)
    with store.transaction(engine) as connection:
        tables = connection.exec_driver_sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        )
        rows = {
            name: connection.exec_driver_sql(f'SELECT t::text FROM "{name}" t').scalars().all()
            for (name,) in tables
        }
    engine.dispose()
    assert any("hardcoded password" in row for row in rows["findings"])
    assert "hunter2" not in str(rows)


@pytest.mark.parametrize(
    ("last", "code", "state"),
    [
        pytest.param([], ExitCode.TEMPORARY, ("planned", "", ""), id="a retry may follow"),
        pytest.param(
            ["--last-attempt"],
            ExitCode.DONE,
            ("failed", "internal", "the scan's pod left no result"),
            id="the last attempt",
        ),
    ],
)
@pytest.mark.parametrize("phase", ["missing", "running", "of another key"])
def test_scan_without_a_final_word(
    run: Any,
    volume: TestVolume,
    query: Query,
    last: list[str],
    code: ExitCode,
    state: tuple[str, ...],
    phase: str,
) -> None:
    if phase == "running":
        unknown: dict[str, Any] = {"outcome": None, "reason": None}
        volume.write_scan(SCAN, KEY, None, phase=Phase.RUNNING, **unknown)
    elif phase == "of another key":
        volume.write_scan(SCAN, "stale", sarif(RESULTS))
    assert run(*last) is code
    assert ended(query) == state


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        ("OOMKilled", "out_of_memory", "container"),
        ("DeadlineExceeded", "timed_out", "pod"),
        ("Evicted", "failed", "evicted"),
        ("NodeLost", "failed", "node_lost"),
        ("Error", "failed", "internal"),
    ],
)
def test_lost_scan_ends_by_what_the_cluster_says_of_its_pod(
    run: Any, nights: Nights, query: Query, said: str, outcome: str, reason: str
) -> None:
    with store.transaction(nights.engine) as connection:
        pod = store.PodRecord("pod-1", "node-1", NOW, NOW, said)
        store.record_pod(connection, store.BatchId(1), ShardName("s001"), pod)
    run("--last-attempt")
    assert ended(query)[:2] == (outcome, reason)


@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        pytest.param(lambda f: f.write_bytes(b"{"), "bad_sarif", "not the file", id="altered"),
        pytest.param(lambda f: f.unlink(), "no_output", "no such file", id="missing"),
        pytest.param(
            lambda f: (f.unlink(), f.symlink_to("/etc/passwd")),
            "bad_sarif",
            "plain file",
            id="link",
        ),
        pytest.param(
            lambda f: (f.unlink(), subprocess.run(["mkfifo", f], check=True)),
            "bad_sarif",
            "regular file",
            id="named pipe",
        ),
    ],
)
def test_result_that_cannot_be_believed_fails_the_scan(
    run: Any, volume: TestVolume, query: Query, spoil: Any, reason: str, words: str
) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    spoil(volume.folder(SCAN) / "result.sarif")
    assert run() is ExitCode.DONE
    state, why, message = ended(query)
    assert (state, why) == ("failed", reason)
    assert words in str(message)


def test_result_that_is_no_sarif_fails_the_scan(run: Any, volume: TestVolume, query: Query) -> None:
    volume.write_scan(SCAN, KEY, b'{"version": "2.1.0"}')
    run()
    assert ended(query) == ("failed", "bad_sarif", "not SARIF 2.1: it has no list of runs")


@pytest.mark.parametrize("text", ["{", "[]", '{"scan": "x"}', '{"scan": "2-other-ruff"}', "\xff"])
def test_status_that_is_no_status_is_never_believed(
    run: Any, volume: TestVolume, query: Query, text: str
) -> None:
    volume.folder(SCAN).mkdir(parents=True)
    (volume.folder(SCAN) / "status.json").write_text(text, encoding="latin-1")
    assert run() is ExitCode.TEMPORARY
    assert run("--last-attempt") is ExitCode.DONE
    assert ended(query)[:2] == ("failed", "internal")


def test_folder_that_is_a_link_is_not_followed(
    run: Any, volume: TestVolume, query: Query, tmp_path: Path
) -> None:
    other = TestVolume(tmp_path / "other")
    other.write_scan(SCAN, KEY, sarif(RESULTS))
    (volume.root / "out").mkdir()
    (volume.root / "out" / "s001").symlink_to(other.folder(SCAN).parent)
    assert run("--last-attempt") is ExitCode.DONE
    state, reason, message = ended(query)
    assert (state, reason) == ("failed", "internal")
    assert "not a folder" in str(message)


def test_names_that_nobody_asked_for_are_reported(
    run: Any, volume: TestVolume, capsys: pytest.CaptureFixture[str]
) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    volume.write_scan("9-evil-ruff", KEY, sarif(RESULTS))
    assert run() is ExitCode.DONE
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["scan"], first["state"]) == ("9-evil-ruff", "unknown")


def test_clone_that_failed_ends_the_scan_without_any_result(
    run: Any, volume: TestVolume, query: Query
) -> None:
    (volume.root / "checkout" / "api.manifest.jsonl").unlink()
    failed = {"state": "not_run", "reason": Reason.AUTH_FAILED, "message": "401"}
    volume.write_tree("api", COMMITS[0], {}, **failed)
    assert run() is ExitCode.DONE
    assert ended(query) == ("not_run", "auth_failed", "401")


def test_clone_pod_without_a_word_is_a_failed_clone(
    run: Any, volume: TestVolume, query: Query
) -> None:
    (volume.root / "checkout" / "api.json").unlink()
    assert run("--last-attempt") is ExitCode.DONE
    assert ended(query)[:2] == ("not_run", "clone_failed")


@pytest.mark.parametrize(
    "file", ["api.json", "api.manifest.jsonl"], ids=["the status", "the manifest"]
)
def test_checkout_that_cannot_be_believed_closes_nothing_and_is_reported(
    run: Any, nights: Nights, volume: TestVolume, query: Query, file: str
) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    run()
    volume.write_tree("api", COMMITS[1], {"other.py": ""})
    second_night(nights, volume, [])
    (volume.root / "checkout" / file).write_text('{"path": 7}\n')
    assert run("--batch", "2") is ExitCode.DONE
    assert query("SELECT state, fixed, unproved FROM scans WHERE batch_id = 2") == [
        ("succeeded", 0, 2)
    ]


def test_checkout_of_another_commit_is_not_taken_for_ours(
    run: Any, volume: TestVolume, query: Query, capsys: pytest.CaptureFixture[str]
) -> None:
    volume.write_tree("api", COMMITS[5], {"app/main.py": CODE})
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    run()
    assert query("SELECT state FROM checkouts") == [("planned",)]
    assert COMMITS[5] in capsys.readouterr().out


def test_failed_scan_keeps_its_own_reason(run: Any, volume: TestVolume, query: Query) -> None:
    failed = {"outcome": Outcome.FAILED, "reason": Reason.CANARY, "message": "missed line 3"}
    volume.write_scan(SCAN, KEY, None, **failed)
    run()
    assert ended(query) == ("failed", "canary", "missed line 3")


def second_night(
    nights: Nights, volume: TestVolume, results: list[tuple[str, str, int]], **fields: Any
) -> tuple[store.BatchId, str]:
    """Prepare a second batch at a new commit on the same volume."""
    with store.transaction(nights.engine) as connection:
        store.seal_batch(connection, store.BatchId(1), NOW)
    batch, _ = nights.open(COMMITS[1])
    scan = f"{batch}-api-ruff"
    volume.write_scan(scan, f"{COMMITS[1]}-1.0", sarif(results, **fields.pop("run", {})), **fields)
    return batch, scan


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        pytest.param({"may_close": False}, "does not claim", id="the scan says so"),
        pytest.param({"files_expected": 10}, "1 of 10 files", id="too few files read"),
        pytest.param(
            {"run": {"invocations": [{"executionSuccessful": False}]}},
            "did not run to its end",
            id="the tool says so",
        ),
    ],
)
def test_scan_that_proves_nothing_closes_nothing(
    run: Any, nights: Nights, volume: TestVolume, query: Query, fields: dict[str, Any], why: str
) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    run()
    volume.write_tree("api", COMMITS[1], {"app/main.py": "print()\n"})
    second_night(nights, volume, [], **fields)
    assert run("--batch", "2") is ExitCode.DONE
    (found,) = query("SELECT fixed, unproved, why_not_close FROM scans WHERE batch_id = 2")
    assert found[:2] == (0, 2)
    assert why in str(found[2])


@pytest.mark.parametrize(
    ("files", "status", "fixed"),
    [
        pytest.param({"app/main.py": "print()\n"}, {}, 2, id="the file was read"),
        pytest.param({"other.py": "print()\n"}, {}, 2, id="the file is gone"),
        pytest.param(
            {"other.py": ""},
            {"left_out": (LeftOut("app/main.py", "too_large"),), "left_out_count": 1},
            0,
            id="the file was left out",
        ),
        pytest.param({"other.py": ""}, {"left_out_count": 9}, 0, id="some left out are not named"),
    ],
)
def test_fixed_only_by_proof(
    run: Any,
    nights: Nights,
    volume: TestVolume,
    query: Query,
    files: dict[str, str],
    status: dict[str, Any],
    fixed: int,
) -> None:
    volume.write_scan(SCAN, KEY, sarif(RESULTS))
    run()
    volume.write_tree("api", COMMITS[1], files, **status)
    second_night(nights, volume, [])
    run("--batch", "2")
    assert query("SELECT fixed FROM scans WHERE batch_id = 2") == [(fixed,)]


def test_no_file_of_the_language_proves_only_what_is_gone(
    run: Any, nights: Nights, volume: TestVolume, query: Query
) -> None:
    volume.write_tree("api", COMMITS[0], {"app/main.py": CODE, "b.py": "assert 1\n"})
    volume.write_scan(SCAN, KEY, sarif([*RESULTS, ("S101", "b.py", 1)]))
    run()
    volume.write_tree("api", COMMITS[1], {"b.py": "assert 1\n"})
    nothing = {"outcome": Outcome.NOT_APPLICABLE, "reason": Reason.NO_FILES}
    second_night(nights, volume, [], **nothing)
    run("--batch", "2")
    assert query("SELECT path, state FROM findings ORDER BY path") == [
        ("app/main.py", "fixed"),
        ("app/main.py", "fixed"),
        ("b.py", "open"),
    ]


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NIGHTSHIFT_FINGERPRINT_KEY": "k" * 32}, "NIGHTSHIFT_DATABASE_URL"),
        ({"NIGHTSHIFT_DATABASE_URL": "postgresql://x/y"}, "NIGHTSHIFT_FINGERPRINT_KEY"),
        (
            {"NIGHTSHIFT_DATABASE_URL": "postgresql://x/y", "NIGHTSHIFT_FINGERPRINT_KEY": "short"},
            "at least 16",
        ),
    ],
)
def test_missing_variables_are_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        main(["--batch", "1", "--account", "acme", "--shard", "s001"], environment)


@pytest.mark.parametrize("argument", [("--account", "No!"), ("--shard", "x1"), ("--batch", "one")])
def test_wrong_arguments_are_refused(argument: tuple[str, str]) -> None:
    values = {"--batch": "1", "--account": "acme", "--shard": "s001", **dict([argument])}
    argv = [word for pair in values.items() for word in pair]
    with pytest.raises(ConfigError):
        main(argv, {"NIGHTSHIFT_DATABASE_URL": "x", "NIGHTSHIFT_FINGERPRINT_KEY": "k" * 32})


def test_shard_that_the_batch_does_not_have_is_refused(run: Any) -> None:
    with pytest.raises(NotFound, match="batch 7 has no scans of acme"):
        run("--batch", "7")
