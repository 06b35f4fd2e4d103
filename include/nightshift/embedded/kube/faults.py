"""Faults on purpose, so that a test sees how a client takes them. Reached in process only."""

import asyncio
import re
from dataclasses import dataclass

from nightshift.embedded.kube.interfaces import StatusError


@dataclass(slots=True)
class Fault:
    """What happens to the next ``times`` requests that match.

    :param method: ``GET`` .. or ``*``.
    :param path: a regular expression found in the path with its query.
    :param status: answer with this instead; 0 lets the request through.
    :param retry_after_seconds: sent as Retry-After when not None.
    :param delay_seconds: wait first.
    :param drop_reply: do what was asked, then cut the connection instead of answering.
    """

    method: str
    path: re.Pattern[str]
    status: int
    times: int
    retry_after_seconds: int | None
    delay_seconds: float
    drop_reply: bool

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the fault is meant for this request and not used up."""
        return self.times > 0 and self.method in {"*", method} and bool(self.path.search(path))


class Faults:
    """The faults that are planned, oldest first."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def add(
        self,
        method: str,
        path_regex: str,
        status: int = 0,
        *,
        times: int = 1,
        retry_after: int | None = None,
        delay: float = 0.0,
        drop_reply: bool = False,
    ) -> None:
        """Plan a fault; the parameters are those of ``Fault``."""
        path = re.compile(path_regex)
        self._planned.append(Fault(method, path, status, times, retry_after, delay, drop_reply))

    def clear(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()

    async def strike(self, method: str, path: str) -> Fault | None:
        """Use up one fault that matches, and wait as long as it says.

        :returns: the fault, if the reply is to be dropped.
        :raises StatusError: the answer that was planned.
        """
        fault = next((f for f in self._planned if f.matches(method, path)), None)
        if fault is None:
            return None
        fault.times -= 1
        if fault.times == 0:
            self._planned.remove(fault)
        if fault.delay_seconds:
            await asyncio.sleep(fault.delay_seconds)
        if fault.status:
            details = {}
            if fault.retry_after_seconds is not None:
                details["retryAfterSeconds"] = fault.retry_after_seconds
            reason = _REASONS.get(fault.status, "")
            raise StatusError(fault.status, reason, "a fault that was planned", details)
        return fault if fault.drop_reply else None


_REASONS = {
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
