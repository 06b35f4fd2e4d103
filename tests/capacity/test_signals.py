"""From Prometheus' numbers to a freeze: the guard's step against a server of its query API."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from nightshift.cluster.freezes import list_freezes
from nightshift.orchestration.steps.weekend_guard import guard_step
from nightshift.settings import Settings
from nightshift.weekend.connections import connections_from
from nightshift.weekend.sessions import Tools
from tests.capacity.capacity_support import NS
from tests.capacity.weekend_support import World

POLICY = """\
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {name: weekend, owner: team, cluster: test}
spec:
  mode: enforce
  schedule: {timezone: UTC, windows: [{name: weekend, down: "FRI 20:00", up: "MON 05:30"}]}
  tiers:
    - name: api
      targets: [{kind: HorizontalPodAutoscaler, ns: app, name: api, min: 1, max: 6}]
  prometheus: prom
  guard:
    signals:
      requests: requests
      usefulWork: work
      refusals: refusals
      serverErrors: errors
      cpu: cpu
      clients: clients
      queue: queue
"""
NORMAL = dict.fromkeys(("requests", "work", "refusals", "errors", "cpu", "clients", "queue"), 1.0)
WEEK = dt.timedelta(weeks=1)
QUARTER = dt.timedelta(minutes=15)


@dataclass
class Metrics:
    """A server that speaks Prometheus' query API: every number was 10 in each earlier week.

    :param now: by query, as a multiple of the usual; None is no series.
    :param weeks: how many earlier weeks it knows.
    """

    world: World
    port: int = 0
    now: dict[str, Any] = field(default_factory=lambda: dict(NORMAL))
    weeks: int = 4
    asked: list[tuple[str, int]] = field(default_factory=list)
    status: int = 200

    def answer(self, query: str, at: float) -> dict[str, Any]:
        back = self.world.hand.now - dt.datetime.fromtimestamp(at, dt.UTC)
        weeks, rest = divmod(back, WEEK)
        assert rest == dt.timedelta(0), "the same slot to the second"
        self.asked.append((query, weeks))
        number = self.now[query]
        if number is None or weeks > self.weeks:
            rows: list[Any] = []
        else:
            values = number if isinstance(number, list) else [number]
            rows = [{"metric": {}, "value": [at, str(10 * (one if weeks == 0 else 1))]}
                    for one in values]  # fmt: skip
        return {"status": "success", "data": {"resultType": "vector", "result": rows}}


@pytest.fixture
def metrics(world: World) -> Iterator[Metrics]:
    made = Metrics(world)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            body = json.dumps(made.answer(asked["query"][0], float(asked["time"][0])))
            self.send_response(made.status)
            self.end_headers()
            self.wfile.write(body.encode() if made.status == 200 else b"<html>no</html>")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Guarded:
    """The guard's step, each call a quarter of an hour after the last."""

    world: World
    settings: Settings
    port: int
    looks: int = 0

    def looks_once(self) -> list[str]:
        self.looks += 1
        self.world.hand.now += QUARTER
        environ = {"AIRFLOW_CONN_PROM": f"http://127.0.0.1:{self.port}"}
        hand = self.world.hand
        tools = Tools(connections_from(environ), hand.clock, hand.sleep, "guard", {})
        return guard_step(self.settings, tools, f"capacity_reconcile/{self.looks}")

    def is_frozen(self) -> bool:
        path = f"/apis/autoscaling/v2/namespaces/{NS}/horizontalpodautoscalers/api"
        spec = self.world.cluster.get(path)["spec"]
        policy = ((spec.get("behavior") or {}).get("scaleUp") or {}).get("selectPolicy")
        assert (policy == "Disabled") == bool(list_freezes(self.world.cluster))
        return bool(policy == "Disabled")

    def want(self, replicas: int, ready: int) -> None:
        """Play the autoscaler, and a cluster that has no room for the pods."""

        def short(obj: Any) -> None:
            obj["spec"]["replicas"] = replicas
            obj["status"] = {"replicas": replicas, "readyReplicas": ready}

        server = self.world.server
        server.call(lambda local: local.store.mutate("deployments.apps", "api", NS, short))


@pytest.fixture
def guarded(world: World, metrics: Metrics, migrated_url: str, tmp_path: Path) -> Guarded:
    (tmp_path / "capacity.yaml").write_text(POLICY)
    settings = Settings.from_env({
        "NIGHTSHIFT_KUBECONFIG": str(world.server.kubeconfig),
        "NIGHTSHIFT_CONFIG_DIR": str(tmp_path),
        "NIGHTSHIFT_DATABASE_URL": migrated_url,
    })
    return Guarded(world, settings, metrics.port)


def test_a_normal_day_is_not_worth_a_word(guarded: Guarded, metrics: Metrics) -> None:
    assert guarded.looks_once() == []
    assert sorted(metrics.asked) == sorted((name, back) for name in NORMAL for back in range(5))


