"""The signals of a surge: Prometheus now against the same time of four earlier weeks.

What is not known stays None, which counts as normal, and is said: a broken monitor must not take
capacity away, and must not go unseen either.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from nightshift.domain.capacity.policies_rules import SignalName
from nightshift.domain.capacity.surges import Signals, ratio_to_weeks
from nightshift.errors import ClusterUnavailable, NightshiftError
from nightshift.weekend.measures import Prometheus

ANSWER_SECONDS = 5.0
"""For one number: 7 signals at 5 times must fit into the guard's task."""
_WEEKS = tuple(dt.timedelta(weeks=back) for back in range(1, 5))
_HIGHEST = 1e15
_FIELDS = {
    SignalName.REQUESTS: "requests",
    SignalName.USEFUL_WORK: "useful_work",
    SignalName.REFUSALS: "refusals",
    SignalName.SERVER_ERRORS: "server_errors",
    SignalName.CPU: "cpu",
    SignalName.CLIENTS: "clients",
    SignalName.QUEUE: "queue",
}


@dataclass(frozen=True, slots=True)
class SeenSignals:
    """What could be read.

    :param unknown: a line for each signal that could not, with the reason.
    """

    signals: Signals = field(default_factory=Signals)
    unknown: tuple[str, ...] = ()


def read_signals(
    server: Prometheus, queries: Mapping[SignalName, str], now: dt.datetime
) -> SeenSignals:
    """Ask for every signal; nothing is raised. A server that does not answer is not asked on."""
    ratios: dict[str, float] = {}
    unknown, silent = [], ""
    for name, query in queries.items():
        why = silent
        if not silent:
            try:
                ratio, why = _compare(server, query, now)
                if ratio is not None:
                    ratios[_FIELDS[name]] = ratio
            except NightshiftError as error:
                why = str(error)
                silent = why if isinstance(error, ClusterUnavailable) else ""
        if why:
            unknown.append(unknown_line(name, why))
    known = Signals(**ratios)  # type: ignore[arg-type]  # every field of _FIELDS is a ratio
    return SeenSignals(known, tuple(unknown))


def unknown_line(name: SignalName, why: str) -> str:
    """Say that a signal is not known."""
    return f"guard.signals.{name} is not known and counts as normal: {why}"


def _compare(server: Prometheus, query: str, now: dt.datetime) -> tuple[float | None, str]:
    """Give a signal as a ratio, or why there is none."""
    here, why = _one(server.values(query, now))
    if here is None:
        return None, why
    earlier = [_one(server.values(query, now - back))[0] for back in _WEEKS]
    weeks = [value for value in earlier if value is not None]
    ratio = ratio_to_weeks(here, weeks)
    if ratio is None:
        return None, f"{len(weeks)} of {len(_WEEKS)} earlier weeks have a number, or they are 0"
    return min(ratio, _HIGHEST), ""


def _one(values: list[float]) -> tuple[float | None, str]:
    """Take an answer only if it is one number that can be meant."""
    if len(values) != 1:
        return None, f"the query gives {len(values)} series, not one"
    if not math.isfinite(values[0]) or not 0 <= values[0] <= _HIGHEST:
        return None, f"{values[0]:g} is no number from 0 to {_HIGHEST:g}"
    return values[0], ""
