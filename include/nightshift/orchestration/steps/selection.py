"""What a run was asked to scan: the params of the form, checked once more and given types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.domain.ids import AccountName, RepositoryName
from nightshift.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Selection:
    """Which repositories and scanners a run is about; the default is everything.

    :param accounts: only these; empty is all. ``repositories`` (``account/name``) likewise.
    :param ref: scanned instead of each repository's own; None leaves that alone.
    :param force: scan unchanged repositories too.
    :param batch_file: a file's name below batches/ of the configuration, instead of the registry.
    """

    accounts: frozenset[str] = frozenset()
    repositories: frozenset[str] = frozenset()
    scanners: frozenset[str] = frozenset()
    ref: str | None = None
    force: bool = False
    batch_file: str | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> "Selection":
        """Read the params of ``nightly_scan``; Airflow has checked them against their schema."""
        return cls(
            accounts=frozenset(params["accounts"] or ()),
            repositories=frozenset(params["repositories"] or ()),
            scanners=frozenset(params["scanners"] or ()),
            ref=params["ref"] or None,
            force=bool(params["force"]),
            batch_file=params["batch_file"] or None,
        )

    def wants(self, account: AccountName, repository: RepositoryName) -> bool:
        """Tell whether a repository is meant."""
        if self.accounts and account not in self.accounts:
            return False
        return not self.repositories or f"{account}/{repository}" in self.repositories

    def check_known(self, known: frozenset[str], accounts: frozenset[str]) -> None:
        """Refuse names that nobody has: a misspelt one must not end as a quiet, empty night.

        :param known: every repository as ``account/name``.
        :raises ConfigError: with the names and what is known.
        """
        strange = sorted((self.repositories - known) | (self.accounts - accounts))
        if strange:
            some = ", ".join(sorted(known if self.repositories - known else accounts)[:20])
            raise ConfigError("params", f"there is no {', '.join(strange)}; there are: {some}")
