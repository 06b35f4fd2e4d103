"""What a task holds while it works: settings, the store's engines and the cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nightshift.cluster.client import Cluster, connect
from nightshift.settings import Settings
from nightshift.store.engines import Engine, reader_engine, writer_engine


@dataclass(frozen=True, slots=True)
class Night:
    """The connections of one task; nothing is sent before it is used."""

    settings: Settings
    writer: Engine
    reader: Engine
    cluster: Cluster


@contextmanager
def connected(settings: Settings) -> Iterator[Night]:
    """Prepare a task's connections and close them behind it.

    :raises ConfigError: if a setting that is needed is missing, or no kubeconfig can be read.
    """
    night = Night(
        settings,
        writer_engine(settings.writer_url(), name="nightshift-task"),
        reader_engine(settings.reader_url(), name="nightshift-task-reader"),
        connect(settings),
    )
    try:
        yield night
    finally:
        night.writer.dispose()
        night.reader.dispose()
        night.cluster.close()
