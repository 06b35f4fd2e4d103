"""Who owns repositories, where they live, and which remote URLs we are willing to hand to git.

git takes far more than URLs: ``ext::sh -c ..`` runs a command, a host or a path led by ``-`` is an
option to ssh, credentials may hide in a URL. So a remote is read into its parts by an allow-list,
and written back from them; nothing that was not understood reaches git.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from urllib.parse import quote, unquote_to_bytes

from nightshift.domain.ids import AccountName, RepositoryName, parse_repository_name

MAX_REMOTE_CHARS = 500
"""Longer than any forge's; short enough for a label on a page."""

RefName = NewType("RefName", str)
"""A branch, a tag, a full ref (``refs/..``) or a full commit id, safe to hand to git."""


class Transport(StrEnum):
    """How git reaches a remote. ``file`` is for trials and tests on one machine."""

    HTTPS = "https"
    SSH = "ssh"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Remote:
    """A checked URL of a git repository, in parts. Made by ``parse_remote`` only.

    :param host: lower case, "" for a file.
    :param port: None is the transport's own.
    :param user: ssh only; "" elsewhere.
    :param path: percent-encoded, led by ``/``, without one at its end.
    """

    transport: Transport
    host: str
    path: str
    port: int | None = None
    user: str = ""

    @property
    def authority(self) -> str:
        """Host, and port if it is not the usual one: what credentials belong to."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL to give to git; ``parse_remote`` reads it back to an equal Remote."""
        user = f"{self.user}@" if self.user else ""
        return f"{self.transport}://{user}{self.authority}{self.path}"

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns repositories: an organisation or a user of a forge.

    :param provider: the forge's name, such as ``github`` or ``gitlab``; shown, never interpreted.
    """

    name: AccountName
    provider: str = "git"


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository to scan.

    :param name: unique in its account; its folder on the volume.
    :param ref: what to scan; None is whatever the remote's HEAD points to.
    """

    account: AccountName
    name: RepositoryName
    remote: Remote
    ref: RefName | None = None

    @property
    def key(self) -> tuple[AccountName, RepositoryName]:
        """What tells repositories apart."""
        return self.account, self.name


