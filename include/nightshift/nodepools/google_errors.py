"""What Google's clients raise, as our errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from nightshift.errors import (
    ClusterUnavailable,
    Conflict,
    Forbidden,
    Invalid,
    NightshiftError,
    NotFound,
    TooManyRequests,
)

_HAS_OPERATION = "CLUSTER_ALREADY_HAS_OPERATION"
_BUSY_WORDS = ("try again once it is done", "incompatible operation")


@contextmanager
def google_errors(doing: str) -> Iterator[None]:
    """Turn what Google's clients raise in the block into our errors.

    :param doing: what the block does, for the message.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError
    from requests.exceptions import RequestException

    try:
        yield
    except GoogleAPICallError as error:
        text = f"Google refused to {doing}: {error.message}"
        headers = getattr(error.response, "headers", None) or {}
        after = str(headers.get("Retry-After") or "")
        seconds = float(after) if after.isdecimal() else None
        busy = error.reason == _HAS_OPERATION or any(one in error.message for one in _BUSY_WORDS)
        raise _translate(int(error.code or 0), text, seconds, busy=busy) from error
    except (TransportError, RequestException) as error:
        raise ClusterUnavailable(f"Google does not answer to {doing}: {error}") from error
    except GoogleAuthError as error:
        raise Forbidden(f"no credentials to {doing}: {error}") from error


def _translate(status: int, text: str, after: float | None, *, busy: bool) -> NightshiftError:
    """Choose the error; one operation at a time runs on a cluster, and a second is refused."""
    match status:
        case _ if busy or status == 409 or status >= 500 or not status:
            return ClusterUnavailable(text, retry_after_seconds=after)
        case 401 | 403:
            return Forbidden(f"{text}; the driver's page lists the permissions")
        case 404:
            return NotFound(text)
        case 412:
            return Conflict(text)
        case 429:
            return TooManyRequests(text, retry_after_seconds=after)
        case _:
            return Invalid(text)
