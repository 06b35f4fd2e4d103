"""The task of ``workspace_janitor``."""

import logging
import os

from airflow.sdk import task

from nightshift.clock import utc_now
from nightshift.orchestration.errors import as_airflow_errors
from nightshift.settings import Settings

log = logging.getLogger(__name__)


@task
@as_airflow_errors
def remove_leftovers() -> int:
    """Remove volumes, work lists and pods that no open batch needs; count them."""
    from nightshift.orchestration.steps.connections import connected
    from nightshift.orchestration.steps.leftovers import apply_cleaning, plan_cleaning

    with connected(Settings.from_env(os.environ)) as night:
        plan = plan_cleaning(night, utc_now())
        for removal in plan:
            log.info("%s", removal)
        return apply_cleaning(night, plan, utc_now())
