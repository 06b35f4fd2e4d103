"""Brings a database to the schema of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from nightshift.store.engines import transaction, writer_engine

_LOCK = 0x6E69676874  # "night": one advisory lock for all who migrate this database


def migrate(url: str) -> str:
    """Create or upgrade the tables, and give the version that they are at now.

    Safe to call at any time, by several at once: they take turns, and it is one transaction.

    :raises StoreBusy: the database cannot be reached.
    :raises Forbidden: the user may not create tables.
    """
    engine = writer_engine(url, name="nightshift-migrate", pool_size=1)
    try:
        with transaction(engine) as connection:
            connection.execute(text("SET LOCAL lock_timeout = '300s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        engine.dispose()


def newest_version() -> str:
    """Give the version that ``migrate`` would bring a database to."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def alembic_config() -> Config:
    """Give Alembic's configuration; the scripts are part of the package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
