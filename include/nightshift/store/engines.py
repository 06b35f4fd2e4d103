"""Connections: a writer to the primary and a reader to a replica, each with its own small pool.

Engines are made once by whoever starts the program and are handed on; nothing is global. Only what
happens inside ``transaction`` has its errors translated, so nothing else should open one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection as Connection  # re-exported: only the store knows SQLAlchemy
from sqlalchemy import Engine as Engine
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from nightshift.errors import ConfigError
from nightshift.store.faults import translated_errors

__all__ = [
    "Connection",
    "Engine",
    "parse_database_url",
    "read_max_connections",
    "reader_engine",
    "transaction",
    "writer_engine",
]

WRITER_TIMEOUT_SECONDS = 300
READER_TIMEOUT_SECONDS = 15
_LOCK_TIMEOUT_SECONDS = 30
_CONNECT_TIMEOUT_SECONDS = 10


def writer_engine(url: str, *, name: str = "nightshift-writer", pool_size: int = 2) -> Engine:
    """Make an engine for the primary. It needs a session of its own, not a transaction pooler.

    :param name: shown in ``pg_stat_activity``.
    :raises ConfigError: if the URL is not one of PostgreSQL.
    """
    limits = {
        "statement_timeout": WRITER_TIMEOUT_SECONDS,
        "lock_timeout": _LOCK_TIMEOUT_SECONDS,
        "idle_in_transaction_session_timeout": WRITER_TIMEOUT_SECONDS,
    }
    options = " ".join(f"-c {key}={seconds}s" for key, seconds in limits.items())
    return _make_engine(url, name, pool_size, {"options": options, "prepare_threshold": 5})


def reader_engine(url: str, *, name: str = "nightshift-reader", pool_size: int = 4) -> Engine:
    """Make an engine whose transactions cannot write; it works through PgBouncer too.

    :param name: shown in ``pg_stat_activity``.
    :raises ConfigError: if the URL is not one of PostgreSQL.
    """
    engine = _make_engine(url, name, pool_size, {"prepare_threshold": None})
    engine = engine.execution_options(postgresql_readonly=True)

    @event.listens_for(engine, "begin")
    def limit(connection: Connection) -> None:
        """Set the limit for the transaction, not for the session: a pooler shares sessions."""
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = '{READER_TIMEOUT_SECONDS}s'")

    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Open one transaction: committed at the end, rolled back by any error.

    :raises StoreBusy: the database is down, restarting, out of connections, or too slow.
    :raises Conflict: another transaction was first.
    :raises PermanentError: for what a retry does not mend.
    """
    with translated_errors(), engine.begin() as connection:
        yield connection


def read_max_connections(*, host: str, port: int, user: str, password: str, database: str) -> int:
    """Ask a database, which need not be ours, how many connections it takes.

    :raises StoreBusy: if it does not answer.
    :raises Forbidden: if it refuses the user.
    """
    url = URL.create("postgresql", user, password, host, port, database)
    text = url.render_as_string(hide_password=False)
    engine = _make_engine(text, "nightshift-guard", 1, {"prepare_threshold": None})
    try:
        with transaction(engine) as connection:
            return int(connection.exec_driver_sql("SHOW max_connections").scalar_one())
    finally:
        engine.dispose()


def parse_database_url(url: str) -> URL:
    """Check a URL and choose our driver for it.

    :raises ConfigError: without the URL's text, which holds a password.
    """
    try:
        parsed = make_url(url.strip())
    except ArgumentError as error:
        raise ConfigError("database URL", "is not a URL") from error
    if parsed.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise ConfigError("database URL", "must begin with postgresql://")
    if not parsed.database:
        raise ConfigError("database URL", "must end with the database's name")
    return parsed.set(drivername="postgresql+psycopg")


def _make_engine(url: str, name: str, pool_size: int, connect: dict[str, Any]) -> Engine:
    return create_engine(
        parse_database_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_CONNECT_TIMEOUT_SECONDS,
        pool_pre_ping=True,
        hide_parameters=True,  # values of rows stay out of messages
        connect_args={
            "application_name": name,
            "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
            **connect,
        },
    )
