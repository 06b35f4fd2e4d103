"""What all tests share: whole nights begin first, so that short tests fill the other process."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first; otherwise one process idles through the last night."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
