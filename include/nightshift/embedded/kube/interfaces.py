"""The seams between the API server, the controllers and the kubelet of the embedded cluster.

All of them live in one asyncio loop in one process, so nothing here locks. An *object* is the
Kubernetes JSON of a resource as plain dicts (camelCase). Objects handed out by the store are
shared and never modified in place, by anyone: change them through ``mutate``.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

Object = dict[str, Any]
"""A Kubernetes object as JSON."""


class WatchEvent(NamedTuple):
    """One change of one object, in the order of resource versions."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: Object


@dataclass
class StatusError(Exception):
    """An answer other than 2xx, in Kubernetes' own words.

    :param code: HTTP status; ``reason`` is Kubernetes' (NotFound, AlreadyExists, Conflict, Invalid,
        BadRequest, Forbidden, TooManyRequests, Expired, InternalError, MethodNotAllowed).
    :param details: the Status object's ``details`` (causes, retryAfterSeconds, kind, name).
    """

    code: int
    reason: str
    message: str
    details: Object = field(default_factory=dict)


class ObjectStore(Protocol):
    """The cluster's state. ``kind`` is the plural and group: ``pods``, ``deployments.apps``."""

    @property
    def resource_version(self) -> int:
        """The version of the last change; grows by one a change."""
        ...

    def create(self, kind: str, obj: Object) -> Object:
        """Add an object; sets uid, creationTimestamp, resourceVersion, generateName.

        :raises StatusError: 409 AlreadyExists.
        """
        ...

    def get(self, kind: str, name: str, namespace: str = "") -> Object:
        """Read one object.

        :raises StatusError: 404 NotFound.
        """
        ...

    def find(self, kind: str, name: str, namespace: str = "") -> Object | None:
        """Read one object, None if it is not there."""
        ...

    def list(self, kind: str, namespace: str | None = None) -> Sequence[Object]:
        """List objects by namespace and name; None is every namespace."""
        ...

    def mutate(
        self, kind: str, name: str, namespace: str, change: Callable[[Object], None]
    ) -> Object:
        """Deep-copy the object, let ``change`` edit the copy, store it as a new version.

        An unchanged copy is no new version and no event.

        :raises StatusError: 404 NotFound; whatever ``change`` raises passes through.
        """
        ...

    def delete(self, kind: str, name: str, namespace: str = "") -> Object:
        """Remove the object at once (graceful deletion is the API server's and the kubelet's).

        :raises StatusError: 404 NotFound.
        """
        ...

    def watch(self, kind: str, since: int | None = None) -> AsyncIterator[WatchEvent]:
        """Follow changes after version ``since``; None starts with ADDED for all that exist.

        :raises StatusError: 410 Expired when ``since`` is older than what is kept.
        """
        ...


class EventRecorder(Protocol):
    """Writes Event objects, counted up when they repeat."""

    def record(
        self, about: Object, reason: str, message: str, *, type_: str = "Normal", source: str
    ) -> None:
        """Record that ``reason`` happened to ``about`` (an object with kind and metadata)."""
        ...


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Query of GET .../log. ``since_seconds`` and ``tail_lines`` are None when not given."""

    container: str
    follow: bool = False
    timestamps: bool = False
    since_seconds: float | None = None
    since_time: str | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    previous: bool = False


class ExecProcess(Protocol):
    """A command that runs inside a pod's environment, for GET .../exec."""

    async def write_stdin(self, data: bytes) -> None:
        """Feed the command; b"" closes its standard input."""
        ...

    def output(self) -> AsyncIterator[tuple[Literal[1, 2], bytes]]:
        """Give (channel, data): 1 is stdout, 2 is stderr; ends with the command."""
        ...

    async def wait(self) -> int:
        """Wait for the exit code."""
        ...

    async def kill(self) -> None:
        """End the command now; nothing if it has ended."""
        ...


class PodRuntime(Protocol):
    """What the API server asks of the kubelets (one runtime serves all nodes)."""

    async def run(self) -> None:
        """Watch pods that have a node, run them, report their status; until cancelled."""
        ...

    async def shutdown(self) -> None:
        """Kill every process that pods started."""
        ...

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        """Stream a container's log, lines whole, prefixed with RFC 3339 times if asked.

        :raises StatusError: 400 BadRequest while the container waits or is unknown.
        """
        ...

    async def exec(
        self, pod: Object, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> ExecProcess:
        """Start a command beside a running container.

        :raises StatusError: 500 if the container does not run.
        """
        ...
