"""Reading a work list: what a pod is asked to do, pinned by a checksum in the pod's arguments.

The list may lie where other pods can write; its SHA-256 came through the Kubernetes API, where they
cannot. So a changed list is refused before a word of it is believed. This is why links are followed
here and nowhere else: a mounted ConfigMap shows its files as links.
"""

import hashlib
import hmac
import re
from pathlib import Path
from typing import TypeVar

from nightshift.domain.jsonvalues import load
from nightshift.errors import ConfigError
from nightshift.runner.files import read_bounded

LIMIT_BYTES = 64 * 1024 * 1024
"""About 200,000 clone items; far above any shard that the planner makes."""

T = TypeVar("T")


def read_work_list(kind: type[T], path: Path, sha256: str) -> T:
    """Read a work list of the given dataclass and prove that it is the one the pod was given.

    :param sha256: 64 hex digits over the file's bytes.
    :raises NotFound: if there is no such file.
    :raises ConfigError: if the checksum, the JSON or a value is wrong; the text says which.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ConfigError("--sha256", "expected 64 lower-case hex digits")
    data = read_bounded(path.resolve(), LIMIT_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if not hmac.compare_digest(found, sha256):
        raise ConfigError(str(path), f"has SHA-256 {found}, the pod was given {sha256}")
    try:
        return load(kind, data.decode())
    except ValueError as error:
        raise ConfigError(str(path), str(error)) from error
