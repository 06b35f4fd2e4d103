import socket
import threading

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import errors
from sqlalchemy import Engine, exc, text

from nightshift import store
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.errors import (
    ConfigError,
    Conflict,
    Forbidden,
    NightshiftError,
    NotFound,
    PermanentError,
    StoreBusy,
)
from nightshift.store.engines import parse_database_url
from nightshift.store.faults import translate
from nightshift.store.models import Base
from nightshift.store.schema import migrate, newest_version


@pytest.mark.parametrize(
    ("lower", "ours"),
    [
        pytest.param(errors.AdminShutdown, StoreBusy, id="the server is shut down"),
        pytest.param(errors.CrashShutdown, StoreBusy, id="the server crashed"),
        pytest.param(errors.CannotConnectNow, StoreBusy, id="the server is starting"),
        pytest.param(errors.TooManyConnections, StoreBusy, id="no connection is left"),
        pytest.param(errors.DiskFull, StoreBusy, id="no disk is left"),
        pytest.param(errors.QueryCanceled, StoreBusy, id="a statement took too long"),
        pytest.param(errors.LockNotAvailable, StoreBusy, id="a lock took too long"),
        pytest.param(errors.ConnectionFailure, StoreBusy, id="the connection broke"),
        pytest.param(errors.SystemError, StoreBusy, id="the server's system failed"),
        pytest.param(errors.DeadlockDetected, Conflict, id="deadlock"),
        pytest.param(errors.SerializationFailure, Conflict, id="serialization"),
        pytest.param(errors.UniqueViolation, Conflict, id="someone inserted it first"),
        pytest.param(errors.InsufficientPrivilege, Forbidden, id="not allowed"),
        pytest.param(errors.ReadOnlySqlTransaction, Forbidden, id="a replica"),
        pytest.param(errors.InvalidPassword, Forbidden, id="wrong password"),
        pytest.param(errors.InvalidCatalogName, NotFound, id="no database"),
        pytest.param(errors.UndefinedTable, NotFound, id="not migrated"),
        pytest.param(errors.CheckViolation, PermanentError, id="a value that is refused"),
        pytest.param(errors.SyntaxError, PermanentError, id="our own mistake"),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False], ids=["from SQLAlchemy", "from the driver"])
def test_every_error_of_the_database_is_one_of_ours(
    lower: type[psycopg.Error], ours: type[NightshiftError], wrapped: bool
) -> None:
    error = lower("what happened\nDETAIL: a row's values")
    outer = exc.DBAPIError("SELECT 1", {}, error) if wrapped else error
    translated = translate(outer)
    assert type(translated) is ours
    assert "DETAIL" not in str(translated)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (psycopg.OperationalError("connection refused"), StoreBusy),
        (psycopg.InterfaceError("the connection is closed"), StoreBusy),
        (psycopg.OperationalError("FATAL: password authentication failed"), Forbidden),
        (psycopg.OperationalError('FATAL: database "x" does not exist'), NotFound),
        (psycopg.ProgrammingError("no such parameter"), PermanentError),
        (exc.TimeoutError("pool"), StoreBusy),
        (exc.InvalidRequestError("misuse"), PermanentError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_errors_without_a_code_are_told_apart(
    error: exc.SQLAlchemyError | psycopg.Error, ours: type[NightshiftError]
) -> None:
    assert type(translate(error)) is ours


def test_server_that_is_not_there_is_busy_and_keeps_the_password_out() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    engine = store.writer_engine(f"postgresql://me:hunter2@127.0.0.1:{port}/x")
    with pytest.raises(StoreBusy) as caught, store.transaction(engine):
        pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "ours"),
    [
        pytest.param(("postgres:", "nobody:"), Forbidden, id="unknown user"),
        pytest.param(("/test_", "/missing_"), NotFound, id="unknown database"),
    ],
)
def test_real_server_refuses_in_words_that_we_know(
    database_url: str, change: tuple[str, str], ours: type[NightshiftError]
) -> None:
    engine = store.writer_engine(database_url.replace(*change))
    with pytest.raises(ours), store.transaction(engine):
        pass


def test_database_without_tables_says_what_to_do(postgres: EmbeddedPostgres) -> None:
    engine = store.reader_engine(postgres.create_database("empty"))
    with pytest.raises(NotFound, match="migrate"), store.transaction(engine) as connection:
        store.list_open_batches(connection)
    engine.dispose()


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "postgresql://a:secret@b"])
def test_url_that_is_not_postgresql_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="database URL") as caught:
        parse_database_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_usual_urls_use_our_driver(scheme: str) -> None:
    assert parse_database_url(f"{scheme}://a:b@c/d").drivername == "postgresql+psycopg"


def test_reader_cannot_write(reader: Engine) -> None:
    with pytest.raises(Forbidden), store.transaction(reader) as connection:
        connection.execute(text("DELETE FROM batches"))


def test_reader_has_a_time_limit_and_a_name(reader: Engine) -> None:
    with store.transaction(reader) as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "15s"
        assert connection.execute(text("SHOW application_name")).scalar() == "nightshift-reader"


def test_error_rolls_everything_back(engine: Engine, reader: Engine) -> None:
    def insert_then_fail() -> None:
        with store.transaction(engine) as connection:
            connection.execute(text("INSERT INTO accounts (name) VALUES ('x')"))
            connection.execute(text("SELECT 1 / 0"))

    with pytest.raises(PermanentError, match="division by zero"):
        insert_then_fail()
    with store.transaction(reader) as connection:
        assert connection.execute(text("SELECT count(*) FROM accounts")).scalar() == 0


def test_migrations_give_exactly_the_models(engine: Engine) -> None:
    with store.transaction(engine) as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_migrating_at_once_and_again_is_safe(postgres: EmbeddedPostgres) -> None:
    url = postgres.create_database("migrated_by_many")
    versions: list[str] = []
    threads = [threading.Thread(target=lambda: versions.append(migrate(url))) for _ in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [*versions, migrate(url)] == [newest_version()] * 4
