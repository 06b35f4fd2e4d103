"""What all tests share: the order of tests, and one PostgreSQL for those that need a store."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # imported by those tests alone that need it
    from nightshift.embedded.postgres import EmbeddedPostgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first; otherwise one process idles through the last night."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[EmbeddedPostgres]":
    """A real PostgreSQL, started once."""
    from nightshift.embedded.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(tmp_path_factory.mktemp("post gres"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_url(postgres: "EmbeddedPostgres") -> str:
    """A store in it, which each test empties before use."""
    from nightshift.store.schema import migrate

    url = postgres.create_database("test_store")
    migrate(url)
    return url
