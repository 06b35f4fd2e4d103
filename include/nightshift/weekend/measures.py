"""Numbers that Prometheus gives: alerts that forbid a Friday, and what must hold after a tier."""

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from nightshift.domain.capacity.policies_targets import Measure
from nightshift.errors import ClusterUnavailable, Invalid
from nightshift.weekend.connections import ConnectionFacts


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A server that speaks Prometheus' HTTP API."""

    http: httpx.Client

    def value(self, query: str) -> float:
        """Ask for one number: the highest of all series; not a number if there are none.

        :raises ClusterUnavailable: if it does not answer.
        :raises Invalid: if it refuses the query.
        """
        return max(self.values(query), default=math.nan)

    def values(self, query: str, at: dt.datetime | None = None) -> list[float]:
        """Ask for a number a series, as of an instant; None is now.

        :raises ClusterUnavailable: if it does not answer.
        :raises Invalid: if it refuses the query.
        """
        params = {"query": query, **({"time": str(at.timestamp())} if at else {})}
        try:
            answer = self.http.get("/api/v1/query", params=params)
            body: Any = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ClusterUnavailable(f"Prometheus at {self.http.base_url}: {error}") from error
        if not isinstance(body, dict) or body.get("status") != "success":
            raise Invalid(f"Prometheus refuses {query!r}: {str(body)[:200]}")
        return list(_numbers(body.get("data")))


def prometheus(connection: ConnectionFacts, timeout_seconds: float = 20.0) -> Prometheus:
    """Prepare the way to a Prometheus; nothing is sent yet."""
    login = (connection.login, connection.password) if connection.login else None
    http = httpx.Client(base_url=connection.url(), auth=login, timeout=timeout_seconds)
    return Prometheus(http)


def firing(server: Prometheus, measures: Iterable[Measure]) -> tuple[str, ...]:
    """List the measures whose bound holds now, as ``abortIf`` means them."""
    found = []
    for measure in measures:
        value = server.value(measure.query)
        if measure.holds(value):
            found.append(f"{measure.query} is {value:g}")
    return tuple(found)


def _numbers(data: Any) -> Iterable[float]:  # noqa: ANN401 - JSON
    result = data.get("result") if isinstance(data, dict) else None
    kind = data.get("resultType") if isinstance(data, dict) else None
    rows = [{"value": result}] if kind == "scalar" else result if isinstance(result, list) else []
    for row in rows[:1000]:
        value = row.get("value") if isinstance(row, dict) else None
        if isinstance(value, list) and len(value) == 2:
            try:
                yield float(value[1])
            except (TypeError, ValueError):
                continue
