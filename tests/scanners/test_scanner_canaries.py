"""Each scanner finds its canary, and would not without the flags that overrule a repository."""

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

from nightshift.runner.scan_canaries import run_canary
from nightshift.runner.scan_execution import Executor
from nightshift.runner.scan_selftest import find_version_problem
from nightshift.runner.scan_toolchain import Toolchain, fill
from nightshift.scanners import SHIPPED, Scanner, get_scanner, load_scanners
from nightshift.scanners.canaries import build_canary

NAMES = sorted(load_scanners())


def scanner_named(name: str) -> Scanner:
    return get_scanner(load_scanners(), name, "test")


@pytest.mark.parametrize("name", NAMES)
def test_the_canary_is_found(executor: Executor, name: str) -> None:
    result = run_canary(executor, scanner_named(name))

    assert result.problem == ""
    assert "seccomp" in result.in_force


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        pytest.param("ruff", ["--isolated"], id="ruff obeys ruff.toml"),
        pytest.param("ruff", ["--ignore-noqa"], id="ruff obeys noqa"),
        pytest.param("ruff", ["--no-respect-gitignore"], id="ruff obeys .gitignore"),
        pytest.param("ruff", ["--config", "exclude = []"], id="ruff's own list"),
        pytest.param("bandit", ["--ignore-nosec"], id="bandit obeys nosec"),
        pytest.param("bandit", ["--ini", "/dev/null"], id="bandit obeys .bandit"),
        pytest.param("bandit", ["--exclude", ""], id="bandit's own list"),
        pytest.param("gitleaks", ["--ignore-gitleaks-allow"], id="gitleaks obeys allow"),
        pytest.param(
            "gitleaks", ["--config", "{tool_dir}/config.toml"], id="gitleaks obeys .gitleaks.toml"
        ),
        pytest.param("gitleaks", ["--exit-code", "42"], id="gitleaks' 1 means an error"),
        pytest.param("flawfinder", ["--neverignore"], id="flawfinder obeys ignore"),
        pytest.param("flawfinder", ["--followdotdir"], id="flawfinder skips dot folders"),
    ],
)
def test_without_a_flag_the_canary_is_missed(
    executor: Executor, name: str, flags: list[str]
) -> None:
    scanner = scanner_named(name)
    argv = list(scanner.command.argv)
    start = next(i for i in range(len(argv)) if argv[i : i + len(flags)] == flags)
    del argv[start : start + len(flags)]
    weak = dataclasses.replace(
        scanner, command=dataclasses.replace(scanner.command, argv=tuple(argv))
    )

    assert run_canary(executor, weak).problem


def test_one_bad_byte_would_end_flawfinder(executor: Executor) -> None:
    scanner = scanner_named("flawfinder")
    strict = dataclasses.replace(
        scanner,
        command=dataclasses.replace(scanner.command, environment={"PYTHONUTF8": "1"}),
    )

    assert "code 15" in run_canary(executor, strict).problem


@pytest.mark.parametrize("name", NAMES)
def test_the_installed_version_is_the_one_that_is_named(toolchain: Toolchain, name: str) -> None:
    scanner = scanner_named(name)

    assert find_version_problem(scanner, toolchain) == ""
    assert find_version_problem(dataclasses.replace(scanner, version="0"), toolchain)


def test_no_credential_lies_in_our_own_repository(toolchain: Toolchain, tmp_path: Path) -> None:
    gitleaks = fill(scanner_named("gitleaks").command.argv[0], toolchain.words())
    planted = tmp_path / "canary"
    planted.mkdir()
    build_canary(scanner_named("gitleaks"), planted)

    found = {}
    for folder in (SHIPPED, planted):
        report = tmp_path / f"{folder.name}.json"
        options = ["--ignore-gitleaks-allow", "-c", str(SHIPPED / "gitleaks" / "config.toml")]
        subprocess.run(
            [gitleaks, "dir", *options, "-f", "json", "-r", str(report), str(folder)],
            capture_output=True,
            timeout=60,
        )
        found[folder.name] = len(json.loads(report.read_text(encoding="utf-8")))

    assert found["canary"] > 0  # the same search does find the canary once it is built
    assert found["scanners"] == 0


def test_a_canary_restores_names_and_words(tmp_path: Path) -> None:
    scanner = scanner_named("gitleaks")

    paths = build_canary(scanner, tmp_path)

    assert ".gitleaks.toml" in paths
    token = "".join(scanner.canary.words.values())
    assert (tmp_path / ".hidden" / "bare.txt").read_text(encoding="utf-8").endswith(f"{token}\n")
