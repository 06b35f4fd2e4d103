"""The weekend's tasks tell what they have to; a failed task by Airflow's callback."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nightshift.orchestration import weekend as tasks
from nightshift.orchestration.steps.weekend import Asked, publish_plan, report_down
from nightshift.orchestration.steps.weekend_reports import save_last_report
from nightshift.settings import Settings
from nightshift.weekend.connections import connections_from
from nightshift.weekend.sessions import Tools
from tests.capacity.capacity_support import MONDAY
from tests.capacity.test_notices import LINKS, Receiver, receiver
from tests.capacity.weekend_support import World

__all__ = ["receiver"]
POLICY = """\
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {name: weekend, owner: team, cluster: test}
spec:
  mode: enforce
  schedule:
    timezone: Europe/Berlin
    windows: [{name: weekend, down: "FRI 20:00", up: "MON 05:30"}]
  approval: {down: {requiredIf: always, timeout: 45m}}
  tiers:
    - name: workers
      targets: [{kind: Deployment, ns: app, name: worker, replicas: 1}]
  notify: [{conn_id: chat, on: [plan, approval, blocked, failed, savings]}]
"""


@pytest.fixture
def environ(world: World, migrated_url: str, tmp_path: Path, receiver: Receiver) -> dict[str, str]:
    (tmp_path / "capacity.yaml").write_text(POLICY)
    return {
        "NIGHTSHIFT_KUBECONFIG": str(world.server.kubeconfig),
        "NIGHTSHIFT_CONFIG_DIR": str(tmp_path),
        "NIGHTSHIFT_DATABASE_URL": migrated_url,
        **receiver.environ(),
    }


@pytest.fixture
def tools(world: World, environ: dict[str, str]) -> Tools:
    return Tools(connections_from(environ), world.hand.clock, world.hand.sleep, "friday", {})


def test_a_friday_and_a_monday_are_told(
    environ: dict[str, str], tools: Tools, receiver: Receiver, world: World
) -> None:
    settings = Settings.from_env(environ)
    published = publish_plan(settings, tools, "down/1", Asked(), LINKS)
    assert (published["timeout_seconds"], published["not_told"]) == (45 * 60, [])
    publish_plan(settings, tools, "down/2", Asked(), LINKS)
    assert [body.rpartition("\n")[2] for _, body in receiver.told()] == [LINKS.run, LINKS.form]
    assert report_down(settings, tools, "down/1", LINKS)["not_told"] == []
    world.hand.now = MONDAY
    for _ in range(2):
        lines = save_last_report(settings, tools, "up/1")
    assert [title for title, _ in receiver.told()][2:] == [
        "Weekend of weekend: what the window of 2027-05-14 saved"
    ]
    assert not any("not told" in line for line in lines)


def test_a_dry_run_asks_nobody(environ: dict[str, str], tools: Tools, receiver: Receiver) -> None:
    publish_plan(Settings.from_env(environ), tools, "down/1", Asked(dry_run=True), LINKS)
    assert len(receiver.told()) == 1


def test_a_receiver_that_refuses_is_in_the_reports(
    environ: dict[str, str], tools: Tools, receiver: Receiver
) -> None:
    settings = Settings.from_env(environ)
    receiver.status = 500
    published = publish_plan(settings, tools, "down/1", Asked(), LINKS)
    assert len(published["not_told"]) == 2
    assert report_down(settings, tools, "down/1", LINKS)["not_told"] == published["not_told"]


def context(reason: BaseException) -> Any:
    return {
        "dag": SimpleNamespace(dag_id="weekend_scale_up"),
        "run_id": "scheduled__2027",
        "task_instance": SimpleNamespace(task_id="raise_tiers"),
        "exception": reason,
    }


@pytest.fixture
def in_airflow(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a task; connections come from it, as Airflow's own do."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tasks, "_connection", connections_from(environ))


@pytest.mark.usefixtures("in_airflow")
def test_a_task_that_fails_is_told_once(receiver: Receiver) -> None:
    for _ in range(2):
        tasks.tell_failure(context(RuntimeError("2 targets are stuck")))
    ((title, body),) = receiver.told()
    assert title == "Weekend of weekend: weekend_scale_up.raise_tiers failed"
    assert "2 targets are stuck" in body


@pytest.mark.usefixtures("in_airflow")
def test_a_failure_is_told_although_the_store_is_down(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTSHIFT_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    tasks.tell_failure(context(RuntimeError("the store is down")))
    assert len(receiver.told()) == 1


@pytest.mark.usefixtures("in_airflow")
def test_nothing_that_goes_wrong_in_telling_leaves_the_callback(
    environ: dict[str, str], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    (Path(environ["NIGHTSHIFT_CONFIG_DIR"]) / "capacity.yaml").write_text(json.dumps({"a": 1}))
    tasks.tell_failure(context(RuntimeError("no")))
    assert "nobody was told of the failure" in caplog.text
    assert receiver.told() == []
