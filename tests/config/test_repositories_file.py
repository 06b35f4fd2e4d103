from pathlib import Path

import pytest

from nightshift.config.entries import Allowed
from nightshift.config.repositories import parse_repositories, read_repositories
from nightshift.domain.ids import ScannerName
from nightshift.errors import ConfigError, ConfigErrors
from nightshift.scanners import load_scanners
from nightshift.settings import CONFIG_DIR

ALLOWED = Allowed((ScannerName("ruff"), ScannerName("bandit")), hosts=("git.corp.internal",))


def faults_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigErrors) as caught:
        parse_repositories(text, ALLOWED, "r.yaml")
    faults = [fault for fault in caught.value.exceptions if isinstance(fault, ConfigError)]
    return {fault.where.removeprefix("r.yaml: "): fault.problem for fault in faults}


def one(repository: str, account: str = "name: a") -> str:
    return f"accounts: [{{{account}, repositories: [{repository}]}}]"


def test_every_field_is_read() -> None:
    registry = parse_repositories(
        """
accounts:
  - name: web
    provider: github
    weight: 3
    repositories:
      - remote: https://github.com/pallets/flask.git
      - {remote: "https://git.corp.internal/x/y", name: z, ref: main, scanners: [bandit]}
  - {name: empty, repositories: []}
""",
        ALLOWED,
    )
    web, empty = registry.accounts
    assert (web.account.name, web.account.provider, web.weight) == ("web", "github", 3)
    first, second = web.repositories
    assert first.repository.name == "flask"
    assert first.repository.account == "web"
    assert (first.repository.ref, first.scanners) == (None, None)
    assert second.repository.remote.host == "git.corp.internal"
    assert (second.repository.name, second.repository.ref) == ("z", "main")
    assert second.scanners == ("bandit",)
    assert (empty.repositories, empty.weight, empty.account.provider) == ((), 1, "git")
    assert [found.repository.name for found in registry] == ["flask", "z"]


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        pytest.param("", "r.yaml", "expected an object", id="an empty file"),
        pytest.param("accounts: []", "accounts", "at least one", id="no accounts"),
        pytest.param(
            "accounts: []\naccount: []", "r.yaml", "did you mean accounts?", id="misspelt key"
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b'}", "name: A"),
            "accounts[0].name", "1 to 40 of", id="a bad account",
        ),
        pytest.param(
            one("{remote: 'http://github.com/a/b'}"),
            "accounts[0].repositories[0].remote", "only https", id="plain http",
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b', scanner: [ruff]}"),
            "accounts[0].repositories[0]", "did you mean scanners?", id="misspelt field",
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b', scanners: [x]}"),
            "accounts[0].repositories[0].scanners[0]", "there are ruff, bandit", id="no scanner",
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b', name: 2024-01-01}"),
            "accounts[0].repositories[0].name", "1 to 100 of", id="a date as name",
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b', ref: x..y}"),
            "accounts[0].repositories[0].ref", "a ref has no", id="a range as ref",
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b'}, {remote: 'https://GitHub.com/a/b/'}"),
            "accounts[0].repositories[1].remote", "repositories[0] already", id="a remote twice",
        ),
        pytest.param(
            one("{remote: 'https://github.com/a/b'}, {remote: 'https://github.com/c/b'}"),
            "accounts[0].repositories[1].name", "give this one a name", id="a name twice",
        ),
        pytest.param(
            "accounts: [{name: a, repositories: []}, {name: a, repositories: []}]",
            "accounts[1].name", "is there already", id="an account twice",
        ),
    ],
)  # fmt: skip
def test_a_fault_names_its_place_and_rule(text: str, where: str, said: str) -> None:
    assert said in faults_of(text)[where]


def test_faults_of_all_accounts_are_reported_in_the_files_order() -> None:
    text = """
accounts:
  - name: a
    weight: 0
    repositories:
      - {remote: "https://localhost/x"}
      - {remote: 7}
  - name: b
    repositories: [{remote: "https://github.com/a/b", ref: "a b"}]
"""
    assert list(faults_of(text)) == [
        "accounts[0].repositories[0].remote",
        "accounts[0].repositories[1].remote",
        "accounts[0].weight",
        "accounts[1].repositories[0].ref",
    ]


def test_one_remote_may_be_there_at_two_refs_under_two_names_and_in_two_accounts() -> None:
    remote = "remote: 'https://github.com/a/b'"
    two = f"repositories: [{{{remote}}}, {{{remote}, name: c, ref: dev}}]"
    registry = parse_repositories(
        f"accounts: [{{name: a, {two}}}, {{name: b, {two}}}]", ALLOWED, "r.yaml"
    )
    assert [found.repository.key for found in registry] == [
        ("a", "b"), ("a", "c"), ("b", "b"), ("b", "c"),
    ]  # fmt: skip


def test_the_shipped_example_is_sound() -> None:
    allowed = Allowed(tuple(load_scanners()))
    registry = read_repositories(CONFIG_DIR / "repositories.example.yaml", allowed)
    assert [account.account.name for account in registry.accounts] == ["web", "runtime"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        read_repositories(tmp_path / "none.yaml", ALLOWED)
