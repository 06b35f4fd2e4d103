"""Argument vectors and the environment for git: values in, lists out, nothing is run here.

No text of a user or a repository ever stands where git reads an option: only our own words,
commit ids that were checked, and one URL after ``--``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.domain.ids import CommitSha

OUR_REF = "refs/nightshift/head"


@dataclass(frozen=True, slots=True)
class Git:
    """How to call git. Made by ``sessions.git_session``.

    :param program: full path of git.
    :param home: an empty folder of ours, so that no user's settings are found.
    :param protocols: what git may speak: https, ssh, file.
    :param askpass: a script that answers for one host, None without credentials.
    :param ssh_command: how git calls ssh, "" for none.
    :param settings: the one settings file that git reads, besides the settings in its arguments.
    :param ca_file: certificates to trust instead of the system's.
    :param secrets: what to cut out of messages.
    """

    program: str
    home: Path
    protocols: tuple[str, ...]
    askpass: Path | None = None
    ssh_command: str = ""
    settings: Path = Path("/dev/null")
    ca_file: Path | None = None
    secrets: tuple[str, ...] = ()


_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.bigFileThreshold=8m",  # larger blobs are streamed to disk, not held in memory
    "credential.helper=",
    "submodule.recurse=false",
    "gc.auto=0",
    "protocol.version=2",
    "transfer.fsckObjects=true",
    "fetch.fsck.zeroPaddedFilemode=warn",  # common in old repositories, and harmless
    "fetch.unpackLimit=1",  # always one pack, so that RLIMIT_FSIZE bounds the whole fetch
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)


def build_environment(git: Git) -> dict[str, str]:
    """Build the whole environment of a git process; nothing of ours is inherited."""
    environment = {
        "HOME": str(git.home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(git.settings),
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": str(git.askpass) if git.askpass else "/bin/false",
        "GIT_ALLOW_PROTOCOL": ":".join(git.protocols),
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    if git.ssh_command:
        environment["GIT_SSH_COMMAND"] = git.ssh_command
    return environment


def build_ls_remote(git: Git, url: str, patterns: Sequence[str]) -> list[str]:
    """List the refs of a remote that end with one of ``patterns``, with what HEAD points to."""
    return [*_base(git), "ls-remote", "--symref", "--", url, *patterns]


def build_init(git: Git, repository: Path, commit: CommitSha) -> list[str]:
    """Make a bare repository of the hash that the commit's id is written in."""
    return [
        *_base(git), "init", "--quiet", "--bare", "--template=",
        f"--object-format={object_format_of(commit)}", str(repository),
    ]  # fmt: skip


def build_fetch(
    git: Git, repository: Path, url: str, commit: CommitSha, *, blob_bytes: int | None
) -> list[str]:
    """Fetch one commit without its history.

    :param blob_bytes: larger blobs are not asked for; None asks for all.
    """
    options = [] if blob_bytes is None else [f"--filter=blob:limit={blob_bytes + 1}"]
    return [
        *_base(git, repository), "fetch", "--quiet", "--depth", "1", "--no-tags",
        "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance",
        *options, "--", url, f"+{commit}:{OUR_REF}",
    ]  # fmt: skip


def build_forget_remote(git: Git, repository: Path, url: str) -> list[str]:
    """Forget the promisor remote, so that nothing goes back to the network for a missing blob."""
    return [*_base(git, repository), "config", "--remove-section", f"remote.{url}"]


def build_list_tree(git: Git, repository: Path, commit: CommitSha) -> list[str]:
    """List every entry of a commit's tree: mode, type, id, a tab, the path; each ends with NUL."""
    return [*_base(git, repository), "ls-tree", "-r", "-z", "--full-tree", commit]


def build_read_sizes(git: Git, repository: Path) -> list[str]:
    """Answer object ids on stdin with ``<id> <type> <size>`` or ``<id> missing``."""
    return [*_base(git, repository), "cat-file", "--batch-check"]


def build_read_blobs(git: Git, repository: Path) -> list[str]:
    """Answer object ids on stdin with ``<id> <type> <size>``, a newline, the bytes, a newline."""
    return [*_base(git, repository), "cat-file", "--batch"]


def build_limited(argv: Sequence[str], file_bytes: int) -> list[str]:
    """Wrap a command so that no file it writes can pass ``file_bytes`` (RLIMIT_FSIZE; no cores).

    Why a shell: it sets the limit between fork and exec without Python code there, which is not
    safe beside threads. The script is fixed; POSIX counts ``ulimit -f`` in units of 512 bytes.
    """
    blocks = -(-file_bytes // 512)
    script = 'ulimit -c 0 && ulimit -f "$1" && shift && exec "$@"'
    return ["/bin/sh", "-c", script, "sh", str(blocks), *argv]


def object_format_of(commit: CommitSha) -> str:
    """Name the hash that an object id is written in."""
    return "sha256" if len(commit) == 64 else "sha1"


def _base(git: Git, repository: Path | None = None) -> list[str]:
    settings = [*_SETTINGS, *([f"http.sslCAInfo={git.ca_file}"] if git.ca_file else [])]
    options = [part for setting in settings for part in ("-c", setting)]
    where = ["-C", str(repository)] if repository else []
    return [git.program, *options, *where]
