"""Turn what the Kubernetes client raises into our errors, which say what to do next.

401 403           Forbidden          404   NotFound
409 410           Conflict           429   TooManyRequests
5xx 408           ClusterUnavailable         other   Invalid
no answer at all  ClusterUnavailable; a certificate that is not trusted is a ConfigError
"""

import json
from contextlib import suppress
from typing import Any

import urllib3
from kubernetes.client import ApiException

from nightshift.errors import (
    ClusterUnavailable,
    ConfigError,
    Conflict,
    Forbidden,
    Invalid,
    NightshiftError,
    NotFound,
    TooManyRequests,
)

_MAX_MESSAGE = 500


def from_api_exception(error: ApiException, doing: str, server: str) -> NightshiftError:
    """Map an answer other than 2xx.

    :param doing: the method and path, such as ``GET /api/v1/nodes``.
    :param server: the API server's URL.
    """
    if not error.status:  # the client reports TLS errors like this
        return _untrusted(str(error.reason), server)
    status = _status_object(error.body)
    said = _shorten(status.get("message") or error.reason or "no reason given")
    where = f"the Kubernetes API at {server}"
    match error.status:
        case 401:
            return Forbidden(
                f"{where} does not know us ({said}) on {doing}: log in again, or check the token "
                "of the kubeconfig's user or of the service account"
            )
        case 403:
            return Forbidden(
                f"{where} forbids {doing}: {said}; grant this to the user or service account"
            )
        case 404:
            return NotFound(f"{where} has no such object: {said} ({doing})")
        case 409 | 410:
            return Conflict(f"{where} refused {doing}, because the object has changed: {said}")
        case 429:
            return TooManyRequests(
                f"{where} asks us to slow down on {doing}: {said}",
                retry_after_seconds=read_retry_after(error.headers, status),
            )
        case 408 | 500 | 501 | 502 | 503 | 504:
            return ClusterUnavailable(
                f"{where} failed on {doing} with HTTP {error.status}: {said}; try again, and look "
                "at the API server if it stays so",
                retry_after_seconds=read_retry_after(error.headers, status),
            )
        case _:
            return Invalid(f"{where} refused {doing} with HTTP {error.status}: {said}")


def from_transport_error(
    error: urllib3.exceptions.HTTPError, doing: str, server: str
) -> NightshiftError:
    """Map a call that got no answer."""
    cause: BaseException = error
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        cause = error.reason
    if isinstance(cause, urllib3.exceptions.SSLError):
        return _untrusted(str(cause), server)
    return ClusterUnavailable(
        f"the Kubernetes API at {server} does not answer ({_describe(cause)}): check that the "
        "cluster is up, that this machine reaches it, and that the kubeconfig names the right one"
    )


def _untrusted(detail: str, server: str) -> NightshiftError:
    return ConfigError(
        server,
        f"no trusted connection to the Kubernetes API: {_shorten(detail)}; check "
        "certificate-authority and the client certificate in the kubeconfig",
    )


def _describe(cause: BaseException) -> str:
    match cause:
        case urllib3.exceptions.NameResolutionError():
            return "its name cannot be resolved"
        case urllib3.exceptions.NewConnectionError():  # a kind of ConnectTimeoutError
            return _shorten(str(cause.__cause__ or cause))
        case urllib3.exceptions.ConnectTimeoutError():
            return "connecting timed out"
        case urllib3.exceptions.ReadTimeoutError():
            return "its answer took too long"
        case _:
            return _shorten(f"{type(cause).__name__}: {cause}")


def _status_object(body: object) -> dict[str, Any]:
    """Read the Status object in an error's body; proxies send other things."""
    with suppress(ValueError, RecursionError):
        found = json.loads(body) if isinstance(body, str | bytes) else {}
        return found if isinstance(found, dict) else {}
    return {}


def read_retry_after(headers: Any, status: dict[str, Any]) -> float | None:  # noqa: ANN401 - urllib3's or None
    """Read how many seconds a refusal asks us to wait: 0 to 3600, None if it does not say."""
    details = status.get("details")
    stated = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    for text in ((headers or {}).get("Retry-After"), stated):
        with suppress(ValueError):  # Retry-After may also be a date, which Kubernetes never sends
            if text is not None:
                return max(0.0, min(float(text), 3600.0))
    return None


def _shorten(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= _MAX_MESSAGE else f"{line[:_MAX_MESSAGE]}.."
