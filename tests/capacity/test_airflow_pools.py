"""Airflow's pools over HTTP: a small server that answers as Airflow 3.3 does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from nightshift.domain.capacity.targets import FieldName, ObjectKind, Patch
from nightshift.domain.leases.annotations import read_lease, write_lease
from nightshift.errors import ClusterUnavailable, Conflict, Forbidden
from nightshift.weekend.airflow_pools import RestPools, rest_pools
from tests.capacity.capacity_support import lease_for


class FakeAirflow:
    """Pools behind a login; ``expired`` tokens are refused."""

    def __init__(self) -> None:
        self.pools: dict[str, dict[str, Any]] = {
            "scans": {
                "name": "scans",
                "slots": 40,
                "description": "pods",
                "occupied_slots": 3,
                "include_deferred": True,
            },
            "a/b c": {"name": "a/b c", "slots": -1, "description": None, "occupied_slots": 0},
        }
        self.tokens = 0
        self.valid = ""
        self.writes: list[dict[str, Any]] = []

    def answer(self, method: str, url: str, body: Any, token: str) -> tuple[int, Any]:
        parts = urlsplit(url)
        if parts.path == "/auth/token":
            if body != {"username": "vera", "password": "p@ss"}:
                return 401, {"detail": "no"}
            self.tokens += 1
            self.valid = f"token-{self.tokens}"
            return 201, {"access_token": self.valid}
        if token != f"Bearer {self.valid}":
            return 401, {"detail": "expired"}
        name = unquote(parts.path.removeprefix("/api/v2/pools").lstrip("/"))
        if not name:
            return 200, {"pools": list(self.pools.values()), "total_entries": len(self.pools)}
        if name not in self.pools:
            return 404, {"detail": "was not found"}
        if method == "PATCH":
            mask = parse_qs(parts.query)["update_mask"]
            if not {"pool", "slots", "include_deferred"} <= set(body):
                return 422, {"detail": "Field required"}  # as 3.3.2 does, whatever the mask says
            self.writes.append(body)
            self.pools[name] |= {key: body[key] for key in mask}
        return 200, self.pools[name]


@pytest.fixture
def airflow() -> Iterator[tuple[FakeAirflow, RestPools]]:
    fake = FakeAirflow()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "")
            status, said = fake.answer(self.command, self.path, body, token)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_PATCH = do_GET  # noqa: N815 - the base class asks for these names

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    pools = rest_pools(f"http://vera:p%40ss@127.0.0.1:{server.server_port}")
    yield fake, pools
    pools.http.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_slots_are_lowered_and_brought_back_and_the_description_stays(
    airflow: tuple[FakeAirflow, RestPools],
) -> None:
    fake, pools = airflow
    live = pools.read("scans")
    assert live is not None
    assert (live.id.kind, live.fields) == (ObjectKind.AIRFLOW_POOL, {FieldName.SLOTS: 40})
    assert live.status.replicas == 3
    lease = lease_for(live, {FieldName.SLOTS: 0})
    patch = Patch(lease.applied, write_lease(lease), live.resource_version, lease.id)
    lowered = pools.patch("scans", patch)
    assert fake.pools["scans"]["slots"] == 0
    found = read_lease(lowered)
    assert found is not None
    assert (found.id, found.before) == (lease.id, {FieldName.SLOTS: 40})
    gone = dict.fromkeys(lowered.annotations)
    pools.patch("scans", Patch({FieldName.SLOTS: 40}, gone, lowered.resource_version, ""))
    assert (fake.pools["scans"]["slots"], fake.pools["scans"]["description"]) == (40, "pods")


def test_a_pool_that_changed_since_is_not_written(airflow: tuple[FakeAirflow, RestPools]) -> None:
    fake, pools = airflow
    live = pools.read("scans")
    assert live is not None
    fake.pools["scans"]["slots"] = 50
    with pytest.raises(Conflict):
        pools.patch("scans", Patch({FieldName.SLOTS: 0}, {}, live.resource_version, ""))
    assert fake.writes == []


def test_every_pool_is_listed_whatever_its_name(airflow: tuple[FakeAirflow, RestPools]) -> None:
    _, pools = airflow
    assert [one.id.name for one in pools.list()] == ["scans", "a/b c"]
    odd = pools.read("a/b c")
    assert odd is not None
    assert odd.fields == {FieldName.SLOTS: -1}
    assert pools.read("none") is None


def test_a_token_that_has_expired_is_fetched_anew(airflow: tuple[FakeAirflow, RestPools]) -> None:
    fake, pools = airflow
    pools.read("scans")
    fake.valid = "another"
    assert pools.read("scans") is not None
    assert fake.tokens == 2


def test_a_wrong_password_and_no_answer_say_what_to_check(
    airflow: tuple[FakeAirflow, RestPools],
) -> None:
    _, pools = airflow
    pools.password, pools.token = "wrong", ""
    with pytest.raises(Forbidden, match="NIGHTSHIFT_AIRFLOW_API"):
        pools.read("scans")
    with pytest.raises(ClusterUnavailable, match="does not answer"):
        rest_pools("http://vera:x@127.0.0.1:9").read("scans")


def test_a_description_that_somebody_wrote_over_carries_no_lease(
    airflow: tuple[FakeAirflow, RestPools],
) -> None:
    fake, pools = airflow
    fake.pools["scans"]["description"] = "pods\n[nightshift] {broken"
    live = pools.read("scans")
    assert live is not None
    assert live.annotations == {}
