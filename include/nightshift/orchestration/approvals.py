"""The form in which a person approves a weekend; it waits as long as the policy says.

Only Dag files that show the form import this: it loads Airflow's operator.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanApproval(ApprovalOperator):
    """Airflow's form, with the timeout of the policy that the plan was made from.

    Airflow fixes ``response_timeout`` when the Dag file is parsed, which must not read the policy;
    it is looked at only when the task begins to wait, so it is set just before.

    :param published_by: the task whose result has ``timeout_seconds``.
    """

    def __init__(self, *, published_by: str, **kwargs: Any) -> None:  # noqa: ANN401 - Airflow's
        super().__init__(**kwargs)
        self.published_by = published_by

    def execute(self, context: "Context") -> Any:  # noqa: ANN401 - as its base
        """Wait for an answer, and no longer than the policy says."""
        published = context["ti"].xcom_pull(task_ids=self.published_by)
        self.response_timeout = timedelta(seconds=float(published["timeout_seconds"]))
        return super().execute(context)
