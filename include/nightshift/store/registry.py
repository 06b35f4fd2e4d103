"""Keeps accounts, repositories and scanners as configured; nothing is ever removed."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from nightshift.domain.ids import AccountName, RepositoryName, ScannerName
from nightshift.errors import NotFound
from nightshift.store.models import Account, Repository, Scanner
from nightshift.store.records import AccountRecord, RepositoryRecord, ScannerRecord


class RepositoryIds(NamedTuple):
    """A repository's number and its account's."""

    repository_id: int
    account_id: int


RepositoryKey = tuple[AccountName, RepositoryName]


def sync_repositories(
    connection: Connection,
    accounts: Sequence[AccountRecord],
    repositories: Sequence[RepositoryRecord],
) -> dict[RepositoryKey, RepositoryIds]:
    """Add or update accounts and repositories, and give the numbers of these repositories.

    A repository is the same as long as its account, remote and ref are: its name may change.

    :raises NotFound: if a repository's account is neither given nor known.
    """
    if accounts:
        _upsert_accounts(connection, accounts)
    wanted = {r.account for r in repositories}
    rows = connection.execute(select(Account.name, Account.id).where(Account.name.in_(wanted)))
    account_ids = {AccountName(name): number for name, number in rows}
    if missing := sorted(wanted - set(account_ids)):
        raise NotFound(f"accounts {', '.join(missing)}: configure them before their repositories")
    if repositories:
        values = [
            {"account_id": account_ids[r.account], "name": r.name, "remote": r.remote, "ref": r.ref}
            for r in repositories
        ]
        statement = insert(Repository)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "remote", "ref"],
                set_={"name": statement.excluded.name},
                where=Repository.name != statement.excluded.name,
            ),
            sorted(values, key=lambda v: (v["account_id"], v["remote"], v["ref"])),
        )
    return find_repositories(connection, {(r.account, r.name) for r in repositories})


def sync_scanners(
    connection: Connection, scanners: Iterable[ScannerRecord]
) -> dict[ScannerName, int]:
    """Add scanner versions that are new, and give the number of each scanner given."""
    numbers = {}
    for scanner in scanners:
        statement = insert(Scanner).values(**asdict(scanner))
        numbers[scanner.name] = connection.execute(
            statement.on_conflict_do_update(
                index_elements=["name", "version", "rules_digest", "image_digest"],
                set_={"finds_secrets": statement.excluded.finds_secrets},
            ).returning(Scanner.id)
        ).scalar_one()
    return numbers


def find_repositories(
    connection: Connection, keys: Iterable[RepositoryKey]
) -> dict[RepositoryKey, RepositoryIds]:
    """Look repositories up by account and name.

    :raises NotFound: naming those that are not there.
    """
    wanted = set(keys)
    found: dict[RepositoryKey, RepositoryIds] = {}
    for chunk in _chunks(sorted(wanted), 5_000):
        rows = connection.execute(
            select(Account.name, Repository.name, Repository.id, Account.id)
            .join(Account, Account.id == Repository.account_id)
            .where(tuple_(Account.name, Repository.name).in_(chunk))
        )
        for account, name, repository_id, account_id in rows:
            key = AccountName(account), RepositoryName(name)
            found[key] = RepositoryIds(repository_id, account_id)
    if missing := sorted("/".join(key) for key in wanted - set(found)):
        raise NotFound(f"the store does not know {len(missing)} repositories: {missing[:5]}")
    return found


def find_account(connection: Connection, name: AccountName) -> int:
    """Look an account's number up.

    :raises NotFound: if it is not there.
    """
    number = connection.execute(select(Account.id).where(Account.name == name)).scalar()
    if number is None:
        raise NotFound(f"the store does not know the account {name}")
    return int(number)


def _upsert_accounts(connection: Connection, accounts: Sequence[AccountRecord]) -> None:
    statement = insert(Account)
    changed = {
        name: getattr(statement.excluded, name)
        for name in ("provider", "weight", "max_pods", "max_bytes", "secret_ref", "enabled")
    }
    connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_=changed),
        [asdict(account) for account in sorted(accounts, key=lambda a: a.name)],
    )


def _chunks(keys: list[RepositoryKey], size: int) -> Iterable[list[RepositoryKey]]:
    return (keys[i : i + size] for i in range(0, len(keys), size))
