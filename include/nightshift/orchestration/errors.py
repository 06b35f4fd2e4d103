"""Our errors in Airflow's terms: what a retry may mend is raised again, the rest fails at once."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from airflow.sdk.exceptions import AirflowFailException

from nightshift.errors import PermanentError

P = ParamSpec("P")
R = TypeVar("R")


def as_airflow_errors(task: Callable[P, R]) -> Callable[P, R]:
    """Wrap a task callable: PermanentError becomes AirflowFailException, which is never retried.

    Everything else passes: RetryableError because a retry may mend it, a bug because its
    traceback is what people need.
    """

    @functools.wraps(task)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return task(*args, **kwargs)
        except PermanentError as error:
            raise AirflowFailException(str(error)) from error

    return wrapped
