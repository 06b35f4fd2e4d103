"""What a kubelet is told: where to keep its files, what images stand for, how patient to be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from nightshift.clock import Clock, utc_now

HOST_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


class MountMode(StrEnum):
    """How volumes come to their mount paths."""

    AUTO = "auto"
    """Namespaces where the kernel grants them, else rewriting."""
    NAMESPACES = "namespaces"
    """A private root for each container; fails where the kernel refuses."""
    REWRITE = "rewrite"
    """Mount paths in command, args and env are replaced by the real folders."""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image name stands for on this machine.

    :param path_dirs: program folders, first on PATH; a virtual environment's ``bin`` for example.
    :param env: the image's environment.
    :param folders: host folders by the absolute path at which containers see them, read-only.
    :param visible: host folders that containers need at their own place even where something
        covers it, such as a checkout below /tmp. Those of ``path_dirs`` and PYTHONPATH are known.
    :param entrypoint: what a container without ``command`` runs.
    :param arguments: its arguments, when the container has no ``args`` either.
    :param host: any command of the host may run: its program folders are on PATH too.
    """

    path_dirs: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    visible: tuple[Path, ...] = ()
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    host: bool = False

    @property
    def search_path(self) -> str:
        """PATH inside."""
        return ":".join([*map(str, self.path_dirs), *(HOST_PATH if self.host else ())])


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the kubelet waits, in seconds. The defaults are Kubernetes' unless said.

    :param backoff: before the second restart of a container, and between pulls; doubles.
    :param backoff_most: the longest wait between restarts; a run twice as long forgets them.
    :param retry: until a missing secret, config map or volume is looked for again (ours).
    :param memory: between two looks at a container's memory (ours).
    :param usage: between two looks at the size of emptyDir volumes.
    :param grace: for pods that do not say.
    """

    backoff: float = 10.0
    backoff_most: float = 300.0
    retry: float = 1.0
    memory: float = 0.2
    usage: float = 10.0
    grace: float = 30.0


@dataclass(frozen=True, slots=True)
class KubeletOptions:
    """How a ``LocalKubelet`` works.

    :param data_dir: its own folder; everything in ``data_dir/pods`` that no pod owns is removed.
    :param images: by the exact text of a container's ``image``; others cannot be pulled.
    :param hidden_paths: host folders that look empty inside pods; data_dir always is.
    :param visible_paths: host folders that every pod sees even where something covers them.
    :param pretend_seconds: pods run no process and end after this time; None runs them. The
        annotation ``nightshift/pretend-seconds`` decides for one pod.
    :param log_bytes: a container's log is rotated at this size; the one before is kept.
    """

    data_dir: Path
    images: Mapping[str, Image] = field(default_factory=dict)
    hidden_paths: tuple[Path, ...] = ()
    visible_paths: tuple[Path, ...] = ()
    mounts: MountMode = MountMode.AUTO
    pretend_seconds: float | None = None
    log_bytes: int = 10 * 1024 * 1024
    patience: Patience = Patience()
    clock: Clock = utc_now
