"""The argument vectors: nothing that a user or a repository wrote can become an option."""

from pathlib import Path

import pytest

from nightshift.domain.ids import CommitSha
from nightshift.git.commands import (
    Git,
    build_environment,
    build_fetch,
    build_forget_remote,
    build_init,
    build_ls_remote,
)

GIT = Git(program="/usr/bin/git", home=Path("/empty"), protocols=("https", "ssh"))
COMMIT = CommitSha("1" * 40)
EVIL = "--upload-pack=touch x"


@pytest.mark.parametrize(
    "argv",
    [
        build_ls_remote(GIT, EVIL, ["HEAD"]),
        build_fetch(GIT, Path("/r.git"), EVIL, COMMIT, blob_bytes=1),
    ],
    ids=["ls-remote", "fetch"],
)
def test_url_stands_after_the_end_of_options(argv: list[str]) -> None:
    assert argv.index("--") < argv.index(EVIL)


def test_url_of_the_section_to_forget_is_part_of_a_word() -> None:
    assert build_forget_remote(GIT, Path("/r.git"), EVIL)[-1] == f"remote.{EVIL}"


@pytest.mark.parametrize(
    "setting",
    [
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "credential.helper=",
        "submodule.recurse=false",
        "transfer.fsckObjects=true",
        "http.followRedirects=false",
    ],
)
def test_every_call_carries_the_safe_settings(setting: str) -> None:
    for argv in (build_ls_remote(GIT, "u", []), build_init(GIT, Path("/r"), COMMIT)):
        assert argv[argv.index(setting) - 1] == "-c"


@pytest.mark.parametrize(("digits", "name"), [(40, "sha1"), (64, "sha256")])
def test_repository_is_made_for_the_hash_of_the_commit(digits: int, name: str) -> None:
    argv = build_init(GIT, Path("/r"), CommitSha("a" * digits))
    assert f"--object-format={name}" in argv


@pytest.mark.parametrize(
    ("size", "options"), [(1_048_576, ["--filter=blob:limit=1048577"]), (None, [])]
)
def test_blob_of_exactly_the_limit_is_asked_for(size: int | None, options: list[str]) -> None:
    argv = build_fetch(GIT, Path("/r.git"), "u", COMMIT, blob_bytes=size)
    assert [word for word in argv if word.startswith("--filter")] == options


def test_environment_names_everything_that_git_would_look_up_elsewhere() -> None:
    environment = build_environment(GIT)
    assert environment["GIT_ALLOW_PROTOCOL"] == "https:ssh"
    assert environment["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert environment["HOME"] == "/empty"
    assert environment["GIT_ASKPASS"] == "/bin/false"
    assert environment["LC_ALL"] == "C"
