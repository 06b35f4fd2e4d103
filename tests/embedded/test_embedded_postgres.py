import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.errors import PermanentError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cluster for all tests: making one is the slow part."""
    return tmp_path_factory.mktemp("a folder") / "postgres"


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(folder, durable=False)
    yield server
    server.stop()


def connect(url: str) -> psycopg.Connection:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def kill(server: EmbeddedPostgres) -> None:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)


def test_starting_again_is_no_second_server(server: EmbeddedPostgres) -> None:
    server.start()
    first = server.pid
    server.start()
    other = EmbeddedPostgres(server.directory)
    other.start()
    assert (server.pid, other.pid, other.url()) == (first, first, server.url())


def test_stopped_server_keeps_its_data_and_port(server: EmbeddedPostgres) -> None:
    server.start()
    url = server.create_database("kept")
    assert server.create_database("kept") == url
    with connect(url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    server.stop()
    assert server.pid is None
    server.stop()
    server.start()
    assert server.url("kept") == url
    with connect(url) as connection:
        assert connection.execute("SELECT n FROM t").fetchone() == (7,)


def test_killed_server_recovers_what_was_committed(server: EmbeddedPostgres) -> None:
    server.start()
    url = server.create_database("kept")
    with connect(url) as connection:
        connection.execute("CREATE TABLE u AS SELECT 8 AS n")
        kill(server)
    assert (server.data / "postmaster.pid").exists()
    server.start()
    with connect(url) as connection:
        assert connection.execute("SELECT n FROM u").fetchone() == (8,)


def test_pid_file_that_names_another_program_is_not_believed(server: EmbeddedPostgres) -> None:
    server.start()
    kill(server)
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        pid_file = server.data / "postmaster.pid"
        lines = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert server.pid is None
        server.start()
        assert server.pid not in {None, stranger.pid}
        stranger.kill()


def test_it_takes_passwords_only_and_no_socket(server: EmbeddedPostgres) -> None:
    server.start()
    for name in ("password", "port"):
        assert (server.directory / name).stat().st_mode & 0o077 == 0
    wrong = server.url().replace((server.directory / "password").read_text(), "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(wrong)
    with connect(server.url()) as connection:
        shown = connection.execute(
            "SELECT current_setting('unix_socket_directories'),"
            " current_setting('listen_addresses'), current_setting('password_encryption')"
        ).fetchone()
    assert shown == ("", "127.0.0.1", "scram-sha-256")


def test_taken_port_is_replaced_unless_it_was_asked_for(server: EmbeddedPostgres) -> None:
    server.start()
    port = server.port
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(PermanentError, match=f"port {port} .* is taken"):
            EmbeddedPostgres(server.directory, port=port).start()
        server.start()
        assert server.port != port


def test_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    (server.directory / "data.new").mkdir(parents=True)
    (server.directory / "data.new" / "PG_VERSION").write_text("18\n")
    server.start()
    assert server.pid is not None
    server.stop()


def test_server_that_cannot_start_says_why(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    settings = server.data / "postgresql.conf"
    before = settings.read_text()
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(PermanentError, match="no_such_setting"):
        server.start()
    settings.write_text(before)


@pytest.mark.parametrize("name", ["", "Upper", "a-b", "a; DROP", "x" * 64])
def test_other_database_names_are_refused(server: EmbeddedPostgres, name: str) -> None:
    with pytest.raises(PermanentError, match="a-z, 0-9"):
        server.create_database(name)


def test_server_that_was_never_started_says_so(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="no PostgreSQL was started here"):
        EmbeddedPostgres(tmp_path).url()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs no user namespace")
def test_root_without_user_namespaces_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # where no unshare is
    with pytest.raises(PermanentError, match=r"does not run as root.*ordinary user"):
        EmbeddedPostgres(tmp_path / "postgres").start()


def test_pods_write_one_database_from_one_more_address_and_nothing_else(folder: Path) -> None:
    server = EmbeddedPostgres(folder, also_listen="127.0.0.2", durable=False)
    server.start()
    try:
        own = server.create_database("nightshift")
        server.create_database("other")
        with connect(own) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS t (n int GENERATED ALWAYS AS IDENTITY)")
        pods = server.create_role_of_pods()
        assert server.create_role_of_pods() == pods, "made once"
        assert make_url(pods).host == "127.0.0.2"
        with connect(pods) as connection:
            connection.execute("CREATE TEMPORARY TABLE work (LIKE t)")
            connection.execute("INSERT INTO t DEFAULT VALUES")
            assert connection.execute("SELECT count(*) > 0 FROM t").fetchone() == (True,)
            for refused in (
                "COPY t TO PROGRAM 'true'",
                "DROP TABLE t",
                "CREATE TABLE mine (n int)",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(refused)
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
            connect(pods.removesuffix("nightshift") + "other")
    finally:
        server.stop()


def test_superusers_come_from_this_machine_only(server: EmbeddedPostgres) -> None:
    server.start()
    with connect(server.url()) as connection:
        rules = connection.execute(
            "SELECT user_name[1], database[1], address, auth_method"
            " FROM pg_hba_file_rules ORDER BY rule_number"
        ).fetchall()
        listens = connection.execute("SHOW listen_addresses").fetchone()
    assert rules == [
        ("nightshift_pods", "nightshift", "0.0.0.0", "scram-sha-256"),
        ("nightshift_pods", "all", "0.0.0.0", "reject"),
        ("all", "all", "127.0.0.1", "scram-sha-256"),
    ]
    assert listens == ("127.0.0.1",)
