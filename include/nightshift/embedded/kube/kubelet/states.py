"""What is known of each container of a pod, before it becomes a status."""

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nightshift.embedded.kube.interfaces import Object


class Role(StrEnum):
    """When a container runs."""

    INIT = "init"
    SIDECAR = "sidecar"
    MAIN = "main"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not started yet, or not again."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """Started."""

    started_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Terminated:
    """Ended. ``started_at`` is None when it never ran."""

    exit_code: int
    reason: str
    finished_at: dt.datetime
    started_at: dt.datetime | None = None
    message: str = ""
    container_id: str = ""


State = Waiting | Running | Terminated


@dataclass(slots=True)
class ContainerRecord:
    """One container, over its restarts."""

    name: str
    image: str
    role: Role
    state: State
    last: Terminated | None = None
    restarts: int = 0
    container_id: str = ""
    ready: bool = False
    started: bool = False

    @property
    def has_succeeded(self) -> bool:
        """Tell whether it ended with 0."""
        return isinstance(self.state, Terminated) and self.state.exit_code == 0


@dataclass(slots=True)
class PodRecord:
    """One pod.

    :param verdict: (phase, reason, message) that the containers' states do not decide, such as
        Failed, DeadlineExceeded.
    """

    started_at: dt.datetime
    containers: Sequence[ContainerRecord]
    verdict: tuple[str, str, str] | None = None
    restart_policy: str = "Always"
    sandboxed: bool = field(default=False)

    def of_role(self, *roles: Role) -> list[ContainerRecord]:
        """List the containers of these roles, in the order of the spec."""
        return [record for record in self.containers if record.role in roles]


def list_containers(spec: Object) -> list[tuple[Role, Object]]:
    """List a pod's containers in starting order, each with its role."""
    roles = {"Always": Role.SIDECAR}
    first = [
        (roles.get(c.get("restartPolicy", ""), Role.INIT), c)
        for c in spec.get("initContainers") or []
    ]
    return [*first, *((Role.MAIN, c) for c in spec["containers"])]


def new_record(pod: Object, started_at: dt.datetime) -> PodRecord:
    """Begin with every container waiting."""
    containers = list_containers(pod["spec"])
    has_init = any(role is Role.INIT for role, _ in containers)
    first = next(c["name"] for _, c in containers)
    records = [
        ContainerRecord(
            c["name"],
            c.get("image", ""),
            role,
            Waiting("PodInitializing" if has_init and c["name"] != first else "ContainerCreating"),
        )
        for role, c in containers
    ]
    policy = pod["spec"].get("restartPolicy", "Always")
    return PodRecord(started_at, records, restart_policy=policy)


def find_record(record: PodRecord, name: str) -> ContainerRecord | None:
    """Look a container up."""
    return next((c for c in record.containers if c.name == name), None)


def container_id(pod: Object, name: str, restarts: int) -> str:
    """Name one run of one container."""
    text = f"{pod['metadata']['uid']}/{name}/{restarts}"
    return f"nightshift://{hashlib.sha256(text.encode()).hexdigest()}"
