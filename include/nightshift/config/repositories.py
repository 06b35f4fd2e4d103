"""The registry of repositories (``repositories.yaml``): what is scanned every night."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.config.documents import MEGABYTE, parse_yaml, read_text
from nightshift.config.entries import Allowed, read_name, read_ref, read_remote, read_scanners
from nightshift.config.faults import Faults
from nightshift.config.schemas import find_faults
from nightshift.domain.ids import AccountName, ScannerName, parse_account_name
from nightshift.domain.repositories import Account, Repository

MAX_BYTES = 50 * MEGABYTE


@dataclass(frozen=True, slots=True)
class RegisteredRepository:
    """A repository and the scanners that it is to be scanned with; None is every default one."""

    repository: Repository
    scanners: tuple[ScannerName, ...] | None = None


@dataclass(frozen=True, slots=True)
class RegisteredAccount:
    """An account and its repositories.

    :param weight: its share of the night against other accounts.
    """

    account: Account
    weight: int
    repositories: tuple[RegisteredRepository, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """Every account, in the file's order."""

    accounts: tuple[RegisteredAccount, ...]

    def __iter__(self) -> Iterator[RegisteredRepository]:
        """Give every repository of every account."""
        for account in self.accounts:
            yield from account.repositories


def read_repositories(path: Path, allowed: Allowed) -> Registry:
    """Read and check the registry.

    :raises ConfigError: if it cannot be read or is no YAML, with the line and column.
    :raises ConfigErrors: with every other fault of the file and its path.
    """
    return parse_repositories(read_text(path, max_bytes=MAX_BYTES), allowed, path.name)


def parse_repositories(text: str, allowed: Allowed, source: str = "repositories.yaml") -> Registry:
    """Check the text of a registry.

    :param source: what messages call it.
    :raises ConfigError: if it is no YAML, with the line and column.
    :raises ConfigErrors: with every other fault, such as ``accounts[0].repositories[3].remote``.
    """
    document, faults = parse_yaml(text, source), Faults(source)
    for path, problem in find_faults("repositories", document):
        faults.add(path, problem)
    entries = document.get("accounts") if isinstance(document, dict) else None
    accounts: dict[AccountName, RegisteredAccount] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if not _is_readable(entry, ("accounts", index), faults):
            continue
        account = _read_account(entry, index, allowed, faults)
        if accounts.setdefault(account.account.name, account) is not account:
            faults.add(("accounts", index, "name"), f"{account.account.name} is there already")
    faults.raise_if_any()
    return Registry(tuple(accounts.values()))


def _is_readable(entry: Any, at: tuple[str | int, ...], faults: Faults) -> bool:  # noqa: ANN401 - JSON
    """Tell whether the account's own fields are sound, so that its repositories can be read."""
    return (
        isinstance(entry, dict)
        and faults.is_sound((*at, "name"))
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("repositories"), list)
    )


def _read_account(
    entry: dict[str, Any], index: int, allowed: Allowed, faults: Faults
) -> RegisteredAccount:
    at = ("accounts", index)
    name = faults.collect((*at, "name"), lambda: parse_account_name(entry["name"]))
    account = Account(name or AccountName(""), entry.get("provider", "git"))
    seen: dict[str, int] = {}
    found = []
    for number, item in enumerate(entry["repositories"]):
        path = (*at, "repositories", number)
        if not faults.is_sound(path):
            continue
        one = _read_repository(item, path, account, allowed, faults)
        if one is not None and not _is_duplicate(one.repository, number, path, seen, faults):
            found.append(one)
    return RegisteredAccount(account, entry.get("weight", 1), tuple(found))


def _read_repository(
    item: dict[str, Any],
    path: tuple[str | int, ...],
    account: Account,
    allowed: Allowed,
    faults: Faults,
) -> RegisteredRepository | None:
    remote = read_remote(item["remote"], (*path, "remote"), allowed, faults)
    ref = read_ref(item, path, faults)
    name = read_name(item, path, remote, faults)
    scanners = None
    if "scanners" in item:
        scanners = read_scanners(item["scanners"], (*path, "scanners"), allowed, faults)
    if remote is None or name is None:
        return None
    return RegisteredRepository(Repository(account.name, name, remote, ref), scanners)


def _is_duplicate(
    one: Repository, number: int, path: tuple[str | int, ...], seen: dict[str, int], faults: Faults
) -> bool:
    """Note a second repository of the same folder, or of the same remote and ref."""
    folder = seen.setdefault(f"name {one.name}", number)
    source = seen.setdefault(f"remote {one.remote.url} {one.ref or ''}", number)
    if source != number:
        faults.add((*path, "remote"), f"{one.remote.url} is repositories[{source}] already")
    elif folder != number:
        faults.add(
            (*path, "name"),
            f"{one.name} is the name of repositories[{folder}] already; give this one a name",
        )
    return {folder, source} != {number}
