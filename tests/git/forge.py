"""A forge for tests: real git over HTTPS on this machine, and paths that answer with errors.

/<repository>.git/..    what git-http-backend serves from a folder
/private/<repository>   the same, for the one user only
/status/<code>/..       that HTTP status
/moved/..               301 to another path
/slow/..                no answer while the test runs
"""

import base64
import datetime as dt
import ipaddress
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

USER, PASSWORD = "robot", "p4ss/word+with=signs"


@dataclass(slots=True)
class Forge:
    """A running forge.

    :param seen: the paths that were asked for, and the user who asked.
    :param most_at_once: how many requests were being answered at the same time, at most.
    """

    folder: Path
    ca_file: Path
    port: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def url(self, path: str) -> str:
        return f"https://{self.host}/{path}"


@contextmanager
def running_forge(folder: Path) -> Iterator[Forge]:
    """Serve the bare repositories of a folder until the block ends."""
    forge = Forge(folder, folder / "ca.pem")
    context = _make_context(forge.ca_file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"forge": forge}))
    server.daemon_threads = True
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    forge.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield forge
    finally:
        forge.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    forge: Forge
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the tests look at ``seen``."""

    def _answer(self) -> None:
        with self.forge.lock:
            self.forge.at_once += 1
            self.forge.most_at_once = max(self.forge.most_at_once, self.forge.at_once)
        try:
            self._route()
        finally:
            with self.forge.lock:
                self.forge.at_once -= 1

    def _route(self) -> None:
        user = self._user()
        self.forge.seen.append((self.path.partition("?")[0], user))
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "status":
            self._refuse(int(rest.partition("/")[0]))
        elif kind == "moved":
            self._refuse(301, ("Location", self.forge.url(rest)))
        elif kind == "slow":
            self.forge.closing.wait()
        elif kind == "private" and user != USER:
            self._refuse(401, ("WWW-Authenticate", 'Basic realm="forge"'))
        else:
            self._serve("/" + rest if kind == "private" else self.path, user)

    def _user(self) -> str:
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        user, _, password = base64.b64decode(token).decode().partition(":")
        return user if scheme == "Basic" and password == PASSWORD else ""

    def finish(self) -> None:
        """End TLS in words, not by closing: GnuTLS takes silence for an attack."""
        super().finish()
        with suppress(OSError):
            self.request.unwrap()

    def _refuse(self, code: int, *headers: tuple[str, str]) -> None:
        self._send(code, headers, b"")

    def _send(self, code: int, headers: Iterable[tuple[str, str]], content: bytes) -> None:
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _serve(self, target: str, user: str) -> None:
        path, _, query = target.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.forge.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": user,
        }
        git = shutil.which("git")
        assert git is not None
        answer = subprocess.run(
            [git, "http-backend"], input=body, env=environment, capture_output=True, check=False
        ).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self._send(int(headers.pop("Status", "200").split()[0]), headers.items(), content)


def _make_context(ca_file: Path) -> ssl.SSLContext:
    """Make a certificate for localhost that signs itself; git is told to trust ``ca_file``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509
        .CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file = ca_file.with_suffix(".key")
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    return context
