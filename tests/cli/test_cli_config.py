import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from nightshift.cli import app
from nightshift.cli.job_results import parse_results
from nightshift.settings import CONFIG_DIR
from tests.cli.cli_support import call

URL = "postgresql+psycopg://me:hunter2@db.example.org/nightshift"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder that is sound."""
    folder = tmp_path / "config"
    folder.mkdir()
    shutil.copy(CONFIG_DIR / "repositories.example.yaml", folder / "repositories.yaml")
    return folder


def test_sound_files_are_ok_part_by_part(config: Path) -> None:
    result = call("config", "check", environ={"NIGHTSHIFT_CONFIG_DIR": str(config)})
    assert result.code == 0
    assert [line.split()[:2] for line in result.out.splitlines()] == [
        ["ok", "settings:"],
        ["ok", "scanners:"],
        ["ok", "repositories.yaml:"],
        ["ok", "job-template.yaml:"],
        ["ok", "capacity.yaml:"],
    ]
    assert "weekend on my-cluster, mode observe, next window Fri " in result.out
    assert "2 accounts, 4 repositories" in result.out
    assert result.err == ""


def test_every_part_is_checked_also_after_a_fault(config: Path) -> None:
    (config / "repositories.yaml").write_text("accounts: [{name: A, repositories: []}]")
    (config / "job-template.yaml").write_text("kind: Pod")
    (config / "capacity.yaml").write_text("kind: CapacityPolicy")
    environ = {"NIGHTSHIFT_CONFIG_DIR": str(config), "NIGHTSHIFT_STRATEGY": "magic"}
    result = call("config", "check", environ=environ)
    assert result.code == 1
    assert "FAULTY  settings" in result.out
    assert "ok      scanners" in result.out
    assert "FAULTY  repositories.yaml" in result.out
    assert "FAULTY  job-template.yaml" in result.out
    assert "NIGHTSHIFT_STRATEGY: 'magic' is none of" in result.err
    assert "repositories.yaml: accounts[0].name" in result.err
    assert "job-template.yaml: kind: expected one" in result.err
    assert "FAULTY  capacity.yaml" in result.out
    assert "capacity.yaml: lacks apiVersion, metadata, spec" in result.err


def test_a_registry_that_is_not_there_says_what_to_copy(config: Path) -> None:
    (config / "repositories.yaml").unlink()
    result = call("config", "check", environ={"NIGHTSHIFT_CONFIG_DIR": str(config)})
    assert result.code == 1
    assert "copy repositories.example.yaml" in result.err


def test_settings_that_cannot_be_read_are_one_message() -> None:
    result = call("config", "check", environ={"NIGHTSHIFT_MAX_PODS": "x"})
    assert result.code == 1
    assert result.err.count("NIGHTSHIFT_MAX_PODS") == 1


def test_misspelt_settings_are_pointed_out(config: Path) -> None:
    environ = {"NIGHTSHIFT_CONFIG_DIR": str(config), "NIGHTSHIFT_NAMESPCE": "x"}
    for words in (("config", "check"), ("settings",)):
        result = call(*words, environ=environ)
        assert result.code == 0
        assert "did you mean NIGHTSHIFT_NAMESPACE?" in result.err


def test_settings_are_shown_with_where_they_come_from_and_without_passwords() -> None:
    environ = {"NIGHTSHIFT_DATABASE_URL": URL, "KUBECONFIG": "/k"}
    result = call("settings", environ=environ)
    lines = {line.split()[0]: line for line in result.out.splitlines()}
    assert "hunter2" not in result.out
    assert "me:***@db.example.org" in lines["NIGHTSHIFT_DATABASE_URL"]
    assert lines["NIGHTSHIFT_DATABASE_URL"].endswith("environment")
    assert lines["NIGHTSHIFT_KUBECONFIG"].split()[1:] == ["/k", "environment"]
    assert lines["NIGHTSHIFT_POOL"].split()[1:] == ["scans", "default"]


def test_settings_as_json() -> None:
    result = call("settings", "-o", "json", environ={"NIGHTSHIFT_DATABASE_URL": URL})
    shown = json.loads(result.out)
    assert shown["pool"] == "scans"
    assert "hunter2" not in result.out


def test_the_module_runs_and_help_needs_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nightshift", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(CONFIG_DIR.parent), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0
    assert "rank" in done.stdout
    assert done.stderr == ""


def commands_of(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands_of(command, f"{prefix}{name} ")
        elif not command.hidden:
            yield f"{prefix}{name}", command


def test_every_command_and_every_option_has_help() -> None:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    commands = dict(commands_of(group))
    assert {"rank", "run", "settings", "config check"} <= set(commands)
    bare = [name for name, command in commands.items() if not command.help]
    bare += [
        f"{name} {one.name}"
        for name, command in commands.items()
        for one in command.params
        if not getattr(one, "help", None)
    ]
    assert bare == []


def test_only_whole_result_lines_of_a_log_count() -> None:
    log = "\n".join([
        '{"scanner": "ruff", "outcome": "succeeded", "reason": "ok"}',
        '{"scanner": "bandit", "outcome": "magic", "reason": "ok"}',
        '{"scanner": "bandit", "outcome": "failed"}',
        '{"scanner": "x\\u001b[2J", "outcome": "failed", "reason": "canary", "message": "a\\nb"}',
        "{not json",
        "[1]",
        "plain",
    ])
    first, second = parse_results(log)
    assert (first.scanner, first.good, str(first)) == ("ruff", True, "ruff: succeeded (ok)")
    assert second.good is False
    assert "\x1b" not in str(second)
    assert "\n" not in str(second)
