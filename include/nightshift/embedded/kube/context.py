"""What the request handlers share."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from nightshift.clock import Clock
from nightshift.embedded.kube.interfaces import Object, ObjectStore, PodRuntime
from nightshift.embedded.kube.resources import Registry
from nightshift.embedded.kube.storage import MemoryStore

Admit = Callable[[ObjectStore, str, str, Object, Object | None], Object]
"""Defaults and checks an object before it is stored: (store, operation, kind, obj, old)."""


@dataclass(frozen=True, slots=True)
class Api:
    """The API server's dependencies.

    :param runtime: runs pods; None answers 503 for logs and exec.
    :param watch_seconds: how long a watch without ``timeoutSeconds`` lasts, from and to.
    :param bookmark_seconds: pause between the bookmarks of a watch that asked for them.
    """

    store: MemoryStore
    registry: Registry
    admit: Admit
    now: Clock
    runtime: PodRuntime | None = None
    rng: random.Random = field(default_factory=random.SystemRandom)
    watch_seconds: tuple[float, float] = (1800.0, 3600.0)
    bookmark_seconds: float = 60.0
