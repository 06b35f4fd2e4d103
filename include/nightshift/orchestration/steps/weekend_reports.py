"""Keep what the last window saved."""

from nightshift.domain.windows.spans import plan_windows
from nightshift.orchestration.steps.weekend import opened
from nightshift.settings import Settings
from nightshift.store.capacity_runs import list_reports
from nightshift.store.engines import transaction
from nightshift.weekend.reports import report_lines, save_window_report
from nightshift.weekend.sessions import Tools


def save_last_report(settings: Settings, tools: Tools) -> list[str]:
    """Measure the window that has ended last, keep it, and give the table of all."""
    with opened(settings, tools) as session:
        policy, now = session.the_policy(), tools.clock()
        ended = plan_windows(policy.schedule).last_before(now)
        if ended is not None:
            save_window_report(session.the_engine(), policy, ended, now)
        with transaction(session.the_engine()) as connection:
            return report_lines(list_reports(connection, policy.name))
