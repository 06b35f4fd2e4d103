"""``nightshift capacity demo``: a weekend in a minute, on a local cluster, with a clock of its own.

Friday lowers, somebody changes things on Saturday, Monday brings everything back. It is the code of
the Dags and commands; only the clock is another, and pods pretend to run.
"""

import datetime as dt
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nightshift.cli.shell import Shell
from nightshift.cli.stack import DataOption

if TYPE_CHECKING:
    from nightshift.embedded.kube.background import BackgroundCluster
    from nightshift.store.capacity_records import RunKind
    from nightshift.weekend.journals import StoreJournal
    from nightshift.weekend.sessions import Session

FRIDAY = dt.datetime(2027, 5, 14, 18, 0, tzinfo=dt.UTC)
MONDAY = dt.datetime(2027, 5, 17, 3, 30, tzinfo=dt.UTC)
EXAMPLE = "demo-weekend"
_REAL_SECONDS = 0.2
"""What a second or a minute of the demo's clock takes."""


@dataclass(slots=True)
class FastClock:
    """A clock that sleeping moves at once; the cluster acts in real time meanwhile."""

    now: dt.datetime
    act: Callable[[], None]

    def read(self) -> dt.datetime:
        """Give the instant that everybody believes in."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move on, and let the cluster do its part."""
        self.now += dt.timedelta(seconds=seconds)
        self.act()
        time.sleep(min(seconds, _REAL_SECONDS))


def demo(context: typer.Context, data: DataOption = Path(".nightshift-weekend")) -> None:
    """Show a weekend in a minute: Friday, a person on Saturday, Monday, and what it saved.

    Starts a local cluster whose pods pretend to run and a PostgreSQL, and ends them again. Exits 0
    only if everything came back as it must.
    """
    shell: Shell = context.obj
    with _stage(data.absolute()) as stage:
        faults = stage.play(shell)
    for fault in faults:
        shell.print_text(f"unexpected: {fault}")
    shell.print_text("everything came back" if not faults else "")
    raise typer.Exit(1 if faults else 0)


