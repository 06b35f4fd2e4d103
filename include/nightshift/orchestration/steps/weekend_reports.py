"""Keep what the last window saved, and tell of it; tell of tasks that failed."""

import logging

from nightshift.domain.capacity.messages import failed_message, savings_message
from nightshift.domain.windows.spans import plan_windows
from nightshift.errors import NightshiftError
from nightshift.orchestration.steps.weekend import opened, weekend
from nightshift.settings import Settings
from nightshift.store.capacity_runs import find_run, list_reports
from nightshift.store.engines import transaction
from nightshift.weekend.reports import report_lines, save_window_report
from nightshift.weekend.sessions import Tools

log = logging.getLogger(__name__)


def save_last_report(settings: Settings, tools: Tools, run: str) -> list[str]:
    """Measure the window that has ended last, keep it, tell of it, and give the table of all."""
    with opened(settings, tools) as session:
        policy, now = session.the_policy(), tools.clock()
        ended = plan_windows(policy.schedule).last_before(now)
        with transaction(session.the_engine()) as connection:
            row = find_run(connection, run)
        notices = session.notices(row.id if row else None)
        if ended is not None:
            report = save_window_report(session.the_engine(), policy, ended, now)
            notices.tell(savings_message(policy.name, report, report_lines([report])))
        with transaction(session.the_engine()) as connection:
            lines = report_lines(list_reports(connection, policy.name))
        return lines + notices.not_told()


def tell_of_failure(
    settings: Settings, tools: Tools, run: str, task: str, reason: str, link: str
) -> None:
    """Tell that a task has failed for good; a store that is down only forgets who was told."""
    with weekend(settings, tools) as session:
        if session is None:
            return
        try:
            with transaction(session.the_engine()) as connection:
                row = find_run(connection, run)
        except NightshiftError as error:
            log.warning("the run cannot be read: %s", error)
            row = None
        message = failed_message(session.the_policy().name, task, reason, link)
        session.notices(row.id if row else None).tell(message)
