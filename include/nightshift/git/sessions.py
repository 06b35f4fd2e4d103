"""A place for git to run in: an empty home, and credentials that it can use for one host only.

Credentials are a mounted folder (a Kubernetes Secret) with these files:

    host              whose they are: ``github.com`` or ``git.example.org:8443``
    username          for https; any word for most forges' tokens
    password          for https: a password or a token
    ssh-privatekey    for ssh
    known_hosts       for ssh; without it no host is trusted
    ca.crt            optional: certificates to trust instead of the system's

The files are links that Kubernetes exchanges when the Secret changes, so their paths are kept as
they are mounted. git never sees credentials in an argument or a URL: it asks our askpass script,
which reads the file when it is asked and answers only for that host.
"""

import dataclasses
import shlex
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from nightshift.domain.repositories import Transport, parse_remote
from nightshift.errors import ConfigError
from nightshift.git.commands import Git

_ASKPASS = """\
#!/bin/sh
case "$1" in
  *//*/*) exit 1 ;;
  "Username for 'https://{host}': ") exec cat {folder}/username ;;
  "Password for 'https://"*"@{host}': ") exec cat {folder}/password ;;
esac
exit 1
"""


_FILE_SETTINGS = "[safe]\n\tdirectory = *\n"
"""For ``file`` remotes, which only trials and tests have: the server's side, which runs here too,
would refuse repositories of another user. Arguments do not reach it, a settings file does."""


@contextmanager
def git_session(
    protocols: Collection[str], credentials: Path | None = None, *, scratch: Path | None = None
) -> Iterator[Git]:
    """Set up for calling git, and clean up behind it.

    :param credentials: the mounted folder; None, or one without ``host``, reads public
        repositories only.
    :param scratch: where temporary files go; None is the system's place.
    :raises ConfigError: if git is not installed, or the folder is incomplete.
    """
    program = shutil.which("git")
    if program is None:
        raise ConfigError("git", "is not installed or not on PATH")
    if credentials is not None and not (credentials / "host").exists():
        credentials = None
    with tempfile.TemporaryDirectory(prefix="nightshift-git-", dir=scratch) as name:
        home = Path(name) / "home"
        home.mkdir()
        git = Git(program=program, home=home, protocols=tuple(protocols))
        if Transport.FILE in protocols:
            git = dataclasses.replace(git, settings=Path(name) / "settings")
            git.settings.write_text(_FILE_SETTINGS)
        if Transport.SSH in protocols:
            git = dataclasses.replace(git, ssh_command=_ssh_command(credentials))
        if credentials is not None:
            git = _with_https_credentials(git, credentials, Path(name) / "askpass")
        yield git


def _with_https_credentials(git: Git, credentials: Path, askpass: Path) -> Git:
    host = _read_host(credentials)
    ca_file = credentials / "ca.crt"
    git = dataclasses.replace(git, ca_file=ca_file.absolute() if ca_file.exists() else None)
    if not (credentials / "password").exists():
        return git
    _read(credentials, "username")
    folder = shlex.quote(str(credentials.absolute()))
    askpass.write_text(_ASKPASS.format(host=host, folder=folder))
    askpass.chmod(stat.S_IRWXU)
    return dataclasses.replace(git, askpass=askpass, secrets=(_read(credentials, "password"),))


def _ssh_command(credentials: Path | None) -> str:
    """Build the ssh call: nobody's settings, agent or keys, and no host that was not listed."""
    key, hosts = "none", "/dev/null"
    if credentials is not None and (credentials / "ssh-privatekey").exists():
        key, hosts = (_quoted(credentials / name) for name in ("ssh-privatekey", "known_hosts"))
    options = {
        "BatchMode": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": key,
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": hosts,
    }
    words = [f"{name}={value}" for name, value in options.items()]
    return shlex.join(["ssh", "-F", "/dev/null", *(part for w in words for part in ("-o", w))])


def _quoted(path: Path) -> str:
    """Write a path so that ssh_config(5) reads it back: spaces, and no % tokens.

    :raises ConfigError: if the path has a double quote, for which it knows no spelling.
    """
    text = str(path.absolute())
    if '"' in text:
        raise ConfigError(text, "ssh cannot use a path with a double quote")
    return f'"{text.replace("%", "%%")}"'


def _read_host(credentials: Path) -> str:
    """Read whose credentials these are, spelled as git will spell it when it asks.

    :raises ConfigError: if it is not a host name with an optional port.
    """
    text = _read(credentials, "host")
    try:
        return parse_remote(f"https://{text}/x", allowed_hosts=[text.partition(":")[0]]).authority
    except ValueError as error:
        raise ConfigError(str(credentials / "host"), str(error)) from error


def _read(credentials: Path, name: str) -> str:
    """Read one line of the mounted folder.

    :raises ConfigError: if the file is missing or empty.
    """
    path = credentials / name
    try:
        text = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), "cannot be read; mount the whole Secret") from error
    if not text:
        raise ConfigError(str(path), "is empty")
    return text
