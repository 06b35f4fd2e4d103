"""Where one cluster keeps what, and how its parts are named.

Every name that the machine knows (bridge, links, cgroup) and the mark of its processes derive from
the data directory, so clusters with different data directories never meet.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kube.errors import HarnessError

_HIDDEN = ("/run", "/var/run", "/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and paths of the cluster of one data directory, which is absolute."""

    data: Path

    @classmethod
    def of(cls, data: Path) -> "Layout":
        """Take a data directory.

        :raises HarnessError: if nodes could not see it (they have a /run of their own).
        """
        whole = data.expanduser().resolve()
        if any(whole.is_relative_to(folder) for folder in _HIDDEN):
            raise HarnessError(f"--data {whole}: choose a folder outside {', '.join(_HIDDEN)}")
        return cls(whole)

    @property
    def identity(self) -> str:
        """Six hex digits that stand for this cluster."""
        return hashlib.blake2b(str(self.data).encode(), digest_size=3).hexdigest()

    @property
    def bridge(self) -> str:
        """The bridge that nodes and control plane share (at most 15 characters)."""
        return f"nsk{self.identity}"

    def link(self, node: int) -> str:
        """Name the host's end of a node's cable."""
        return f"nsk{self.identity}-{node}"

    @property
    def cgroup(self) -> str:
        """The cgroup above all nodes."""
        return f"nightshift-kube-{self.identity}"

    @property
    def certificates(self) -> Path:
        """Certificates and keys; for the owner only."""
        return self.data / "certificates"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, everything inline."""
        return self.data / "kubeconfig"

    @property
    def etcd(self) -> Path:
        """The state of the API."""
        return self.data / "etcd"

    @property
    def logs(self) -> Path:
        """One log a process; kept when the cluster is taken down, until the next start."""
        return self.data / "logs"

    @property
    def volumes(self) -> Path:
        """Directories behind PersistentVolumes; every node sees them at this path."""
        return self.data / "volumes"

    def node(self, name: str) -> Path:
        """Give a node's own directory."""
        return self.data / "nodes" / name

    @property
    def state_file(self) -> Path:
        """What the cluster is, in JSON; there while it should be running."""
        return self.data / "cluster.json"

    @property
    def lock_file(self) -> Path:
        """Held while the cluster is brought up or taken down."""
        return self.data / "lock"

    def run_time_folders(self) -> list[Path]:
        """List what is removed when the cluster is taken down: all but logs and the lock."""
        return [self.certificates, self.etcd, self.volumes, self.data / "nodes"]


def default_data(checkout: Path, *, fake_only: bool) -> Path:
    """Give the data directory of a checkout's own cluster, one for each kind."""
    return checkout / ".nightshift-kube" / ("fake" if fake_only else "nodes")


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Give the machine-wide cache of binaries and images, outside any checkout."""
    home = Path(environment.get("HOME") or "/root")
    base = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "nightshift" / "kube"
