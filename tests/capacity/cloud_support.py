"""A cloud's HTTP API on the loopback, and what the tests of every cloud's pools ask."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.targets import Fields, LiveTarget, Patch
from nightshift.domain.leases.annotations import read_lease, write_lease
from nightshift.nodepools.drivers import NodePoolDriver, Tempo
from tests.capacity.capacity_support import Hand, lease_for


@dataclass(frozen=True)
class Request:
    """What came in; ``url`` is path and query, ``headers`` are in lower case."""

    method: str
    url: str
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    """What goes out, as JSON."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def serve_json(answer: Callable[[Request], Response]) -> Iterator[str]:
    """Serve on the loopback; gives the address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = answer(Request(self.command, self.path, body, headers))
            data = json.dumps(response.body).encode()
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tempo_of(hand: Hand, timeout_seconds: float = 900.0) -> Tempo:
    return Tempo(hand.clock, hand.sleep, timeout_seconds)


def state_of(pool: NodePoolDriver) -> LiveTarget:
    live = pool.get_state()
    assert live is not None
    return live


def patch_of(live: LiveTarget, fields: Fields) -> Patch:
    return Patch(fields, {}, live.resource_version, "token")


def lower_and_restore(pool: NodePoolDriver, applied: Fields, while_low: Callable[[], None]) -> None:
    """Write a lease with lower fields, read it back, and give all of it back."""
    live = state_of(pool)
    lease = lease_for(live, applied)
    patch = Patch(applied, write_lease(lease), live.resource_version, lease.id)
    lowered = pool.set_bounds(patch)
    assert {name: lowered.fields[name] for name in applied} == applied
    found = read_lease(state_of(pool))
    assert found is not None
    assert (found.id, found.before, found.applied, found.due) == (
        lease.id, lease.before, applied, lease.due
    )  # fmt: skip
    while_low()
    gone = dict.fromkeys(lowered.annotations)
    back = pool.set_bounds(Patch(lease.before, gone, lowered.resource_version, "back"))
    assert (back.annotations, back.fields) == ({}, live.fields)


def name_machine(cluster: Cluster, node: str, provider: str | None, **labels: str) -> None:
    """Say what machine a node is; labels are written with ``__`` for a slash, ``_`` for a dot."""
    named = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    body = {"metadata": {"labels": named}, "spec": {"providerID": provider}}
    cluster.patch(f"/api/v1/nodes/{node}", body)