_URL = re.compile(r"([a-z]+)://([^/]*)(/.*)")
_AUTHORITY = re.compile(r"(?:([a-z_][a-z0-9_-]{0,31})@)?([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?")
_HOST = re.compile(
    r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PATH_CHARS = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
_QUOTE_SAFE = "._~!$&'()*+,;=:@/-"
_PORTS = {Transport.HTTPS: 443, Transport.SSH: 22}
_PRIVATE_SUFFIXES = (  # RFC 6761, RFC 6762, RFC 8375, and names that Kubernetes and clouds give out
    "localhost", "local", "localdomain", "internal", "intranet", "home.arpa", "lan", "svc",
    "cluster.local", "test", "invalid", "example", "onion",
)  # fmt: skip


def parse_remote(
    text: str,
    protocols: Collection[str] = (Transport.HTTPS,),
    *,
    allowed_hosts: Collection[str] = (),
) -> Remote:
    """Read a remote's URL, refusing whatever could reach another place than a forge.

    This looks at names only: a public name may resolve to a private address, which is why the
    clone pods' network policy blocks those too.

    :param protocols: the transports that the caller allows; ``file`` only for trials and tests.
    :param allowed_hosts: private or unusual hosts that are meant, such as ``git.corp.internal``.
    :raises ValueError: with the rule that does not hold.
    """
    if len(text) > MAX_REMOTE_CHARS:
        raise ValueError(f"a remote is at most {MAX_REMOTE_CHARS} characters long")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a remote has only printable ASCII and no spaces; percent-encode others")
    if "::" in text:
        raise ValueError("a remote must not name a helper with ::")
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(f"a remote is a URL such as {_example(protocols)}")
    scheme, authority, path = match.groups()
    if scheme not in protocols or scheme not in set(Transport):
        raise ValueError(f"{scheme} is not allowed here, only {', '.join(sorted(protocols))}")
    transport = Transport(scheme)
    if transport is Transport.FILE:
        if authority:
            raise ValueError("a file remote has three slashes and no host: file:///srv/git/x.git")
        return Remote(transport, "", _parse_path(path))
    user, host, port = _parse_authority(transport, authority)
    _refuse_private(host, allowed_hosts)
    return Remote(transport, host, _parse_path(path), port, user)


def parse_ref(text: str) -> RefName:
    """Check a ref by the rules of git-check-ref-format(1), and more strictly: printable ASCII.

    :raises ValueError: with the rule that does not hold.
    """
    if not 1 <= len(text) <= 200 or not text.isascii() or not text.isprintable():
        raise ValueError("a ref is 1 to 200 printable ASCII characters")
    if set(text) & set(" ~^:?*[\\") or ".." in text or "@{" in text or text == "@":
        raise ValueError("a ref has no space, ~ ^ : ? * [ \\, no .. and no @{")
    parts = text.split("/")
    if text.startswith("-") or text.endswith(".") or "" in parts:
        raise ValueError("a ref is not led by -, does not end with . and has no empty part")
    if any(part.startswith(".") or part.endswith(".lock") for part in parts):
        raise ValueError("no part of a ref starts with . or ends with .lock")
    return RefName(text)


def repository_name_of(remote: Remote) -> RepositoryName:
    """Make a folder name from the last part of the remote's path; two remotes may share one.

    >>> repository_name_of(parse_remote("https://github.com/pallets/flask.git"))
    'flask'

    :raises ValueError: if nothing usable is left of it.
    """
    last = _decode(remote.path).rstrip("/").rpartition("/")[2].removesuffix(".git")
    return parse_repository_name(re.sub(r"[^A-Za-z0-9._-]+", "-", last).lstrip(".-")[:100])


def _parse_authority(transport: Transport, text: str) -> tuple[str, str, int | None]:
    match = _AUTHORITY.fullmatch(text)
    if match is None or not _HOST.fullmatch(host := match[2].lower()):
        raise ValueError("a remote names a host, such as github.com, and no password")
    user = match[1] or ""
    if user and transport is not Transport.SSH:
        raise ValueError("a remote has no user or token in it: mount credentials instead")
    port = int(match[3]) if match[3] else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError("a port is 1 to 65535")
    return user, host, None if port == _PORTS[transport] else port


def _refuse_private(host: str, allowed: Collection[str]) -> None:
    if host in allowed:
        return
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise ValueError("a remote names its host; an IP address in any spelling is not allowed")
    if "." not in host or any(host == s or host.endswith(f".{s}") for s in _PRIVATE_SUFFIXES):
        raise ValueError(
            f"{host} is a private name; list it among the allowed hosts if it is meant"
        )


def _parse_path(text: str) -> str:
    if not _PATH_CHARS.fullmatch(text):
        raise ValueError("a remote's path has letters, digits and ._~!$&'()*+,;=:@- only; no query")
    decoded = _decode(text).rstrip("/")
    if not decoded.isprintable() or "\\" in decoded:
        raise ValueError("a remote's path hides characters that cannot be shown")
    parts = decoded.split("/")[1:]
    if not parts or any(part in {"", ".", ".."} for part in parts):
        raise ValueError("a remote's path names a repository and has no empty, . or .. part")
    return quote(decoded, safe=_QUOTE_SAFE)


def _decode(path: str) -> str:
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ValueError("a remote's path is not UTF-8 once decoded") from error


def _example(protocols: Collection[str]) -> str:
    if Transport.HTTPS in protocols:
        return "https://github.com/owner/name"
    return "ssh://git@github.com/owner/name" if Transport.SSH in protocols else "file:///srv/git/x"
