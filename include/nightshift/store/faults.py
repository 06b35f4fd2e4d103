"""What the database can say, as our errors: the one place where they are translated.

SQLSTATE codes: PostgreSQL 18, appendix A. A failed connection has no code; there the server's own
words decide (it speaks English when ``lc_messages`` is C).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from sqlalchemy import exc

from nightshift.errors import (
    Conflict,
    Forbidden,
    NightshiftError,
    NotFound,
    PermanentError,
    StoreBusy,
)

_BUSY = {
    "08": "the connection to PostgreSQL failed",
    "53": "PostgreSQL is out of connections, memory or disk",
    "55P03": "PostgreSQL did not get a lock in time",
    "57": "PostgreSQL is restarting, or ended the statement",
    "58": "PostgreSQL met a fault of its system",
}
_REFUSED = ("password authentication failed", "pg_hba.conf", "no password supplied")
_ABSENT = ("does not exist",)


class OpenScans(PermanentError):
    """A batch or a workspace cannot be closed: some of its scans have not ended.

    :param scans: their names, at most 100.
    """

    def __init__(self, message: str, scans: Sequence[str]) -> None:
        super().__init__(f"{message}: {', '.join(scans[:10])}{' ..' if len(scans) > 10 else ''}")
        self.scans = tuple(scans[:100])


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn every error of the driver and of SQLAlchemy into one of ours."""
    try:
        yield
    except (exc.SQLAlchemyError, psycopg.Error) as error:
        raise translate(error) from error


def translate(error: exc.SQLAlchemyError | psycopg.Error) -> NightshiftError:
    """Say in our words what went wrong and whether the same call may succeed later."""
    if isinstance(error, exc.TimeoutError):
        return StoreBusy("all of our own connections to PostgreSQL are in use")
    origin = error.orig if isinstance(error, exc.DBAPIError) else error
    if not isinstance(origin, psycopg.Error):
        return PermanentError(f"the store was asked for something impossible: {_line(error)}")
    code = origin.sqlstate or ""
    return _by_code(code, origin) if code else _without_code(origin)


def _by_code(code: str, error: psycopg.Error) -> NightshiftError:
    for prefix, meaning in _BUSY.items():
        if code.startswith(prefix):
            return StoreBusy(f"{meaning}: {_line(error)}")
    if code.startswith("40") or code == "23505":
        return Conflict(f"another transaction was first; do it again: {_line(error)}")
    if code.startswith("28") or code in {"42501", "25006"}:
        return Forbidden(f"PostgreSQL does not allow this: {_line(error)}")
    if code == "3D000":
        return NotFound(f"create the database first: {_line(error)}")
    if code == "42P01":
        return NotFound(f"the tables are not there; run `nightshift migrate`: {_line(error)}")
    return PermanentError(f"PostgreSQL refused a statement ({code}): {_line(error)}")


def _without_code(error: psycopg.Error) -> NightshiftError:
    text = str(error)
    if any(words in text for words in _REFUSED):
        return Forbidden(f"PostgreSQL refused our user or password: {_line(error)}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        if any(words in text for words in _ABSENT):
            return NotFound(f"create the database or its user first: {_line(error)}")
        return StoreBusy(f"PostgreSQL cannot be reached: {_line(error)}")
    return PermanentError(f"the database driver refused: {_line(error)}")


def _line(error: Exception) -> str:
    """Give the first line, which has no values of rows (those are in DETAIL) and no password."""
    return str(error).strip().split("\n", 1)[0][:300]
