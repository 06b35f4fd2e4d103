"""Writes down what became of a shard's pod."""

from collections.abc import Mapping

from nightshift.domain.ids import parse_shard_name
from nightshift.settings import Settings
from nightshift.store.engines import transaction, writer_engine
from nightshift.store.records import BatchId, PodRecord
from nightshift.store.shards import record_pod as store_pod


def record_pod(environ: Mapping[str, str], batch: int, shard: str, pod: PodRecord) -> None:
    """Store where a shard's pod ran and how it ended.

    :raises StoreBusy: if the database cannot be reached.
    """
    engine = writer_engine(Settings.from_env(environ).writer_url(), name="nightshift-callback")
    try:
        with transaction(engine) as connection:
            store_pod(connection, BatchId(batch), parse_shard_name(shard), pod)
    finally:
        engine.dispose()
