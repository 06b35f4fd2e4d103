"""The tasks of ``nightly_scan``: each connects what it needs, calls one part, says what it did.

Imports are inside the tasks: parsing a Dag file must not pay for the database driver, numpy or the
Kubernetes client, and every task process parses it again.
"""

import logging
import os
from typing import Any

from airflow.sdk import get_current_context, task

from nightshift.clock import utc_now
from nightshift.errors import PermanentError
from nightshift.orchestration.errors import as_airflow_errors
from nightshift.orchestration.pods import ingest_pod_kwargs
from nightshift.settings import Settings

log = logging.getLogger(__name__)


@task
@as_airflow_errors
def open_batch() -> int:
    """Ask remotes for their heads, skip what is unchanged, write the batch and its scans."""
    from nightshift.orchestration.steps.opening import open_night
    from nightshift.orchestration.steps.selection import Selection

    context = get_current_context()
    selection = Selection.from_params(dict(context["params"]))
    opened = open_night(_settings(), selection, str(context["run_id"]), utc_now)
    log.info("%s", opened)
    return opened.batch


@task
@as_airflow_errors
def prepare_workspace(batch: int) -> list[dict[str, Any]]:
    """Make each account's volume and plan its clone pods."""
    from nightshift.orchestration.steps.workspaces import prepare

    return prepare(_settings(), batch, utc_now)


@task(trigger_rule="all_done")
@as_airflow_errors
def rank_nodes(batch: int | None) -> list[dict[str, Any]]:
    """Group scans into shards, rank nodes, plan which node each shard prefers, store the plan.

    Runs even when a clone pod failed for good: the other accounts' scans go on.
    """
    from nightshift.orchestration.steps.ranking import PlacementWish, plan_scans

    wish = PlacementWish.from_params(dict(get_current_context()["params"]))
    return plan_scans(_settings(), _opened(batch), wish, utc_now)


def ingest_kwargs(scan: dict[str, Any]) -> dict[str, Any]:
    """Turn a scan shard's keyword arguments into those of the pod that ingests its results."""
    return ingest_pod_kwargs(scan)


@task(trigger_rule="all_done")
@as_airflow_errors
def report(batch: int | None) -> dict[str, Any]:
    """Settle what is still open, sum up, seal. Fails if a scan has no outcome.

    Runs whatever happened before it, and is the run's last word on whether the night went well:
    without it a failed planner would leave a green run behind.
    """
    from nightshift.orchestration.steps.reporting import report_night

    return report_night(_settings(), _opened(batch), utc_now)


@task
@as_airflow_errors
def clean_workspace(batch: int) -> int:
    """Delete volumes and work lists of accounts whose scans have all ended; empty the pool."""
    from nightshift.orchestration.steps.workspaces import clean

    return clean(_settings(), batch, utc_now)


def _opened(batch: int | None) -> int:
    """Give the batch; a task that runs whatever happened before it may have been handed none."""
    if batch is None:
        raise PermanentError("no batch was opened: read the log of open_batch, mend it, clear it")
    return batch


def _settings() -> Settings:
    return Settings.from_env(os.environ)
