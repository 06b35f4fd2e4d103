"""Pages through findings, worst first."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select, tuple_

from nightshift.domain.ids import AccountName, RepositoryName, ScannerName
from nightshift.store.models import Account, Finding, Repository, Rule

MAX_PAGE = 500


class FindingRow(NamedTuple):
    """A finding as it is shown."""

    id: int
    account: str
    repository: str
    scanner: str
    rule: str
    title: str
    severity: int
    state: str
    path: str
    line: int
    message: str
    snippet: str
    author_ignores: bool
    opened_batch_id: int
    closed_batch_id: int | None
    unproved: int


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings; None takes all.

    :param new_in: opened first in this batch; ``fixed_in`` closed in this batch.
    """

    account: AccountName | None = None
    repository: RepositoryName | None = None
    scanner: ScannerName | None = None
    states: Collection[str] = ("open", "reopened")
    severity_at_least: int = 0
    new_in: int | None = None
    fixed_in: int | None = None


def list_findings(
    connection: Connection,
    wanted: FindingFilter | None = None,
    *,
    after: tuple[int, int] | None = None,
    limit: int = 50,
) -> tuple[FindingRow, ...]:
    """List findings by severity and number, both falling; ``after`` is the last row's pair.

    :param limit: at most 500.
    """
    wanted = wanted or FindingFilter()
    query = (
        select(
            Finding.id,
            Account.name,
            Repository.name,
            Finding.scanner,
            Rule.rule,
            Rule.title,
            Finding.severity,
            Finding.state,
            Finding.path,
            Finding.line,
            Finding.message,
            Finding.snippet,
            Finding.author_ignores,
            Finding.opened_batch_id,
            Finding.closed_batch_id,
            Finding.unproved,
        )
        .join(Account, Account.id == Finding.account_id)
        .join(Repository, Repository.id == Finding.repository_id)
        .join(Rule, Rule.id == Finding.rule_id)
        .where(Finding.state.in_(wanted.states), Finding.severity >= wanted.severity_at_least)
    )
    equal = {
        Account.name: wanted.account,
        Repository.name: wanted.repository,
        Finding.scanner: wanted.scanner,
        Finding.opened_batch_id: wanted.new_in,
        Finding.closed_batch_id: wanted.fixed_in,
    }
    query = query.where(*(column == value for column, value in equal.items() if value is not None))
    if after is not None:
        query = query.where(tuple_(Finding.severity, Finding.id) < after)
    page = query.order_by(Finding.severity.desc(), Finding.id.desc()).limit(min(limit, MAX_PAGE))
    return tuple(FindingRow._make(row) for row in connection.execute(page))