@dataclass(frozen=True, slots=True)
class Stage:
    """A running cluster, a store and a session on both."""

    server: "BackgroundCluster"
    session: "Session"
    clock: FastClock
    folder: Path

    def play(self, shell: Shell) -> list[str]:
        """Play the weekend; gives what did not end as it must."""
        started = time.monotonic()
        self._friday(shell)
        self._saturday(shell)
        self._monday(shell)
        faults = self._judge()
        shell.print_text(f"\nthe demo took {time.monotonic() - started:.0f} s")
        return faults

    def _friday(self, shell: Shell) -> None:
        from nightshift.cli.capacity import print_diff, print_steps
        from nightshift.store.capacity_records import RunKind
        from nightshift.weekend.operations import Approval, lower, note_approval, publish

        self.clock.now = FRIDAY + dt.timedelta(minutes=5)
        _title(shell, self.clock, "Friday: what would rest")
        self._show(shell)
        journal = self._journal("friday", RunKind.DOWN)
        published = publish(self.session, journal)
        print_diff(shell, published.plan)
        shell.print_text(f"\na person must approve it: {'; '.join(published.approve)}")
        shell.print_text(f"alice approves the plan {published.plan.hash[:12]}")
        note_approval(journal, Approval(True, published.plan.hash, "alice"))
        print_steps(shell, lower(self.session, journal))
        self.clock.sleep(25 * 60)
        self._mend("friday-evening")
        _title(shell, self.clock, "Friday: what is left")
        self._show(shell)

    def _saturday(self, shell: Shell) -> None:
        self.clock.now = FRIDAY + dt.timedelta(hours=16)
        _title(shell, self.clock, "Saturday: on-call wakes a worker, and gives the store more")
        self._patch("apps", "deployments", "worker", {"replicas": 2})
        self._patch("apps", "statefulsets", "store", {"replicas": 5})
        for line in self._mend("saturday"):
            shell.print_text(line)

    def _monday(self, shell: Shell) -> None:
        from nightshift.cli.capacity_restore import print_outcomes
        from nightshift.domain.windows.spans import plan_windows
        from nightshift.store.capacity_records import RunKind
        from nightshift.weekend.operations import raise_all
        from nightshift.weekend.reports import plot_reports, report_lines, save_window_report

        self.clock.now = MONDAY - dt.timedelta(minutes=1)
        self._mend("monday-before")
        self.clock.now = MONDAY + dt.timedelta(minutes=1)
        _title(shell, self.clock, "Monday: everything comes back")
        restored = raise_all(
            self.session, self._journal("monday", RunKind.UP), patience=dt.timedelta(hours=1)
        )
        print_outcomes(shell, restored)
        self._mend("monday-morning")
        self._show(shell)
        _title(shell, self.clock, "What it saved")
        policy = self.session.the_policy()
        window = plan_windows(policy.schedule).last_before(self.clock.now)
        if window is not None:
            engine = self.session.the_engine()
            saved = save_window_report(engine, policy, window, self.clock.now)
            for line in report_lines([saved]):
                shell.print_text(line)
            plot = self.folder / "savings.svg"
            plot.write_text(plot_reports([saved]), "utf-8")
            shell.print_text(f"plot: {plot}")

    def _judge(self) -> list[str]:
        """Say what is not as it must be after such a weekend."""
        wanted = {
            ("apps", "deployments", "worker", "replicas"): 6,  # on-call's 2 was more than our 1
            ("apps", "statefulsets", "store", "replicas"): 5,  # what a person raised stays
            ("autoscaling", "horizontalpodautoscalers", "api", "minReplicas"): 3,
            ("autoscaling", "horizontalpodautoscalers", "api", "maxReplicas"): 8,
            ("batch", "cronjobs", "report", "suspend"): False,
        }
        faults = []
        for (group, plural, name, field), value in wanted.items():
            found = self._read(group, plural, name)["spec"].get(field)
            if found != value:
                faults.append(f"{plural}/{name} has {field} {found}, expected {value}")
        nodes = list(self.session.cluster.iterate("/api/v1/nodes"))
        faults += [
            f"the node {one['metadata']['name']} is still cordoned"
            for one in nodes
            if one["spec"].get("unschedulable")
        ]
        if len(nodes) != len(_NODES) + 4:
            faults.append(f"there are {len(nodes)} nodes, expected {len(_NODES) + 4}")
        return faults

    def _show(self, shell: Shell) -> None:
        """Show services and nodes as they are."""
        rows = []
        for group, plural, kind in (
            ("apps", "deployments", "Deployment"),
            ("apps", "statefulsets", "StatefulSet"),
        ):
            path = f"/apis/{group}/v1/{plural}"
            for obj in self.session.cluster.iterate(path):
                status = obj.get("status") or {}
                ready = f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas')}"
                rows.append((f"{kind}/{obj['metadata']['name']}", ready))
        nodes = sorted(
            n["metadata"]["name"] + (" (cordoned)" if n["spec"].get("unschedulable") else "")
            for n in self.session.cluster.iterate("/api/v1/nodes")
        )
        shell.print_table(("service", "ready"), rows)
        shell.print_text(f"{len(nodes)} nodes: {', '.join(nodes)}\n")

    def _mend(self, name: str) -> list[str]:
        from nightshift.store.capacity_records import RunKind
        from nightshift.weekend.operations import mend

        journal = self._journal(name, RunKind.RECONCILE)
        mended = mend(self.session, journal, dt.timedelta(minutes=5))
        return [*mended.lines, *mended.faults]

    def _journal(self, run: str, kind: "RunKind") -> "StoreJournal":
        return self.session.journal(self.session.record(run, kind))

    def _path(self, group: str, plural: str, name: str) -> str:
        from nightshift.embedded.sample_weekend import NAMESPACE

        version = {"autoscaling": "v2"}.get(group, "v1")
        return f"/apis/{group}/{version}/namespaces/{NAMESPACE}/{plural}/{name}"

    def _patch(self, group: str, plural: str, name: str, spec: dict[str, Any]) -> None:
        self.session.cluster.patch(self._path(group, plural, name), {"spec": spec}, manager="alice")

    def _read(self, group: str, plural: str, name: str) -> dict[str, Any]:
        return self.session.cluster.get(self._path(group, plural, name))