def test_real_load_may_scale_up(guarded: Guarded, metrics: Metrics) -> None:
    metrics.now |= {"requests": 6.0, "queue": 4.0}
    assert guarded.looks_once() == ["level L0, real load"]
    assert not guarded.is_frozen()


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ({"requests": 8.0, "work": 0.1, "refusals": 30.0, "cpu": 0.3}, "attack"),
        (
            {"requests": 4.0, "work": 0.2, "errors": 12.0, "cpu": 3.0, "clients": 0.1, "queue": 5},
            "bug or retry storm",
        ),
    ],
    ids=["attack", "retry storm"],
)
def test_requests_without_work_freeze_and_two_clean_windows_thaw(
    guarded: Guarded, metrics: Metrics, numbers: dict[str, float], kind: str
) -> None:
    metrics.now |= numbers
    said, done = guarded.looks_once()
    requests, work = numbers["requests"], numbers["work"]
    reason = f"{requests:.1f} times the usual requests with {work:.2f} of the usual work each"
    assert said == f"level L2, {kind}: {reason}"
    assert "HorizontalPodAutoscaler/app/api is frozen" in done
    assert reason in done
    assert guarded.is_frozen()
    metrics.now = dict(NORMAL)
    guarded.world.hand.now -= QUARTER - dt.timedelta(minutes=5)
    assert guarded.looks_once() == []
    assert guarded.is_frozen(), "one clean window is not enough"
    guarded.world.hand.now -= QUARTER - dt.timedelta(minutes=5)
    (thawed,) = guarded.looks_once()
    assert "may scale up again: 2 windows were clean" in thawed
    assert not guarded.is_frozen()


def test_requests_alone_are_only_watched(guarded: Guarded, metrics: Metrics) -> None:
    metrics.now |= {"requests": 4.0, "work": 0.6}
    assert guarded.looks_once() == ["level L1, unclear: 4.0 times the usual requests"]
    assert not guarded.is_frozen()


def test_pods_that_stay_wanted_are_a_fault_of_capacity_at_the_third_look(guarded: Guarded) -> None:
    guarded.want(9, ready=8)
    assert guarded.looks_once() == []
    assert guarded.looks_once() == []
    said, _ = guarded.looks_once()
    assert said == (
        "level L2, capacity fault: more pods are desired than run, 3 times in a row"
    )  # fmt: skip
    assert guarded.is_frozen()


def test_a_gap_that_closes_or_was_not_looked_at_is_counted_anew(guarded: Guarded) -> None:
    guarded.want(9, ready=8)
    guarded.looks_once()
    guarded.looks_once()
    guarded.want(9, ready=9)
    guarded.looks_once()
    guarded.want(9, ready=8)
    guarded.looks_once()
    guarded.looks_once()
    assert not guarded.is_frozen()
    guarded.world.hand.now += dt.timedelta(hours=2)
    guarded.looks_once()
    assert not guarded.is_frozen(), "two looks hours apart are not in a row"


def test_a_look_that_is_tried_again_counts_once(guarded: Guarded) -> None:
    guarded.want(9, ready=8)
    for _ in range(4):
        guarded.looks_once()
        guarded.looks = 0
    assert not guarded.is_frozen()


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (None, "the query gives 0 series, not one"),
        ([1.0, 2.0], "the query gives 2 series, not one"),
        (float("inf"), "inf is no number from 0 to 1e+15"),
        (-3.0, "-30 is no number from 0 to 1e+15"),
    ],
    ids=["none", "two", "infinite", "negative"],
)
def test_what_is_not_known_counts_as_normal_and_is_said(
    guarded: Guarded, metrics: Metrics, number: Any, why: str
) -> None:
    metrics.now |= {"requests": 8.0, "work": number}
    unknown, level = guarded.looks_once()
    assert unknown == f"guard.signals.usefulWork is not known and counts as normal: {why}"
    assert level == "level L0, real load"
    assert not guarded.is_frozen()


def test_one_earlier_week_is_too_few_to_compare_with(guarded: Guarded, metrics: Metrics) -> None:
    metrics.weeks = 1
    metrics.now |= {"requests": 99.0, "work": 0.0}
    lines = guarded.looks_once()
    assert len(lines) == len(NORMAL)
    assert all("1 of 4 earlier weeks have a number" in line for line in lines)


def test_a_prometheus_that_is_down_freezes_nothing_and_is_asked_once(
    guarded: Guarded, metrics: Metrics
) -> None:
    metrics.status = 500
    metrics.now |= {"requests": 99.0, "work": 0.0}
    lines = guarded.looks_once()
    assert len(lines) == len(NORMAL)
    assert all("is not known and counts as normal: Prometheus at" in line for line in lines)
    assert len(metrics.asked) == 1
    assert not guarded.is_frozen()
