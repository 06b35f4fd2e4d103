"""The fields that batch files and the registry share, from checked JSON values to our types."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from nightshift.config.faults import Faults, Path
from nightshift.domain.ids import RepositoryName, ScannerName, parse_repository_name
from nightshift.domain.repositories import (
    RefName,
    Remote,
    parse_ref,
    parse_remote,
    repository_name_of,
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What files may name.

    :param scanners: the scanners that there are.
    :param protocols: the transports that remotes may use.
    :param hosts: private hosts that are meant.
    """

    scanners: Collection[ScannerName]
    protocols: Collection[str] = ("https",)
    hosts: Collection[str] = ()


def read_remote(text: str, path: Path, allowed: Allowed, faults: Faults) -> Remote | None:
    """Check a remote's URL; None after a fault."""
    return faults.collect(
        path, lambda: parse_remote(text, allowed.protocols, allowed_hosts=allowed.hosts)
    )


def read_ref(entry: dict[str, Any], path: Path, faults: Faults) -> RefName | None:
    """Check an optional ref; None also after a fault."""
    if "ref" not in entry:
        return None
    return faults.collect((*path, "ref"), lambda: parse_ref(entry["ref"]))


def read_name(
    entry: dict[str, Any], path: Path, remote: Remote | None, faults: Faults
) -> RepositoryName | None:
    """Check a name, or make one of the remote; None after a fault."""
    if "name" in entry:
        return faults.collect((*path, "name"), lambda: parse_repository_name(entry["name"]))
    if remote is None:
        return None
    return faults.collect((*path, "name"), lambda: repository_name_of(remote))


def read_scanners(
    names: list[str], path: Path, allowed: Allowed, faults: Faults
) -> tuple[ScannerName, ...]:
    """Check that scanners exist; unknown ones are faults and are left out."""
    known = {str(name): name for name in allowed.scanners}
    for index, name in enumerate(names):
        if name not in known:
            faults.add((*path, index), f"there is no scanner {name}; there are {', '.join(known)}")
    return tuple(known[name] for name in names if name in known)
