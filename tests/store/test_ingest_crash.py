"""PostgreSQL is killed with SIGKILL while a shard is ingested; nothing is lost or doubled."""

import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift import store
from nightshift.clock import monotonic_seconds, utc_now
from nightshift.domain.ids import ShardName
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.errors import StoreBusy
from nightshift.runner.ingest_shards import IngestJob, ScanNote, ingest_shards
from nightshift.runner.patience import Patience
from nightshift.runner.workspace import Workspace
from nightshift.store.schema import migrate
from tests.store.nights import ACCOUNT, COMMITS, Nights
from tests.store.volumes import TestVolume, sarif

NAMES = [f"repo{n}" for n in range(12)]
LINES = 40
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Not the session's server: this one gets killed."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("killed"), durable=False)
    yield server
    server.stop()


@pytest.fixture
def nights(own_postgres: EmbeddedPostgres) -> Iterator[Nights]:
    own_postgres.start()
    url = own_postgres.create_database(f"crash_{next(_NUMBERS)}")
    migrate(url)
    engine = store.writer_engine(url)
    yield Nights(engine, names=NAMES)
    engine.dispose()


@pytest.fixture
def job(nights: Nights, tmp_path: Path) -> IngestJob:
    volume = TestVolume(tmp_path / "workspace")
    volume.root.mkdir()
    batch, scans = nights.open()
    for scan in scans:
        lines = [f"assert value_{n}" for n in range(1, LINES + 1)]
        volume.write_tree(scan.repository, COMMITS[0], {"a.py": "\n".join(lines)})
        results = [("S101", "a.py", n) for n in range(1, LINES + 1)]
        volume.write_scan(scan.scan, scan.cache_key, sarif(results))
    return IngestJob(batch, ACCOUNT, (ShardName("s001"),), Workspace(volume.root), b"k" * 32)


def kill(server: EmbeddedPostgres) -> None:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)


def assert_exactly_once(nights: Nights) -> None:
    with store.transaction(nights.engine) as connection:
        count = connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM findings), (SELECT count(*) FROM finding_events),"
            " (SELECT count(*) FROM finding_spans), (SELECT sum(new) FROM scans),"
            " (SELECT count(*) FROM scans WHERE state = 'succeeded')"
        ).one()
    whole = len(NAMES) * LINES
    assert tuple(count) == (whole, whole, whole, whole, len(NAMES))


def test_new_attempt_after_the_kill_completes_the_shard(
    nights: Nights, job: IngestJob, own_postgres: EmbeddedPostgres
) -> None:
    seen = itertools.count(1)

    def kill_in_the_middle(note: ScanNote) -> None:
        if next(seen) == 5:
            kill(own_postgres)

    impatient = Patience(monotonic_seconds, seconds=0.1)
    with pytest.raises(StoreBusy):
        ingest_shards(job, nights.engine, impatient, utc_now, say=kill_in_the_middle)
    own_postgres.start()
    notes = ingest_shards(job, nights.engine, impatient, utc_now, say=lambda note: None)
    assert sum(note.message == "ended before" for note in notes) == 5
    assert_exactly_once(nights)


def test_running_attempt_waits_for_the_restart(
    nights: Nights, job: IngestJob, own_postgres: EmbeddedPostgres
) -> None:
    """Killed at any moment, also inside a transaction, while the pod goes on trying."""
    first = threading.Event()

    def kill_and_restart() -> None:
        first.wait(30)
        for _ in range(3):
            kill(own_postgres)
            own_postgres.start()
            time.sleep(0.05)

    killer = threading.Thread(target=kill_and_restart)
    killer.start()

    def slowly(note: ScanNote) -> None:
        first.set()
        time.sleep(0.03)

    notes = ingest_shards(job, nights.engine, Patience(monotonic_seconds), utc_now, say=slowly)
    killer.join()
    assert [note.state for note in notes] == ["succeeded"] * len(NAMES)
    assert_exactly_once(nights)


def test_two_pods_at_once_ingest_once(nights: Nights, job: IngestJob) -> None:
    other = store.writer_engine(nights.engine.url.render_as_string(hide_password=False))
    patience = Patience(monotonic_seconds)
    threads = [
        threading.Thread(
            target=ingest_shards,
            args=(job, engine, patience, utc_now),
            kwargs={"say": lambda note: None},
        )
        for engine in (nights.engine, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.dispose()
    assert_exactly_once(nights)
