"""A small team's services on real nodes, and a weekend over them with a clock of its own."""

import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightshift.cluster.client import Cluster as Client
from nightshift.cluster.target_kinds import TARGET_RESOURCES
from nightshift.cluster.targets import patch_target
from nightshift.domain.capacity.targets import LiveTarget, Patch, TargetId
from nightshift.domain.leases.annotations import LEASE
from nightshift.domain.leases.records import LeaseId
from nightshift.errors import ConfigError, Conflict
from nightshift.settings import Settings
from nightshift.store.capacity_records import RunKind
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.operations import Approval, Published, mend, note_approval, publish
from nightshift.weekend.policies import load_policy
from nightshift.weekend.reconciling import Mended
from nightshift.weekend.sessions import Session, Tools, open_session
from tests.kube.api import Api
from tests.kube.real.weekend_services import (
    LOWERED_KINDS,
    POOL_LABEL,
    path_of,
    policy_text,
    services,
)
from tests.kube.waits import wait_for

OURS = "nightshift/"
READY_SECONDS = 60.0
MONDAY_LATER = dt.timedelta(days=2, minutes=1)


@dataclass
class WeekendClock:
    """Real time, with jumps: nobody waits for minutes, let alone for Monday."""

    ahead: dt.timedelta = dt.timedelta()
    longest_sleep: float = 1.0

    def read(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.ahead

    def sleep(self, seconds: float) -> None:
        """Sleep a little, and move on by the rest; controllers and kubelets keep real time."""
        slept = min(seconds, self.longest_sleep)
        time.sleep(slept)
        self.ahead += dt.timedelta(seconds=seconds - slept)


@dataclass
class Weekend:
    """A session on the cluster and a store; everything is asked about past it, by ``api``."""

    session: Session
    clock: WeekendClock
    api: Api
    namespace: str
    pool_node: str
    runs: int = 0

    def journal(self, kind: RunKind) -> StoreJournal:
        self.runs += 1
        return self.session.journal(self.session.record(f"{self.namespace}-{self.runs}", kind))

    def approved(self) -> tuple[StoreJournal, Published]:
        """Plan a Friday, and have alice approve exactly that."""
        journal = self.journal(RunKind.DOWN)
        published = publish(self.session, journal)
        assert published.blocked == ()
        note_approval(journal, Approval(True, published.plan.hash, "alice"))
        return journal, published

    def mend(self) -> Mended:
        return mend(self.session, self.journal(RunKind.RECONCILE), dt.timedelta(minutes=10))

    def spec(self, kind: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"{self.path(kind)}/{name}")["spec"]
        return found

    def node(self) -> dict[str, Any]:
        return self.api.get(f"/api/v1/nodes/{self.pool_node}")

    def path(self, kind: str) -> str:
        return path_of(kind, self.namespace)

    def marks(self) -> dict[str, set[str]]:
        """Give our annotations on everything of the test that has any, pods included."""
        found = [self.node()]
        for kind in (*LOWERED_KINDS, "pods"):
            found += self.api.items(self.path(kind))
        marks: dict[str, set[str]] = {}
        for obj in found:
            keys = {key for key in obj["metadata"].get("annotations", {}) if key.startswith(OURS)}
            if keys:
                marks[obj["metadata"]["name"]] = keys
        return marks

    def leases(self) -> dict[str, LeaseId]:
        """Give the leases' ids as they lie on the objects, by the objects' names."""
        found = [self.node()]
        for kind in LOWERED_KINDS:
            found += self.api.items(self.path(kind))
        noted = {
            one["metadata"]["name"]: one["metadata"].get("annotations", {}).get(LEASE)
            for one in found
        }
        return {name: LeaseId(lease) for name, lease in noted.items() if lease}

    def pretend_last_run(self, cron_job: str, ago: dt.timedelta) -> None:
        """Let a CronJob believe that it ran long ago, so that it has missed runs since."""
        last = f"{dt.datetime.now(dt.UTC) - ago:%Y-%m-%dT%H:%M:%SZ}"
        path = f"{self.path('cronjobs')}/{cron_job}/status"
        self.api.patch(path, {"status": {"lastScheduleTime": last}})

    def budget_version(self, name: str) -> str:
        """Give the version that a budget has now."""
        found = self.api.get(f"{self.path('poddisruptionbudgets')}/{name}")
        return str(found["metadata"]["resourceVersion"])

    def budget_history(self, name: str, since: str) -> list[dict[str, Any]]:
        """Give every status that a budget has had since a version, as the server remembers."""
        query = {
            "watch": "1",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": since,
            "timeoutSeconds": "1",
        }
        answer = self.api.client.get(self.path("poddisruptionbudgets"), params=query)
        return [json.loads(line)["object"]["status"] for line in answer.text.splitlines()]

    def pods_on(self, node: str) -> set[str]:
        """Give the pods of any namespace on a node that have not ended."""
        found = self.api.items(f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
        ended = {"Succeeded", "Failed"}
        return {
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            for pod in found
            if pod["status"]["phase"] not in ended
        }

    def wait_ready(self, **counts: int) -> None:
        """Wait until each app has exactly so many pods, all of them Ready."""
        wait_for(
            f"{counts} to be ready",
            lambda: self.ready_pods() == counts,
            READY_SECONDS,
            explain=lambda: f"{self.ready_pods()}",
        )

    def ready_pods(self) -> dict[str, int]:
        """Count the Ready pods of each app; one that is not Ready spoils the count of its app."""
        counts: dict[str, int] = {}
        for pod in self.api.items(self.path("pods")):
            app = pod["metadata"].get("labels", {}).get("app", "")
            ready = any(
                one["type"] == "Ready" and one["status"] == "True"
                for one in pod["status"].get("conditions", [])
            )
            good = ready and "deletionTimestamp" not in pod["metadata"]
            counts[app] = counts.get(app, 0) + (1 if good else 1000)
        return counts


@contextmanager
def weekend_of(
    api: Api, kubeconfig: Path, url: str, namespace: str, node: str, folder: Path
) -> Iterator[Weekend]:
    """Open a session whose policy's window has been open for an hour, for two more days."""
    clock = WeekendClock()
    session_settings = settings(kubeconfig, url, folder)
    now, hour = clock.read(), dt.timedelta(hours=1)
    down, up = (f"{at:%a %H:%M}".upper() for at in (now - hour, now + dt.timedelta(days=2)))
    (folder / "capacity.yaml").write_text(policy_text(namespace, down, up))
    policy = load_policy(session_settings, None, now, needed=True)
    with open_session(session_settings, policy, tools(clock)) as session:
        yield Weekend(session, clock, api, namespace, node)


def settings(kubeconfig: Path, url: str, folder: Path) -> Settings:
    return Settings.from_env({
        "NIGHTSHIFT_KUBECONFIG": str(kubeconfig),
        "NIGHTSHIFT_DATABASE_URL": url,
        "NIGHTSHIFT_CONFIG_DIR": str(folder),
    })


def tools(clock: WeekendClock) -> Tools:
    return Tools(_no_connection, clock.read, clock.sleep, "test", {})


def _no_connection(conn_id: str) -> Any:
    raise ConfigError(conn_id, "is no connection of the test")


@contextmanager
def pool_of(api: Api, node: str, name: str) -> Iterator[None]:
    """Label a node for the test, and leave it as it was, whatever happened meanwhile."""
    path = f"/api/v1/nodes/{node}"
    api.patch(path, {"metadata": {"labels": {POOL_LABEL: name}}})
    try:
        yield
    finally:
        marks = api.get(path)["metadata"].get("annotations", {})
        ours = {key: None for key in marks if key.startswith(OURS) or key == "faster"}
        metadata = {"labels": {POOL_LABEL: None}, "annotations": ours}
        api.patch(path, {"metadata": metadata, "spec": {"unschedulable": None}})


def end_services(api: Api, namespace: str) -> None:
    """End a test's pods and wait until they are gone, so that no other plan sees them."""
    for kind in ("deployments", "statefulsets", "cronjobs"):
        api.delete(path_of(kind, namespace) + "?propagationPolicy=Background")
    pods = path_of("pods", namespace)
    wait_for(f"{namespace} to be empty", lambda: not api.items(pods), READY_SECONDS)


@dataclass
class FasterHands:
    """Somebody whose write to an object comes between our read and our write, once each.

    Put in the place of ``patch_target``. What the server says then is kept.
    """

    api: Api
    faster: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Be faster once more, at every object."""
        self.faster.clear()
        self.refused.clear()

    def patch_target(self, client: Client, target: TargetId, patch: Patch) -> LiveTarget:
        if target.ref not in self.faster:
            self.faster.add(target.ref)
            note = {"metadata": {"annotations": {"faster": patch.resource_version}}}
            self.api.patch(TARGET_RESOURCES[target.kind].path(target), note)
        try:
            return patch_target(client, target, patch)
        except Conflict:
            self.refused.append(target.name)
            raise


def add_services(weekend: Weekend, names: tuple[str, ...] = ()) -> None:
    """Create the services; ``web`` and ``store`` prefer the node that is to rest.

    :param names: only these; all without any.
    """
    for kind, obj in services():
        if not names or obj["metadata"]["name"] in names:
            weekend.api.post(weekend.path(kind), obj)
