"""Reads what clone and scan pods left on the volume. Scan pods ran strangers' code: trust nothing.

Only names that the store expects are opened, as plain files of bounded size, through no link.
"""

import hashlib
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from nightshift.domain.ids import RepositoryName, ScanName, ShardName
from nightshift.domain.jsonvalues import load
from nightshift.domain.printable import printable_line
from nightshift.domain.worklists import CheckoutStatus, ScanStatus
from nightshift.errors import ConfigError, NotFound
from nightshift.runner.files import read_bounded
from nightshift.runner.manifests import read_manifest
from nightshift.runner.scan_status import RESULT, STATUS
from nightshift.runner.workspace import Workspace

STATUS_BYTES = 4 * 1024 * 1024
RESULT_BYTES = 64 * 1024 * 1024
_SHOWN = 100

T = TypeVar("T")


def read_checkout(workspace: Workspace, repository: RepositoryName) -> CheckoutStatus | None:
    """Read how a fetch ended; None if the clone pod left no word.

    :raises ConfigError: if the file is not what it should be.
    """
    path = workspace.checkout_status(repository)
    status = _read(CheckoutStatus, path)
    if status is not None and status.repository != repository:
        raise ConfigError(str(path), "speaks of another repository")
    return status


def read_blobs(workspace: Workspace, repository: RepositoryName) -> dict[str, str]:
    """Read which files the tree has: the git object id of each path.

    :raises ConfigError: if the manifest is not what it should be.
    :raises NotFound: if there is none.
    """
    entries = read_manifest(workspace.manifest(repository))
    return {entry.path: entry.blob for entry in entries}


def read_scan(workspace: Workspace, shard: ShardName, scan: ScanName) -> ScanStatus | None:
    """Read what a scan pod says of one scan; None if it says nothing.

    :raises ConfigError: if the file or one of its folders is not what it should be.
    """
    folder = _scan_folder(workspace, shard, scan)
    status = _read(ScanStatus, folder / STATUS)
    if status is not None and status.scan != scan:
        raise ConfigError(str(folder / STATUS), "speaks of another scan")
    return status


def read_result(workspace: Workspace, shard: ShardName, status: ScanStatus) -> bytes:
    """Read a scanner's output, whole and as its pod left it.

    :raises NotFound: if there is none.
    :raises ConfigError: if it is too large, no plain file, or not what the pod has written.
    """
    path = _scan_folder(workspace, shard, status.scan) / RESULT
    data = read_bounded(path, RESULT_BYTES)
    if hashlib.sha256(data).hexdigest() != status.output_sha256:
        raise ConfigError(str(path), "is not the file that the scan's status speaks of")
    return data


def list_unknown(workspace: Workspace, shard: ShardName, known: Iterable[ScanName]) -> list[str]:
    """List what lies beside the expected scans, at most 100 names, safe to print."""
    expected = {str(name) for name in known}
    try:
        names = [entry.name for entry in (workspace.root / "out" / shard).iterdir()]
    except OSError:
        return []
    return sorted(printable_line(n, 200) for n in names if n not in expected)[:_SHOWN]


def _scan_folder(workspace: Workspace, shard: ShardName, scan: ScanName) -> Path:
    """Give a scan's folder, once no part of the way there can be a link."""
    folder = workspace.scan(shard, scan)
    for part in (folder.parent, folder):
        try:
            mode = part.lstat().st_mode
        except FileNotFoundError:
            break
        if not stat.S_ISDIR(mode):
            raise ConfigError(str(part), "is not a folder")
    return folder


def _read(kind: type[T], path: Path) -> T | None:
    try:
        return load(kind, read_bounded(path, STATUS_BYTES).decode())
    except NotFound:
        return None
    except ValueError as error:  # also text that is not UTF-8
        raise ConfigError(str(path), printable_line(str(error), 500)) from error
