"""What boto3 raises, as our errors."""

from collections.abc import Iterator
from contextlib import contextmanager

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

_BUSY = ("Throttl", "TooManyRequests", "RequestLimitExceeded")
_FORBIDDEN = ("AccessDenied", "Unauthorized", "UnrecognizedClient", "ExpiredToken", "InvalidClient")
_CONFLICT = ("ResourceInUse", "ScalingActivityInProgress", "ResourceContention")


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turn what boto3 raises in the block into our errors.

    :param doing: what the block does, for the message.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        raise _translate(error.response, doing) from error
    except NoCredentialsError as error:
        raise ConfigError("AWS", f"no credentials to {doing}: {error}") from error
    except BotoCoreError as error:  # no answer, or none that could be read
        raise ClusterUnavailable(f"AWS does not answer to {doing}: {error}") from error


def _translate(response: dict[str, dict[str, object]], doing: str) -> NightshiftError:
    said = response.get("Error", {})
    code, text = str(said.get("Code", "")), f"AWS refused to {doing}: {said.get('Message', '')}"
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code.startswith(_BUSY):
        return TooManyRequests(text)
    if code.startswith(_FORBIDDEN):
        return Forbidden(f"{text}; the driver's page lists the permissions")
    if code.startswith(_CONFLICT):
        return Conflict(text)
    if "NotFound" in code:
        return NotFound(text)
    if isinstance(status, int) and status >= 500:
        return ClusterUnavailable(text)
    return Invalid(text)
