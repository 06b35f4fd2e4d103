"""A weekend on real nodes: real controllers scale, the real API evicts, and Monday undoes it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nightshift.cluster import drains
from nightshift.cluster.client import Cluster as Client
from nightshift.cluster.drain_views import evict_pod
from nightshift.domain.capacity.diffs import diff_plan
from nightshift.domain.capacity.drain_pods import BlockReason, DrainPod
from nightshift.domain.capacity.evictions import EvictionAnswer
from nightshift.domain.capacity.plans import ActionKind, Check
from nightshift.domain.leases.annotations import DEADLINE
from nightshift.domain.leases.records import LeaseState, StepState
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.store.capacity_events import find_broken_event
from nightshift.store.capacity_leases import list_open_leases, read_lease_row
from nightshift.store.capacity_records import RunKind
from nightshift.store.engines import transaction
from nightshift.store.schema import migrate
from nightshift.weekend import targets
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.operations import NotApproved, lower, publish, raise_all
from nightshift.weekend.restoring import Given, Restored
from nightshift.weekend.sessions import LOCK, open_session
from tests.kube.api import Api
from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.fake_nodes import is_ready
from tests.kube.installing import NAMESPACE, install
from tests.kube.real.weekend_services import budget, path_of
from tests.kube.real.weekend_support import (
    MONDAY_LATER,
    FasterHands,
    Weekend,
    add_services,
    end_services,
    pool_of,
    tools,
    weekend_of,
)
from tests.kube.waits import wait_for

RIGHTS = CHECKOUT / "deploy" / "weekend"
PATIENCE = dt.timedelta(hours=1)
LOWERED = {"report", "worker", "api", "store"}


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def account(cluster: Cluster) -> Iterator[Path]:
    """Airflow's own kubeconfig: what deploy/base and deploy/weekend grant has to be enough."""
    kubeconfig = install(cluster)
    cluster.kubectl("apply", "-k", str(RIGHTS))
    yield kubeconfig
    cluster.kubectl("delete", "-k", str(RIGHTS))


