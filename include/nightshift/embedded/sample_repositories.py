"""The trial's forge: bare git repositories of three accounts, reached by ``file://`` remotes.

``python -m nightshift.embedded.sample_repositories ROOT`` makes them and shows them. Making them
again is quick: what is there, and was made from the same sources, is kept.
"""

import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

from nightshift.domain.scans import Reason
from nightshift.embedded.sample_contents import (
    RECIPES,
    read_recipe,
    service_template,
    source_stamp,
    too_big,
)
from nightshift.embedded.sample_history import Tree, write_repository
from nightshift.embedded.sample_hostile import LEFT_OUT, TAMPERING, Planted, hostile_repository

FILE_NAME = "repositories.yaml"
PROVIDER = "sample"
FORMAT = 1
"""Raise it when the contents change, so that older samples are made anew."""
_MARKER = "nightshift-sample.json"


@dataclass(frozen=True, slots=True)
class SampleRepository:
    """One sample and what a night must say of it.

    :param remote: a ``file://`` URL.
    :param commit: the head of ``main``; None if there is none to scan.
    :param reason: how asking for its head and cloning it ends.
    :param tampering: kinds that its checkout must report.
    :param left_out: reasons for files left out that its checkout must report.
    :param planted: findings that scanners must report, suppressed or not.
    """

    account: str
    name: str
    remote: str
    commit: str | None
    reason: Reason = Reason.OK
    tampering: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    planted: tuple[Planted, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleRepositories:
    """All samples below one folder.

    :param file: lists the accounts and their repositories, as ``include/config`` does.
    """

    root: Path
    file: Path
    repositories: tuple[SampleRepository, ...]

    @property
    def accounts(self) -> dict[str, tuple[SampleRepository, ...]]:
        """The repositories of each account, in order."""
        names = dict.fromkeys(sample.account for sample in self.repositories)
        return {name: tuple(s for s in self.repositories if s.account == name) for name in names}

    def find(self, name: str) -> SampleRepository:
        """Give one sample by its name, which is unique over all accounts."""
        return next(sample for sample in self.repositories if sample.name == name)


def make_sample_repositories(root: Path) -> SampleRepositories:
    """Make all sample repositories below ``root``, and the file that lists them.

    :raises ConfigError: if git or a package that they are made of is not installed.
    :raises PermanentError: if git fails.
    """
    root = root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    samples = SampleRepositories(root, root / FILE_NAME, tuple(_make_all(root)))
    samples.file.write_text(_listing(samples))
    return samples


def _make_all(root: Path) -> Iterator[SampleRepository]:
    for recipe in RECIPES:
        make = partial(_make, root, recipe.account, recipe.name, partial(read_recipe, recipe))
        yield make(stamp=source_stamp(recipe))
    yield _make(root, "harbor", "service-template", service_template)
    empty = _make(root, "harbor", "empty", tuple)
    yield replace(empty, reason=Reason.EMPTY_REPOSITORY)
    missing = (root / "orchard" / "unreachable.git").as_uri()
    yield SampleRepository("orchard", "unreachable", missing, None, Reason.REMOTE_GONE)
    big = _make(root, "orchard", "toobig", too_big)
    yield replace(big, reason=Reason.OK_PARTIAL, left_out=frozenset({"too_large"}))
    trees, planted = hostile_repository()
    yield replace(
        _make(root, "summit", "hostile", lambda: trees),
        reason=Reason.OK_PARTIAL,
        tampering=TAMPERING,
        left_out=LEFT_OUT,
        planted=planted,
    )


def _make(
    root: Path, account: str, name: str, trees: Callable[[], Sequence[Tree]], *, stamp: str = ""
) -> SampleRepository:
    """Make one repository, or keep one that was made from the same sources.

    :param stamp: changes when the sources do.
    """
    path = root / account / f"{name}.git"
    key = f"{FORMAT} {platform.python_version()} {stamp}"
    commit = _find_made(path, key)
    if commit is None:
        path.parent.mkdir(exist_ok=True)
        commit = write_repository(path, trees())
        (path / _MARKER).write_text(json.dumps({"key": key, "commit": commit}))
    return SampleRepository(account, name, path.as_uri(), commit or None)


def _find_made(path: Path, key: str) -> str | None:
    """Give the commit of a repository whose marker, written last, has the same key."""
    try:
        marker = json.loads((path / _MARKER).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return str(marker["commit"]) if marker.get("key") == key else None


def _listing(samples: SampleRepositories) -> str:
    accounts = [
        {
            "name": name,
            "provider": PROVIDER,
            "repositories": [{"name": s.name, "remote": s.remote} for s in repositories],
        }
        for name, repositories in samples.accounts.items()
    ]
    return yaml.safe_dump({"accounts": accounts}, sort_keys=False)


def _table(samples: SampleRepositories) -> Table:
    table = Table("account", "repository", "commit", "must end as", "must report")
    for sample in samples.repositories:
        table.add_row(
            sample.account,
            sample.name,
            (sample.commit or "-")[:12],
            sample.reason,
            ", ".join(sorted(sample.tampering | sample.left_out)),
        )
    return table


def main(argv: Sequence[str]) -> int:
    """Make the samples below the one argument, and print a table of them."""
    console = Console()
    if len(argv) != 1 or argv[0].startswith("-"):
        console.print("usage: python -m nightshift.embedded.sample_repositories ROOT")
        return 64
    samples = make_sample_repositories(Path(argv[0]))
    console.print(_table(samples))
    console.print(f"listed in {samples.file}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
