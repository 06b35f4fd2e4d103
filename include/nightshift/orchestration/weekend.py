"""The tasks of the weekend's Dags: each calls one part of ``steps.weekend``.

Imports are inside the tasks: parsing a Dag file must not pay for the database driver or the
Kubernetes client.
"""

import logging
import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Param, get_current_context, task
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowSkipException

from nightshift.clock import utc_now
from nightshift.orchestration.errors import as_airflow_errors
from nightshift.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nightshift.weekend.connections import ConnectionFacts
    from nightshift.weekend.sessions import Tools
    from nightshift.weekend.telling import Links

log = logging.getLogger(__name__)

REJECT = "Reject"
PATIENCE = timedelta(hours=4)
"""How long one task may take; drains have their own deadlines, far below it."""


def weekend_params() -> dict[str, Param]:
    """Build the form of ``weekend_scale_down``; the defaults are the scheduled run."""
    refs = {"type": "string", "maxLength": 300, "pattern": "^[A-Za-z]+/[^/]+(/[^/]+)?$"}
    return {
        "dry_run": Param(
            False,
            type="boolean",
            title="Only plan",
            description="Publish the plan and change nothing.",
        ),
        "targets": Param(
            [],
            type="array",
            items=refs,
            title="Targets",
            description="Only these, as Kind/namespace/name, one a line. Empty: all of the policy.",
        ),
        "hold": Param(
            [],
            type="array",
            items=refs,
            title="Hold",
            description="Leave these as they are until the window ends.",
        ),
    }


def approval_kwargs() -> dict[str, Any]:
    """Build what ``PlanApproval`` takes.

    Nobody in the policy's time means Reject. That it succeeded proves nothing: who lowers
    reads the answer and the plan's hash again. It waits in no pool, so that others may take their
    turns meanwhile.
    """
    return {
        "task_id": "approve",
        "subject": "Lower the cluster for the weekend? Plan "
        "{{ ti.xcom_pull(task_ids='publish_diff')['hash'][:12] }}",
        "body": "{{ ti.xcom_pull(task_ids='publish_diff')['approve'] | join('; ') }}\n\n"
        "```\n{{ ti.xcom_pull(task_ids='publish_diff')['diff'] }}\n```",
        "defaults": REJECT,
        "published_by": "publish_diff",
    }


@task(execution_timeout=timedelta(minutes=10))
@as_airflow_errors
def calendar_gate() -> str:
    """Ask the policy's calendar; a run outside of a window is skipped. Gives the run's name."""
    from nightshift.orchestration.steps.weekend import why_not_down

    why = why_not_down(_settings(), _tools())
    if why:
        raise AirflowSkipException(why)
    return _run()


@task(execution_timeout=timedelta(minutes=20))
@as_airflow_errors
def publish_diff(run: str) -> dict[str, Any]:
    """Plan, write the plan down, show it. A plan that may not be applied ends the run here."""
    from nightshift.orchestration.steps.weekend import Asked, publish_plan

    asked = Asked.from_params(dict(get_current_context()["params"]))
    published = publish_plan(_settings(), _tools(), run, asked, _links())
    if published["blocked"] or not published["actions"]:
        why = "; ".join(published["blocked"]) or "there is nothing to lower"
        raise AirflowSkipException(why)
    return published


@task.branch(execution_timeout=timedelta(minutes=5))
def risk_branch(published: dict[str, Any]) -> str:
    """Ask a person where the policy wants one."""
    log.info("%s", published["approve"] or "nobody has to approve it")
    return "approve" if published["approve"] else "lower_workloads"


@task(trigger_rule="none_failed_min_one_success", execution_timeout=PATIENCE)
@as_airflow_errors
def lower_workloads(published: dict[str, Any]) -> list[int]:
    """Lower the tiers in order, behind their barriers; gives the nodes that may be put to rest.

    Reads the approval and the plan's hash again before it changes anything.
    """
    from nightshift.orchestration.steps.weekend import lower_workloads as lower
    from nightshift.orchestration.steps.weekend import save_answer

    context = get_current_context()
    if published["approve"]:
        answer = context["ti"].xcom_pull(task_ids="approve") or {}
        save_answer(_settings(), _tools(), _run(), published["hash"], dict(answer))
    skip_nodes = lower(_settings(), _tools(), _run())
    if skip_nodes:
        log.warning("no node is put to rest: %s", skip_nodes)
    return [] if skip_nodes else list(published["nodes"])


@task(execution_timeout=PATIENCE)
@as_airflow_errors
def pool_bounds(nodes: list[int]) -> list[int]:
    """Lower the bounds of node pools, so that nobody fills them again."""
    from nightshift.orchestration.steps.weekend import lower_pools

    lower_pools(_settings(), _tools(), _run())
    return nodes


@task(max_active_tis_per_dagrun=1, execution_timeout=PATIENCE)
@as_airflow_errors
def drain_nodes(order: int) -> str:
    """Cordon, drain and remove one node; one that cannot be emptied stays and is reported."""
    from nightshift.orchestration.steps.weekend import drain

    became = drain(_settings(), _tools(), _run(), order)
    log.info("%s", became)
    return became


@task(trigger_rule="none_failed", execution_timeout=PATIENCE)
@as_airflow_errors
def finish_pools(nodes: list[int]) -> None:
    """Let the pools' maximums follow their nodes down; nothing if nothing was lowered."""
    from nightshift.orchestration.steps.weekend import finish_pools as finish

    if nodes is None:
        raise AirflowSkipException("nothing was lowered")
    finish(_settings(), _tools(), _run())