_NODES = ("core",)


@contextmanager
def _stage(folder: Path) -> Iterator[Stage]:
    """Start the cluster and the store, fill both, and end everything behind it."""
    from nightshift.embedded.kube.background import cluster_in_background
    from nightshift.embedded.kube.cluster import ClusterOptions
    from nightshift.embedded.kube.kubelet import KubeletOptions
    from nightshift.embedded.kube.nodespecs import NodeSpec
    from nightshift.embedded.machines import run_machines
    from nightshift.embedded.postgres import EmbeddedPostgres
    from nightshift.store.schema import migrate
    from nightshift.weekend.sessions import Tools, open_session

    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, mode=0o700)
    node = NodeSpec("any", "4", "8Gi")
    options = ClusterOptions(
        folder / "cluster",
        tuple(NodeSpec(name, "2", "4Gi", labels={"pool": "core"}) for name in _NODES),
        kubelet=KubeletOptions(folder / "kubelet", pretend_seconds=3600),
    )
    with ExitStack() as stack:
        postgres = EmbeddedPostgres(folder / "postgres", durable=False)
        postgres.start()
        stack.callback(postgres.stop)
        server = stack.enter_context(cluster_in_background(options))
        clock = FastClock(FRIDAY, lambda: server.call(lambda local: run_machines(local, node)))
        url = postgres.create_database("weekend")
        migrate(url)
        settings, policy = _settings(server.kubeconfig, url)
        tools = Tools(_no_connection, clock.read, clock.sleep, "demo", {})
        session = stack.enter_context(open_session(settings, policy, tools))
        _fill(session, clock)
        yield Stage(server, session, clock, folder)


def _settings(kubeconfig: Path, url: str) -> tuple[Any, Any]:
    from nightshift.settings import CONFIG_DIR, Settings
    from nightshift.weekend.policies import load_policy

    folder = CONFIG_DIR / "examples" / EXAMPLE
    settings = Settings.from_env({
        "NIGHTSHIFT_KUBECONFIG": str(kubeconfig),
        "NIGHTSHIFT_DATABASE_URL": url,
        "NIGHTSHIFT_CONFIG_DIR": str(folder),
    })
    return settings, load_policy(settings, None, FRIDAY, needed=True)


def _no_connection(conn_id: str) -> Any:  # noqa: ANN401 - never returns
    from nightshift.errors import ConfigError

    raise ConfigError(conn_id, "is no connection of the demo")


def _fill(session: "Session", clock: FastClock) -> None:
    """Create the services and the nodes, and wait until they are ready."""
    from nightshift.embedded.machines import definitions, machine_deployment
    from nightshift.embedded.sample_weekend import sample_objects

    cluster = session.cluster
    for definition in definitions():
        cluster.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    for path, obj in sample_objects():
        cluster.create(path, obj)
        if path == "/api/v1/namespaces" and obj["metadata"]["name"] == "nightshift":
            machines = "/apis/cluster.x-k8s.io/v1beta2/namespaces/nightshift/machinedeployments"
            cluster.create(machines, machine_deployment("general", "nightshift", 4))
            clock.act()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        clock.act()
        pods = list(cluster.iterate("/api/v1/pods"))
        ready = [one for one in pods if (one.get("status") or {}).get("phase") == "Running"]
        if len(pods) >= 13 and len(ready) == len(pods):
            return
        time.sleep(_REAL_SECONDS)


def _title(shell: Shell, clock: FastClock, text: str) -> None:
    shell.print_text(f"\n== {clock.now:%a %H:%M} UTC == {text}\n")
