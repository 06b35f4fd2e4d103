"""Fixtures: git itself, and a forge that speaks HTTPS on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.domain.repositories import Remote, parse_remote
from nightshift.git.commands import Git
from nightshift.git.sessions import git_session
from tests.git.forge import PASSWORD, USER, Forge, running_forge
from tests.git.hostile.raw import RawRepository

PROTOCOLS = ("file", "https")


def remote_of(url: str) -> Remote:
    """Read a test's remote; no host but this machine is ever reached."""
    return parse_remote(url, PROTOCOLS, allowed_hosts=("localhost", "no-such-host.invalid"))


@pytest.fixture
def git(tmp_path: Path) -> Iterator[Git]:
    """Git as a trial calls it: files only, no credentials."""
    with git_session(("file",), scratch=tmp_path) as session:
        yield session


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """A forge with one repository, ``app.git``."""
    folder = tmp_path_factory.mktemp("forge")
    raw = RawRepository(folder / "app.git")
    raw.commit(raw.files({b"app.py": b"print('hello')\n"}))
    with running_forge(folder) as server:
        yield server


@pytest.fixture
def credentials(tmp_path: Path, forge: Forge) -> Path:
    """A mounted Secret for the forge."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "host").write_text(f"{forge.host}\n")
    (folder / "username").write_text(USER)
    (folder / "password").write_text(PASSWORD)
    (folder / "ca.crt").write_bytes(forge.ca_file.read_bytes())
    return folder


@pytest.fixture
def https_git(tmp_path: Path, credentials: Path) -> Iterator[Git]:
    """Git with credentials for the forge."""
    with git_session(("https",), credentials, scratch=tmp_path) as session:
        yield session