@pytest.fixture
def weekend(
    account: Path, api: Api, namespace: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> Iterator[Weekend]:
    ready = sorted(n["metadata"]["name"] for n in api.items("/api/v1/nodes") if is_ready(n))
    url = postgres.create_database(namespace.replace("-", "_"))
    migrate(url)
    with (
        pool_of(api, ready[-1], namespace),
        weekend_of(api, account, url, namespace, ready[-1], tmp_path) as opened,
    ):
        yield opened
        end_services(api, namespace)


def specs(weekend: Weekend) -> dict[str, Any]:
    """What a weekend changes, as the API has it."""
    scaler = weekend.spec("horizontalpodautoscalers", "api")
    return {
        "worker": weekend.spec("deployments", "worker")["replicas"],
        "store": weekend.spec("statefulsets", "store")["replicas"],
        "api": (scaler["minReplicas"], scaler["maxReplicas"]),
        "report": weekend.spec("cronjobs", "report")["suspend"],
        "cordoned": weekend.node()["spec"].get("unschedulable", False),
    }


def test_friday_lowers_saturday_is_heard_and_monday_brings_it_back(weekend: Weekend) -> None:
    add_services(weekend)
    weekend.wait_ready(worker=4, api=3, web=2, store=3)
    before, version = specs(weekend), weekend.budget_version("web")
    web = {one for one in weekend.pods_on(weekend.pool_node) if "/web-" in one}
    assert len(web) == 2, "both pods under the budget are where they must be evicted"

    _friday(weekend)
    _check_evictions(weekend, web, version)
    _saturday(weekend)
    _monday(weekend, before)


def _friday(weekend: Weekend) -> None:
    session, node = weekend.session, weekend.pool_node
    unapproved = weekend.journal(RunKind.DOWN)
    publish(session, unapproved)
    with pytest.raises(NotApproved):
        lower(session, unapproved)
    assert weekend.marks() == {}

    journal, published = weekend.approved()
    plan = published.plan
    assert {one.target.name for one in plan.actions} == LOWERED | {node}
    assert published.approve, "a first run asks a person"
    assert all(row.reason for row in diff_plan(plan).rows)
    (rest,) = [one for one in plan.actions if one.kind is ActionKind.REST_NODE]
    assert rest.evictions >= 2

    applied = lower(session, journal)
    assert (applied.failed, applied.skip_nodes) == ("", "")
    assert {step.state for step in applied.steps} == {StepState.VERIFIED}
    assert specs(weekend) == {
        "worker": 1, "store": 2, "api": (1, 2), "report": True, "cordoned": True
    }  # fmt: skip
    (drained,) = [step for step in applied.steps if step.ref == f"Node/{node}"]
    assert drained.detail["evictions"] >= 2
    assert weekend.pods_on(node) == set()
    weekend.wait_ready(worker=1, api=2, web=2, store=2)
    assert weekend.pods_on(node) == set(), "what was evicted is ready on the other node"
    _check_leases(weekend)


def _check_evictions(weekend: Weekend, pods: set[str], version: str) -> None:
    """The eviction API, and only it, notes in a budget whom it has let go."""
    history = weekend.budget_history("web", version)
    noted = {name for status in history for name in status.get("disruptedPods", {})}
    assert noted == {one.partition("/")[2] for one in pods}
    assert max(len(status.get("disruptedPods", {})) for status in history) == 1
    assert min(status["currentHealthy"] for status in history) >= 1


def _check_leases(weekend: Weekend) -> None:
    """The store and the objects know the same leases, and nobody holds the lock any more."""
    noted = weekend.leases()
    assert set(noted) == LOWERED | {weekend.pool_node}
    with transaction(weekend.session.the_engine()) as connection:
        kept = list_open_leases(connection)
    assert {one.target.name: one.id for one in kept} == noted
    assert {one.state for one in kept} == {LeaseState.APPLIED}
    lock = weekend.api.get(f"{path_of('leases', NAMESPACE)}/{LOCK}")["spec"]
    assert lock.get("holderIdentity", "") == ""
    assert lock["renewTime"]


def _saturday(weekend: Weekend) -> None:
    weekend.clock.ahead += dt.timedelta(hours=16)
    weekend.pretend_last_run("report", dt.timedelta(days=2))
    weekend.api.patch(f"{weekend.path('statefulsets')}/store", {"spec": {"replicas": 4}})
    weekend.api.patch(f"{weekend.path('deployments')}/worker", {"spec": {"replicas": 2}})
    mended = weekend.mend()
    assert mended.faults == []
    for name in ("store", "worker"):
        assert any(f"/{name} was changed since" in line for line in mended.lines)
    assert (specs(weekend)["store"], specs(weekend)["worker"]) == (4, 2)
    assert specs(weekend)["cordoned"] is True


def _monday(weekend: Weekend, before: dict[str, Any]) -> None:
    noted = weekend.leases()
    weekend.clock.ahead += MONDAY_LATER
    restored = raise_all(weekend.session, weekend.journal(RunKind.UP), patience=PATIENCE)
    _check_all_is_back(restored)
    assert specs(weekend) == {**before, "store": 4}, "what a person raised stays"
    weekend.wait_ready(worker=4, api=3, web=2, store=4)
    # a resumed CronJob keeps its own deadline noted until its next regular run
    assert weekend.marks() == {"report": {DEADLINE}}
    assert weekend.mend().faults == []
    _check_missed_runs(weekend)
    with transaction(weekend.session.the_engine()) as connection:
        assert list_open_leases(connection) == []
        assert {read_lease_row(connection, lease).state for lease in noted.values()} == {
            LeaseState.CLOSED
        }
        assert find_broken_event(connection) is None


def _check_missed_runs(weekend: Weekend) -> None:
    """What the CronJob missed did not start; without the short deadline it does."""
    jobs, path = weekend.path("jobs"), f"{weekend.path('cronjobs')}/report"
    assert weekend.api.items(jobs) == []
    weekend.api.patch(path, {"spec": {"startingDeadlineSeconds": None}})
    wait_for("a missed run", lambda: bool(weekend.api.items(jobs)), 30)


def _check_all_is_back(restored: Restored) -> None:
    assert restored.complete
    assert {one.given for one in restored.outcomes} == {Given.BACK}


def test_two_budgets_on_one_pod_keep_its_node_in_the_plan(weekend: Weekend) -> None:
    add_services(weekend, ("web",))
    weekend.api.post(weekend.path("poddisruptionbudgets"), budget("web-again", "web"))
    weekend.wait_ready(web=2)
    plan = weekend.approved()[1].plan
    assert [one for one in plan.actions if one.kind is ActionKind.REST_NODE] == []
    (skip,) = [one for one in plan.skips if one.ref == f"Node/{weekend.pool_node}"]
    assert skip.check is Check.PDB
    assert f"{weekend.namespace}/web-again" in skip.reason
    assert "make their selectors disjoint" in skip.reason


def test_two_budgets_that_a_drain_meets_keep_its_node(
    weekend: Weekend, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_services(weekend, ("web",))
    weekend.wait_ready(web=2)
    answers: list[EvictionAnswer] = []

    def evict_late(client: Client, pod: DrainPod) -> EvictionAnswer:
        """Somebody adds a budget between the drain's look and its eviction."""
        if not answers:
            weekend.api.post(weekend.path("poddisruptionbudgets"), budget("web-again", "web"))
        answers.append(evict_pod(client, pod))
        return answers[-1]

    monkeypatch.setattr(drains, "evict_pod", evict_late)
    journal, published = weekend.approved()
    assert [one.kind for one in published.plan.actions] == [ActionKind.REST_NODE]
    there = weekend.pods_on(weekend.pool_node)
    applied = lower(weekend.session, journal)

    assert {answer.status for answer in answers} == {500}, "the API server's own word"
    (step,) = applied.steps
    assert (step.state, applied.failed) == (StepState.BLOCKED, "")
    assert str(BlockReason.MULTI_PDB) in step.reason
    assert "web-again" in step.reason
    assert weekend.pods_on(weekend.pool_node) == there
    assert weekend.node()["spec"].get("unschedulable", False) is False
    assert weekend.marks() == {}
    with transaction(weekend.session.the_engine()) as connection:
        assert list_open_leases(connection) == []


def test_annotations_alone_bring_back_what_others_were_faster_to_change(
    weekend: Weekend, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_services(weekend, ("worker", "web"))
    weekend.wait_ready(worker=4, web=2)
    both = {"worker", weekend.pool_node}
    journal, _ = weekend.approved()
    faster = FasterHands(weekend.api)
    monkeypatch.setattr(targets, "patch_target", faster.patch_target)
    _lower_both(weekend, journal)
    assert set(faster.refused) == both, "each was read again after the server's 409"
    faster.forget()
    _restore_without_store(weekend)
    assert set(faster.refused) == both
    weekend.wait_ready(worker=4, web=2)


def _lower_both(weekend: Weekend, journal: StoreJournal) -> None:
    applied = lower(weekend.session, journal)
    assert {step.state for step in applied.steps} == {StepState.VERIFIED}
    assert set(weekend.leases()) == {"worker", weekend.pool_node}


def _restore_without_store(weekend: Weekend) -> None:
    weekend.clock.ahead += MONDAY_LATER
    bare = tools(weekend.clock)
    with open_session(weekend.session.settings, None, bare, with_store=False) as session:
        _check_all_is_back(raise_all(session, session.annotations(), patience=PATIENCE))
    assert weekend.spec("deployments", "worker")["replicas"] == 4
    assert weekend.node()["spec"].get("unschedulable", False) is False
    assert weekend.marks() == {}
