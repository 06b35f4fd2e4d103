"""Runs real KubernetesPodOperators in this process: ``operator_run.py KUBECONFIG CASES``.

CASES is JSON: name to (mode, shell command). A mode is ``sync``, ``deferrable`` (the trigger runs
inline, as a triggerer would run it) or ``xcom``. Prints a JSON line for each with what the operator
gave or raised.
"""

import asyncio
import datetime as dt
import json
import sys
from types import SimpleNamespace
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

IMAGE = "scanner:test"


def build_context(operator: Any) -> dict[str, Any]:
    """Make what the operator reads of a task instance."""
    now = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    dag_run = SimpleNamespace(
        run_id="run-1", logical_date=now, run_after=now, dag_id="d", conf={}, start_date=now
    )
    ti = SimpleNamespace(
        dag_id="d",
        task_id=operator.task_id,
        run_id="run-1",
        map_index=-1,
        try_number=1,
        dag_run=dag_run,
        task=operator,
        xcom_push=lambda *_, **__: None,
        xcom_pull=lambda *_, **__: None,
        get_template_context=lambda: {},
        is_mapped=False,
        start_date=now,
        id="00000000-0000-0000-0000-000000000001",
    )
    return {
        "ti": ti,
        "task_instance": ti,
        "run_id": "run-1",
        "dag_run": dag_run,
        "logical_date": now,
        "task": operator,
        "dag": operator.dag,
        "params": {},
    }


def run_deferrable(operator: Any, context: dict[str, Any]) -> Any:
    """Do what the triggerer does: run the trigger, then resume the operator with its event."""
    method = operator.execute
    kwargs: dict[str, Any] = {}
    while True:
        try:
            return method(context, **kwargs)
        except TaskDeferred as deferred:
            event = asyncio.run(first_event(deferred.trigger))
            method = getattr(operator, deferred.method_name)
            kwargs = {**(deferred.kwargs or {}), "event": event.payload}


async def first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event
    raise RuntimeError("the trigger gave no event")


def run_case(kubeconfig: str, name: str, mode: str, command: str) -> dict[str, Any]:
    operator: Any = KubernetesPodOperator(
        task_id=name,
        name=name,
        namespace="default",
        image=IMAGE,
        cmds=["sh", "-c", command],
        config_file=kubeconfig,
        kubernetes_conn_id=None,
        in_cluster=False,
        deferrable=mode == "deferrable",
        do_xcom_push=mode == "xcom",
        startup_check_interval_seconds=1,
        poll_interval=1,
        on_finish_action="delete_succeeded_pod",
        labels={"nightshift/shard": "s001"},
        dag=DAG("d", schedule=None),
    )
    context = build_context(operator)
    try:
        if mode == "deferrable":
            return {"value": run_deferrable(operator, context)}
        return {"value": operator.execute(context)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the test reads it
        return {"error": type(error).__name__, "message": str(error)}


def main(kubeconfig: str, cases: str) -> None:
    for name, (mode, command) in json.loads(cases).items():
        result = {"name": name, **run_case(kubeconfig, name, mode, command)}
        print("RESULT " + json.dumps(result, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
