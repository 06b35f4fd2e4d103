"""Credentials: read from a mounted folder, answered for one host, never in an argument."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from nightshift.errors import ConfigError
from nightshift.git.commands import Git, build_environment
from nightshift.git.sessions import git_session


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a mounted 'Secret'"
    path.mkdir()
    for name, text in {
        "host": "git.corp.internal:8443",
        "username": "bot",
        "password": "pw",
    }.items():
        (path / name).write_text(text)
    return path


def answer(git: Git, prompt: str) -> str | None:
    """Ask the askpass script as git does."""
    assert git.askpass is not None
    done = subprocess.run(
        [git.askpass, prompt], env=build_environment(git), capture_output=True, check=False
    )
    return done.stdout.decode() if done.returncode == 0 else None


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Username for 'https://git.corp.internal:8443': ", "bot"),
        ("Password for 'https://bot@git.corp.internal:8443': ", "pw"),
        ("Username for 'https://git.corp.internal': ", None),
        ("Password for 'https://bot@git.corp.internal:8443.evil.org': ", None),
        ("Password for 'https://evil.org/x@git.corp.internal:8443': ", None),
        ("Password for 'http://bot@git.corp.internal:8443': ", None),
        ("Password for 'https://bot@evil.org': ", None),
        ("Enter passphrase for key '/x': ", None),
        ("", None),
    ],
)
def test_script_answers_for_its_host_only(folder: Path, prompt: str, expected: str | None) -> None:
    with git_session(("https",), folder) as git:
        assert answer(git, prompt) == expected


def test_secret_is_in_no_argument_and_no_script(folder: Path) -> None:
    (folder / "password").write_text("very-secret-word\n")
    with git_session(("https",), folder) as git:
        assert git.askpass is not None
        assert "very-secret-word" not in git.askpass.read_text()
        assert "very-secret-word" not in " ".join(build_environment(git).values())
        assert git.secrets == ("very-secret-word",)


def test_secret_that_kubernetes_exchanges_is_read_anew(tmp_path: Path) -> None:
    for number in (1, 2):
        version = tmp_path / f"..v{number}"
        version.mkdir()
        for name, text in (
            ("host", "github.com"),
            ("username", "bot"),
            ("password", f"pw{number}"),
        ):
            (version / name).write_text(text)
            if number == 1:
                (tmp_path / name).symlink_to(f"..data/{name}")
    (tmp_path / "..data").symlink_to("..v1")
    with git_session(("https",), tmp_path) as git:
        assert answer(git, "Password for 'https://bot@github.com': ") == "pw1"
        (tmp_path / "..data").unlink()
        (tmp_path / "..data").symlink_to("..v2")
        shutil.rmtree(tmp_path / "..v1")
        assert answer(git, "Password for 'https://bot@github.com': ") == "pw2"


def test_session_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with git_session(("https",), folder, scratch=scratch):
        assert list(scratch.iterdir())
    assert list(scratch.iterdir()) == []


def test_folder_without_host_means_public_repositories_only(tmp_path: Path) -> None:
    with git_session(("https",), tmp_path) as git:
        assert git.askpass is None


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("host", "https://github.com", "host"),
        ("host", "github.com'; rm -rf /", "host"),
        ("host", "", "is empty"),
        ("username", "", "is empty"),
        ("password", "\n", "is empty"),
    ],
)
def test_faulty_folder_is_refused(folder: Path, name: str, text: str, problem: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=problem), git_session(("https",), folder):
        pass


def test_ssh_uses_the_mounted_key_and_hosts_and_nobodys_settings(folder: Path) -> None:
    (folder / "ssh-privatekey").write_text("key")
    (folder / "known_hosts").write_text("hosts")
    with git_session(("ssh",), folder) as git:
        words = shlex.split(git.ssh_command)
    assert words[:3] == ["ssh", "-F", "/dev/null"]
    assert f'IdentityFile="{folder / "ssh-privatekey"}"' in words
    assert f'UserKnownHostsFile="{folder / "known_hosts"}"' in words
    assert {"StrictHostKeyChecking=yes", "IdentityAgent=none", "BatchMode=yes"} <= set(words)


def test_ssh_without_credentials_trusts_no_host(tmp_path: Path) -> None:
    with git_session(("ssh",), tmp_path) as git:
        assert "UserKnownHostsFile=/dev/null" in shlex.split(git.ssh_command)


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is not installed")
def test_ssh_takes_the_command_as_it_is(folder: Path) -> None:
    """OpenSSH itself reads our options; -G prints what it understood and connects to nothing."""
    (folder / "ssh-privatekey").write_text("key")
    (folder / "known_hosts").write_text("")
    with git_session(("ssh",), folder) as git:
        command = [*shlex.split(git.ssh_command), "-G", "git@example.org"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"identityfile {folder / 'ssh-privatekey'}" in shown
    assert "stricthostkeychecking true" in shown
    assert "identityagent none" in shown
    assert "batchmode yes" in shown