@task(trigger_rule="one_failed", execution_timeout=PATIENCE)
@as_airflow_errors
def compensate() -> str:
    """Undo in reverse what this run has done: nodes, then bounds, then workloads."""
    from nightshift.orchestration.steps.weekend import compensate_run

    undone = compensate_run(_settings(), _tools(), _run())
    log.warning("%s", undone)
    return undone


@task(trigger_rule="all_done", execution_timeout=timedelta(minutes=20))
@as_airflow_errors
def report_down(published: dict[str, Any] | None) -> dict[str, Any]:
    """Say what became of every step; the run's last word, red if it had to be undone."""
    from nightshift.orchestration.steps.weekend import note_rejection
    from nightshift.orchestration.steps.weekend import report_down as report

    if published is None:
        raise AirflowSkipException("nothing was planned")
    answer = get_current_context()["ti"].xcom_pull(task_ids="approve")
    if published["approve"] and not answer:  # after a no the operator skips on and leaves nothing
        note_rejection(_settings(), _tools(), _run(), published["hash"])
    return report(_settings(), _tools(), _run(), _links())


@task(execution_timeout=timedelta(minutes=10))
@as_airflow_errors
def open_leases() -> str:
    """Ask whether something is to be brought back; else the run is skipped."""
    from nightshift.orchestration.steps.weekend import why_not_up

    why = why_not_up(_settings(), _tools())
    if why:
        raise AirflowSkipException(why)
    return _run()


@task(execution_timeout=PATIENCE, retries=5, retry_delay=timedelta(minutes=2))
def raise_tiers(run: str) -> str:
    """Bring everything back: nodes, then the tiers from below, minimums in waves.

    Every failure is tried again: on a Monday nothing is final.
    """
    from nightshift.orchestration.steps.weekend import raise_step

    return raise_step(_settings(), _tools(), run)


@task(execution_timeout=PATIENCE, retries=1)
@as_airflow_errors
def verify_up(raised: str) -> None:
    """Ask the tiers' measures once all is back; what fails is told, and lowers nothing."""
    from nightshift.orchestration.steps.weekend import verify_step

    verify_step(_settings(), _tools(), _run())


@task(execution_timeout=timedelta(minutes=20))
@as_airflow_errors
def report_savings(raised: str) -> list[str]:
    """Keep what the window saved, and show it beside the earlier ones."""
    from nightshift.orchestration.steps.weekend_reports import save_last_report

    log.info("restored: %s", raised)
    lines = save_last_report(_settings(), _tools(), _run())
    for line in lines:
        log.info("%s", line)
    return lines


@task(execution_timeout=timedelta(minutes=14))
@as_airflow_errors
def reconcile() -> list[str]:
    """Mend what crashes, a lost store or people left behind; bring back what is due."""
    from nightshift.orchestration.steps.weekend import reconcile_step

    return reconcile_step(_settings(), _tools(), _run())


@task(trigger_rule="all_done", execution_timeout=timedelta(minutes=5))
@as_airflow_errors
def guard() -> list[str]:
    """Audit autoscalers against the policy and the connection budget; freeze a runaway."""
    from nightshift.orchestration.steps.weekend_guard import guard_step

    return guard_step(_settings(), _tools(), _run())


def tell_failure(context: "Context") -> None:
    """Tell whom the policy names that a task has failed for good; Airflow's failure callback.

    What goes wrong here is logged: the task has failed already, and nothing else may.
    """
    from nightshift.orchestration.steps.weekend_reports import tell_of_failure

    try:
        run, task_id = _name_of(context), context["task_instance"].task_id
        task = f"{context['dag'].dag_id}.{task_id}"
        reason = str(context.get("exception") or "Airflow ended it")
        tools = _tools_of(run)
        tell_of_failure(_settings(), tools, run, task, reason, _links_of(context).run)
    except Exception:
        log.exception("nobody was told of the failure")


def _settings() -> Settings:
    return Settings.from_env(os.environ)


def _run() -> str:
    return _name_of(get_current_context())


def _name_of(context: "Context") -> str:
    return f"{context['dag'].dag_id}/{context['run_id']}"


def _links() -> "Links":
    return _links_of(get_current_context())


def _links_of(context: "Context") -> "Links":
    """Say where Airflow shows a run, and the form of its approval."""
    from nightshift.weekend.telling import Links

    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    if not base:
        return Links()
    run = f"{base}/dags/{context['dag'].dag_id}/runs/{quote(str(context['run_id']), safe='')}"
    return Links(run, f"{run}/tasks/approve/required_actions")


def _tools() -> "Tools":
    return _tools_of(_run())


def _tools_of(run: str) -> "Tools":
    from nightshift.weekend.sessions import Tools

    return Tools(_connection, utc_now, time.sleep, run, os.environ)


def _connection(conn_id: str) -> "ConnectionFacts":
    """Read one of Airflow's connections."""
    from airflow.sdk import Connection

    from nightshift.weekend.connections import ConnectionFacts

    found = Connection.get(conn_id)
    return ConnectionFacts(
        type=found.conn_type or "",
        host=found.host or "",
        port=found.port,
        login=found.login or "",
        password=found.password or "",
        schema=found.schema or "",
        extra=found.extra_dejson or {},
    )
