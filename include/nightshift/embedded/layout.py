"""Where the trial stack keeps what: one data directory, one set of secrets, one set of ports."""

import hashlib
import json
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from nightshift.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below the data directory; ``project`` is the checkout that holds dags/ and include/."""

    data: Path
    project: Path

    @property
    def stack(self) -> str:
        """Names this stack in its processes' environment; two data directories never share it."""
        return hashlib.blake2b(str(self.data).encode(), digest_size=8).hexdigest()

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.data / "airflow"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data directory."""
        return self.data / "postgres"

    @property
    def cluster(self) -> Path:
        """The embedded cluster's state, volumes and kubeconfig."""
        return self.data / "cluster"

    @property
    def logs(self) -> Path:
        """One log file a component."""
        return self.data / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The credentials of the embedded cluster, readable by the owner only."""
        return self.cluster / "kubeconfig"

    @property
    def state_file(self) -> Path:
        """What the supervisor says of itself."""
        return self.data / "stack.json"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor while it lives."""
        return self.data / "lock"

    @property
    def config(self) -> Path:
        """NIGHTSHIFT_CONFIG_DIR of this stack: the list of repositories of the trial."""
        return self.data / "config"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once a data directory, kept in a file that only the owner reads."""

    admin_password: str
    fernet_key: str
    jwt_secret: str
    api_secret: str
    fingerprint_key: str


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports, kept over restarts so that URLs stay good."""

    airflow: int
    postgres: int
    cluster: int


def read_or_make_secrets(layout: Layout) -> Secrets:
    """Read the stack's secrets, or make them on the first start."""
    path = layout.data / "secrets.json"
    if path.exists():
        return Secrets(**json.loads(path.read_text()))
    made = Secrets(
        admin_password=secrets.token_urlsafe(12),
        fernet_key=_fernet_key(),
        jwt_secret=secrets.token_hex(32),
        api_secret=secrets.token_hex(32),
        fingerprint_key=secrets.token_hex(32),
    )
    write_private(path, json.dumps({name: getattr(made, name) for name in made.__slots__}))
    return made


def choose_ports(layout: Layout, wanted_airflow: int) -> Ports:
    """Take the ports of the last start where they are free, others where they are not."""
    path = layout.data / "ports.json"
    last = json.loads(path.read_text()) if path.exists() else {}
    ports = Ports(
        airflow=_free_port(int(last.get("airflow", wanted_airflow))),
        postgres=_free_port(int(last.get("postgres", 0))),
        cluster=_free_port(int(last.get("cluster", 0))),
    )
    path.write_text(json.dumps({name: getattr(ports, name) for name in ports.__slots__}))
    return ports


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whatever the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def find_project(start: Path) -> Path:
    """Find the checkout: the nearest folder upwards that has dags/ and include/nightshift/.

    :raises PermanentError: when there is none.
    """
    for folder in [start, *start.parents]:
        if (folder / "dags").is_dir() and (folder / "include" / "nightshift").is_dir():
            return folder
    raise PermanentError(f"{start}: no Nightshift checkout here or above (no dags/ and include/)")


def _fernet_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


def _free_port(wanted: int) -> int:
    """Return ``wanted`` if nobody listens there, else any free port; 0 asks for any."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PermanentError("no free loopback port: close some programs and try again")
