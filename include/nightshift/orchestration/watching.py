"""The task beside ``scan``: it looks after scan pods until they have ended, and holds no slot.

It runs in the triggerer: a loop in a worker would take one of few slots for the whole night, and a
sensor that is rescheduled would find no slot exactly when pods hold them all.
"""

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from nightshift.clock import monotonic_seconds, utc_now
from nightshift.errors import NightshiftError
from nightshift.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from nightshift.orchestration.steps.watching import Memory

ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
"""States of a task instance after which Airflow makes no more pods for it."""
SPELL_SECONDS = 1800
"""For so long the triggerer watches, then the task says that it is alive and hands over again."""
NO_TRIGGERER = dt.timedelta(seconds=SPELL_SECONDS + 300)
"""Without a word for so long the task fails: a night must not wait for a triggerer that is dead."""
MOST_SPELLS = 38
"""19 hours: a little less than the run itself may take."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The task whose pods are looked after."""

    dag_id: str
    run_id: str
    task_id: str


class WatchPlacement(BaseOperator):
    """Frees gated pods and plans again what is not bound, until every scan pod has ended.

    Its failure costs nothing but that: pods go where the scheduler sends them, and the janitor
    frees gates. So nothing that decides about the night depends on its state.

    :param batch: the night's batch; a template field.
    :param watched_task_id: whose pods it looks after, in the same run.
    """

    template_fields = ("batch",)

    def __init__(self, *, batch: Any, watched_task_id: str, **kwargs: Any) -> None:  # noqa: ANN401 - as BaseOperator
        super().__init__(**kwargs)
        self.batch = batch
        self.watched_task_id = watched_task_id

    def execute(self, context: "Context") -> None:
        """Hand over to the triggerer."""
        self._hand_over(context, 1)

    def complete(self, context: "Context", event: Mapping[str, Any], spell: int) -> None:
        """Say what the trigger did, and hand over again unless the scans have ended."""
        self.log.info("%s", event["summary"])
        if not event["ended"] and spell < MOST_SPELLS:
            self._hand_over(context, spell + 1)

    def _hand_over(self, context: "Context", spell: int) -> None:
        run_id = str(context["run_id"])
        trigger = PlacementTrigger(int(self.batch), self.dag_id, run_id, self.watched_task_id)
        self.defer(
            trigger=trigger,
            method_name="complete",
            kwargs={"spell": spell},
            timeout=NO_TRIGGERER,
        )


class PlacementTrigger(BaseTrigger):
    """Looks every few seconds; one that is started anew goes on from what is stored."""

    def __init__(self, batch: int, dag_id: str, run_id: str, task_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow gives it no types
        self._batch = batch
        self._watched = Watched(dag_id, run_id, task_id)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give what makes an equal trigger."""
        watched = self._watched
        arguments = {"batch": self._batch, "dag_id": watched.dag_id, "run_id": watched.run_id}
        where = f"{type(self).__module__}.{type(self).__qualname__}"
        return where, {**arguments, "task_id": watched.task_id}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until every pod's task has ended, or for one spell."""
        from nightshift.orchestration.steps.watching import Memory

        settings = Settings.from_env(os.environ)
        memory, totals = Memory(), dict.fromkeys(("looks", "freed", "replanned", "moved"), 0)
        start, ended = monotonic_seconds(), False
        while not ended and monotonic_seconds() - start < SPELL_SECONDS:
            await self._look(settings, memory, totals)
            ended = await asyncio.to_thread(has_ended, self._watched)
            if not ended:
                await asyncio.sleep(settings.watch_seconds)
        summary = ", ".join(f"{count} {what}" for what, count in totals.items())
        yield TriggerEvent({**totals, "summary": summary, "ended": ended})  # type: ignore[no-untyped-call]  # as above

    async def _look(self, settings: Settings, memory: "Memory", totals: dict[str, int]) -> None:
        from nightshift.orchestration.steps.watching import look

        try:
            seen = await asyncio.to_thread(look, settings, self._batch, memory, utc_now)
        except NightshiftError as error:
            self.log.warning("a look failed, the next one follows: %s", error)
            return
        for line in seen.lines:
            self.log.info("%s", line)
        totals["looks"] += 1
        for what in ("freed", "replanned", "moved"):
            totals[what] += getattr(seen, what)


def has_ended(watched: Watched) -> bool:
    """Ask Airflow whether all instances of the task have ended; one to be retried has not."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    asked: dict[str, Any] = {
        "dag_id": watched.dag_id,
        "task_ids": [watched.task_id],
        "run_ids": [watched.run_id],
    }
    every = RuntimeTaskInstance.get_ti_count(**asked)
    return every > 0 and every == RuntimeTaskInstance.get_ti_count(**asked, states=list(ENDED))
