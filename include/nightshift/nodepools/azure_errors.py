"""What Azure's client raises, as our errors."""

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


@contextmanager
def azure_errors(doing: str) -> Iterator[None]:
    """Turn what Azure's client raises in the block into our errors.

    :param doing: what the block does, for the message.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except HttpResponseError as error:
        status = error.status_code or 0
        if not status and isinstance(error, ClientAuthenticationError):
            raise Forbidden(f"no credentials to {doing}: {error.message}") from error
        headers = getattr(error.response, "headers", None) or {}
        after = str(headers.get("Retry-After") or "")
        seconds = float(after) if after.isdecimal() else None
        raise _translate(status, f"Azure refused to {doing}: {error.message}", seconds) from error
    except AzureError as error:  # no answer, or none that could be read
        raise ClusterUnavailable(f"Azure does not answer to {doing}: {error.message}") from error


def _translate(status: int, text: str, after: float | None) -> NightshiftError:
    match status:
        case 401 | 403:
            return Forbidden(f"{text}; the driver's page lists the permissions")
        case 404:
            return NotFound(text)
        case 409:  # another operation runs on the pool or its cluster
            return ClusterUnavailable(text, retry_after_seconds=after)
        case 412:
            return Conflict(text)
        case 429:
            return TooManyRequests(text, retry_after_seconds=after)
        case _ if status >= 500 or not status:
            return ClusterUnavailable(text, retry_after_seconds=after)
        case _:
            return Invalid(text)
