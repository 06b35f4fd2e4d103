"""What can go wrong, told apart by what the caller should do next.

    NightshiftError
      RetryableError(retry_after_seconds)   try the same call again
        ClusterUnavailable  TooManyRequests  RemoteUnavailable  StoreBusy
        Conflict                            someone changed it: read again, plan again
      PermanentError                        trying again gives the same answer
        NotFound  Forbidden  Invalid  RefNotFound  InvalidSarif  CapacityImpossible  VolumeFull
        ConfigError                         one fault of a file or setting, with its path
        ConfigErrors                        all faults of a file together (an ExceptionGroup)

Foreign errors are converted where they enter (cluster, git, store) and chained with
``raise ... from error``. A scan's outcome is data, not an exception: see domain.scans.
"""

from collections.abc import Sequence


class NightshiftError(Exception):
    """Root of our errors; its text is one message that says what to do."""


class RetryableError(NightshiftError):
    """The same call may succeed later.

    :param retry_after_seconds: what the other side asked for, or None when it said nothing.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ClusterUnavailable(RetryableError):
    """The Kubernetes API did not answer, or answered with a server error."""


class TooManyRequests(RetryableError):
    """The other side asked us to slow down (HTTP 429)."""


class RemoteUnavailable(RetryableError):
    """A git remote could not be reached; the repository may well exist."""


class StoreBusy(RetryableError):
    """PostgreSQL is down, restarting, or out of connections."""


class Conflict(RetryableError):
    """Someone changed the object since we read it: read again, plan again."""


class PermanentError(NightshiftError):
    """Trying the same call again gives the same answer."""


class NotFound(PermanentError):
    """The object does not exist."""


class Forbidden(PermanentError):
    """Credentials are missing, wrong or not allowed to do this."""


class Invalid(PermanentError):
    """The Kubernetes API refused an object (HTTP 400 or 422)."""


class RefNotFound(PermanentError):
    """The remote answered, but has no such ref."""


class InvalidSarif(PermanentError):
    """A scanner's output is not SARIF that we accept."""


class CapacityImpossible(PermanentError):
    """No node could ever fit the request, even when empty."""


class VolumeFull(PermanentError):
    """The workspace volume has no room left."""


class ConfigError(PermanentError):
    """One fault in a file or a setting.

    :param where: the path to the fault, such as ``batchJob.json: jobs[3].cpu``, or a variable.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


class ConfigErrors(ExceptionGroup[ConfigError], PermanentError):
    """All faults of one file or of the settings, so that a user mends them in one go."""

    def __new__(cls, message: str, faults: Sequence[ConfigError]) -> "ConfigErrors":
        """Group ``faults`` (at least one) under ``message``."""
        return super().__new__(cls, message, faults)

    def derive(self, excs: Sequence[ConfigError]) -> "ConfigErrors":  # type: ignore[override]  # narrower group
        """Keep the type when Python splits the group."""
        return ConfigErrors(self.message, excs)

    def __str__(self) -> str:
        """One line a fault, under the message."""
        return "\n".join([self.message, *(f"  {fault}" for fault in self.exceptions)])
