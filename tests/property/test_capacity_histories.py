"""Any weekend over HTTP and a real store ends with everything that was lowered back.

People edit objects and the policy, the API server answers 409, 429, 5xx or not at all, the process
dies before or after any call, the store is lost, Monday is late; all at once, at random.
``NIGHTSHIFT_TEST_HISTORIES`` says how many weekends; `make test-weekends` tries 500.
"""

import datetime as dt
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.cluster.client import Cluster
from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.cluster import LocalCluster
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.errors import NightshiftError
from nightshift.store.capacity_events import find_broken_event
from nightshift.store.engines import Engine, transaction, writer_engine
from nightshift.store.schema import migrate
from nightshift.weekend.reconciling import reconcile
from tests.capacity.capacity_support import MONDAY, NS, Hand, end_terminating
from tests.capacity.conftest import NODES
from tests.capacity.history_support import History, Killed, faults_at_the_end
from tests.capacity.weekend_support import World, empty_store, populate
from tests.cluster.kube_support import connected_to, running_server

HISTORIES = int(os.environ.get("NIGHTSHIFT_TEST_HISTORIES", "60"))
CHUNKS = 10
_KEPT = ("deployments.apps", "statefulsets.apps", "cronjobs.batch", "pods")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundCluster]:
    with running_server(tmp_path_factory.mktemp("kube") / "cluster", NODES) as running:
        yield running


@pytest.fixture(scope="module")
def cluster(server: BackgroundCluster) -> Iterator[Cluster]:
    with connected_to(server, "nightshift") as connected:
        for name in ("nightshift", NS):
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            connected.create("/api/v1/namespaces", body)
        yield connected


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    postgres.start()
    url = postgres.create_database("histories")
    migrate(url)
    engine = writer_engine(url)
    yield engine
    engine.dispose()
    postgres.stop()


def clean(local: LocalCluster) -> None:
    """Leave nothing of the last weekend."""
    local.faults.clear()
    for key in (*_KEPT, "horizontalpodautoscalers.autoscaling"):
        for obj in list(local.store.list(key)):
            meta = obj["metadata"]
            local.store.delete(key, meta["name"], meta["namespace"])
    for node in list(local.store.list("nodes")):

        def reset(obj: dict[str, object]) -> None:
            obj["spec"] = {}
            obj["metadata"].pop("annotations", None)  # type: ignore[attr-defined]

        local.store.mutate("nodes", node["metadata"]["name"], "", reset)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_happens_everything_comes_back(
    server: BackgroundCluster, cluster: Cluster, engine: Engine, chunk: int
) -> None:
    for seed in range(chunk, HISTORIES, CHUNKS):
        server.call(clean)
        empty_store(engine)
        populate(cluster)
        hand = Hand(others=[lambda: end_terminating(cluster)])
        history = History(World(server, cluster, engine, hand), random.Random(seed))
        live_through(history)
        faults = faults_at_the_end(history)
        assert not faults, "\n".join([f"weekend {seed}", *faults, *history.said])
        with transaction(engine) as connection:
            assert find_broken_event(connection) is None


def live_through(history: History) -> None:
    rng, hand = history.rng, history.world.hand
    friday(history)
    history.people()
    if rng.random() < 0.5:  # Airflow tries the task again, in the same run's name
        hand.now += dt.timedelta(minutes=rng.choice([1, 20]))
        friday(history)
    history.people()
    if rng.random() < 0.5:
        hand.now += dt.timedelta(hours=rng.choice([1, 30]))
        mend(history, "sunday", dies=True)
    hand.now = max(hand.now, MONDAY + dt.timedelta(hours=rng.choice([0, 1, 50])))
    for attempt in range(2):
        monday(history, f"monday-{attempt}")
        history.people()
    history.mend_server()
    mend(history, "tuesday", dies=False)
    mend(history, "wednesday", dies=False)


def friday(history: History) -> None:
    history.arm(60)
    history.break_server()
    try:
        world = history.world
        plan = world.plan()
        history.said.append(f"friday {len(plan.actions)} actions, {plan.problems}")
        if not plan.problems:
            applied = world.apply(plan, run=f"friday-{plan.hash[:8]}")
            history.said.append(f"applied, {applied.failed or 'well'}")
    except (Killed, NightshiftError) as error:
        history.said.append(repr(error)[:120])
    finally:
        history.disarm()
        history.mend_server()


def monday(history: History, run: str) -> None:
    history.arm(40)
    history.break_server()
    try:
        restored = history.world.restore(run)
        history.said.append(f"restored {[str(one.given) for one in restored.outcomes]}")
    except (Killed, NightshiftError) as error:
        history.said.append(repr(error)[:120])
    finally:
        history.disarm()
        history.mend_server()


def mend(history: History, run: str, *, dies: bool) -> None:
    if dies:
        history.arm(60)
        history.break_server()
    else:
        history.disarm()
    world = history.world
    try:
        mended = reconcile(
            world.mending(run), world.found(), world.hand.now + dt.timedelta(hours=2)
        )
        history.said.append(f"mended {mended.lines} {mended.faults}")
    except (Killed, NightshiftError) as error:
        history.said.append(repr(error)[:120])
        if not dies:
            raise
    finally:
        history.disarm()
        history.mend_server()


def test_the_laws_are_seen_to_be_broken_without_a_restore(
    server: BackgroundCluster, cluster: Cluster, engine: Engine, tmp_path: Path
) -> None:
    """A check that cannot fail checks nothing."""
    server.call(clean)
    empty_store(engine)
    populate(cluster)
    world = World(server, cluster, engine, Hand())
    history = History(world, random.Random(1))
    history.disarm()
    world.apply()
    faults = faults_at_the_end(history)
    assert any("replicas was 4 and is 1" in fault for fault in faults)
    assert any("keeps our cordon" in fault for fault in faults)
