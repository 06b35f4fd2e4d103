"""Runs a night's scan pods as KubernetesPodOperators: ``steered_run.py ITEMS MODE``.

ITEMS is a JSON file with mapped items, MODE is ``sync`` or ``deferrable``. Settings come from the
environment. Prints a JSON line for each item with what the operator gave or raised.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG

from nightshift.clock import utc_now
from nightshift.orchestration.callbacks import PodSteerer
from nightshift.orchestration.pods import Stage, pod_operator_kwargs
from nightshift.settings import Settings
from tests.embedded.operator_run import build_context, run_deferrable


def run_item(settings: Settings, item: dict[str, Any], number: int, mode: str) -> dict[str, Any]:
    kwargs = pod_operator_kwargs(Stage.SCAN, settings)
    for name in ("pool", "trigger_rule", "max_active_tis_per_dagrun"):
        kwargs.pop(name)
    own = {
        "deferrable": mode == "deferrable",
        "logging_interval": 60 if mode == "deferrable" else None,
        "config_file": settings.kubeconfig,
        "kubernetes_conn_id": None,
        "in_cluster": False,
        "schedule_timeout_seconds": 20,
        "startup_timeout_seconds": 20,
    }
    with DAG(f"night-{number}", schedule=None):
        operator: Any = KubernetesPodOperator(**{**kwargs, **own}, **item, callbacks=[PodSteerer])
    context = build_context(operator)
    context["ti"].map_index, context["ti"].max_tries = number, 2
    context["ti"].start_date = utc_now()  # the trigger counts execution_timeout from it
    operator.render_template_fields(context)
    try:
        if mode == "deferrable":
            run_deferrable(operator, context)
        else:
            operator.execute(context)
    except Exception as error:  # noqa: BLE001 - whatever it is, the test reads it
        return {"error": f"{type(error).__name__}: {error}"}
    return {"error": None}


def main(items: str, mode: str) -> None:
    settings = Settings.from_env(os.environ)
    for number, item in enumerate(json.loads(Path(items).read_text())):
        result = run_item(settings, item, number, mode)
        print("RESULT " + json.dumps({"shard": item["labels"]["nightshift/shard"], **result}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
