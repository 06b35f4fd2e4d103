"""A node pool of GKE as a node pool: Google's own clients against a pretended Google."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud.compute_v1.services.instance_group_managers import InstanceGroupManagersClient
from google.cloud.compute_v1.services.instance_group_managers.transports import (
    InstanceGroupManagersRestTransport,
)
from google.cloud.container_v1 import ClusterManagerClient
from google.cloud.container_v1.services.cluster_manager.transports.rest import (
    ClusterManagerRestTransport,
)

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.policies_pools import NodePool, PoolBounds, PoolDriver
from nightshift.domain.capacity.selectors import parse_label_selector
from nightshift.domain.capacity.targets import FieldName, Patch
from nightshift.errors import (
    ClusterUnavailable,
    ConfigError,
    Conflict,
    Forbidden,
    Invalid,
    NightshiftError,
    NotFound,
    TooManyRequests,
)
from nightshift.nodepools.building import build_driver
from nightshift.nodepools.drivers import pool_facts
from nightshift.nodepools.gke import PER_ZONE, GkePool
from nightshift.nodepools.instance_groups import InstanceGroups
from nightshift.weekend.connections import ConnectionFacts
from tests.capacity.capacity_support import Hand
from tests.capacity.cloud_support import (
    Request,
    Response,
    lower_and_restore,
    name_machine,
    patch_of,
    serve_json,
    state_of,
    tempo_of,
)

MINIMUM, MAXIMUM, TARGET = FieldName.MIN_NODES, FieldName.MAX_NODES, FieldName.TARGET_NODES
ZONES = ("z-a", "z-b")
PLACE = "projects/p/locations/eu"
POOL = f"/v1/{PLACE}/clusters/prod/nodePools/general"
GENERAL = NodePool(
    "general",
    PoolDriver.GKE,
    PoolBounds(1, 3, 2),
    parse_label_selector("pool=general"),
    {
        "project": "p",
        "location": "eu",
        "cluster": "prod",
        "node_pool": "general",
        "conn_id": "google_cloud",
    },
)


class FakeGoogle:
    """A node pool in two zones: n1 and n2 in the first, n3 in the second.

    :param slow: looks that an operation, or a deletion, takes.
    """

    def __init__(self) -> None:
        self.autoscaling: dict[str, Any] = {
            "enabled": True, "minNodeCount": 1, "maxNodeCount": 3, "locationPolicy": "ANY"
        }  # fmt: skip
        self.status = "RUNNING"
        self.instances = {"z-a": ["n1", "n2"], "z-b": ["n3"]}
        self.sizes = {"z-a": 2, "z-b": 1}
        self.leaving: dict[str, int] = {}
        self.slow, self.running, self.failure = 2, 0, ""
        self.changes: list[str] = []
        self.refusals: list[Response] = []
        self.seen: set[str] = set()

    def answer(self, request: Request) -> Response:
        if self.refusals:
            return self.refusals.pop()
        url = urlsplit(request.url)
        match request.method, url.path:
            case "GET", path if path == POOL:
                return Response(200, self._pool())
            case "GET", path if path == f"/v1/{PLACE}/operations/op-1":
                return Response(200, self._operation())
            case "POST", path if path.startswith(f"{POOL}:"):
                return self._change(path.removeprefix(f"{POOL}:"), request.body)
            case method, path if path.startswith("/compute/v1/projects/p/zones/"):
                return self._compute(method, path.split("/")[6:], request)
        return refusal(404, "NOT_FOUND")

    def _pool(self) -> Any:
        start = "https://www.googleapis.com/compute/v1/projects/p/zones"
        urls = [f"{start}/{zone}/instanceGroupManagers/g-{zone}" for zone in ZONES]
        return {
            "name": "general",
            "status": self.status,
            "autoscaling": self.autoscaling,
            "locations": list(ZONES),
            "instanceGroupUrls": urls,
        }

    def _operation(self) -> Any:
        self.running = max(0, self.running - 1)
        if self.running:
            return {"name": "op-1", "status": "RUNNING"}
        error = {"error": {"code": 8, "message": self.failure}} if self.failure else {}
        return {"name": "op-1", "status": "DONE", **error}

    def _change(self, verb: str, body: Any) -> Response:
        if self.running:
            words = "Operation op-1 is currently upgrading cluster prod. Please wait and try "
            return refusal(400, "FAILED_PRECONDITION", f"{words}again once it is done.")
        if verb == "setAutoscaling":
            wanted = body["autoscaling"]
            totals = {"totalMinNodeCount", "totalMaxNodeCount"} & set(wanted)
            if totals and {"minNodeCount", "maxNodeCount"} & set(wanted):
                return refusal(400, "INVALID_ARGUMENT", "totals and counts of zones")
            self.autoscaling = wanted
        else:
            self.sizes = dict.fromkeys(ZONES, body["nodeCount"])
        self.changes.append(verb)
        self.running = self.slow
        return Response(200, {"name": "op-1", "status": "PENDING"})

    def _compute(self, method: str, path: list[str], request: Request) -> Response:
        zone, _, group, *verb = path
        if group != f"g-{zone}" or zone not in ZONES:
            return refusal(404, "notFound")
        if not verb:
            stable = not self.leaving
            found = {"name": group, "targetSize": self.sizes[zone], "status": {"isStable": stable}}
            return Response(200, found)
        if verb == ["listManagedInstances"]:
            return Response(200, {"managedInstances": self._list(zone)})
        once = parse_qs(urlsplit(request.url).query)["requestId"][0]
        if once not in self.seen:
            self.seen.add(once)
            self._delete(zone, request.body["instances"])
        return Response(200, {"name": "delete", "status": "RUNNING"})

    def _list(self, zone: str) -> list[dict[str, str]]:
        for name, looks in list(self.leaving.items()):
            if name in self.instances[zone]:
                self.leaving[name] = looks - 1
                if looks <= 0:
                    del self.leaving[name]
                    self.instances[zone].remove(name)
        start = f"https://www.googleapis.com/compute/v1/projects/p/zones/{zone}/instances"
        action = {name: "DELETING" if name in self.leaving else "NONE" for name in self.all()}
        return [
            {"instance": f"{start}/{name}", "currentAction": action[name]}
            for name in self.instances[zone]
        ]

    def _delete(self, zone: str, urls: list[str]) -> None:
        for url in urls:
            name = url.removeprefix(f"zones/{zone}/instances/")
            assert name in self.instances[zone]
            self.leaving[name] = self.slow
            self.sizes[zone] -= 1
            self.changes.append(f"delete {name}")

    def all(self) -> set[str]:
        return {name for names in self.instances.values() for name in names}


def refusal(status: int, code: str, message: str = "said Google", after: str = "7") -> Response:
    error = {"code": status, "message": message, "status": code}
    return Response(status, {"error": error}, {"Retry-After": after})


def where_is(address: str) -> dict[str, object]:
    """Give what a transport is made from."""
    host = address.removeprefix("http://")
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # Google's
    return {"host": host, "url_scheme": "http", "credentials": nobody}


@pytest.fixture
def google() -> FakeGoogle:
    return FakeGoogle()


@pytest.fixture
def pool(google: FakeGoogle, cluster: Cluster, hand: Hand) -> Iterator[GkePool]:
    for node, zone in (("n1", "z-a"), ("n2", "z-a"), ("n3", "z-b")):
        labels = {"cloud_google_com__gke-nodepool": "general"}
        name_machine(cluster, node, f"gce://p/{zone}/{node}", **labels)
    with serve_json(google.answer) as address:
        where: Any = where_is(address)
        clusters = ClusterManagerClient(transport=ClusterManagerRestTransport(**where))
        groups = InstanceGroupManagersClient(transport=InstanceGroupManagersRestTransport(**where))
        with clusters, groups:
            yield GkePool(
                "general",
                cluster,
                clusters,
                InstanceGroups(groups),
                PLACE,
                "prod",
                "general",
                tempo_of(hand),
            )


def test_bounds_of_zones_and_lease_are_written_and_taken_away_again(
    google: FakeGoogle, pool: GkePool
) -> None:
    """One node at least in two zones cannot be said for each zone: totals are, for the weekend."""
    before = dict(google.autoscaling)

    def is_low() -> None:
        assert google.autoscaling == {
            "enabled": True, "totalMinNodeCount": 1, "totalMaxNodeCount": 3, "locationPolicy": 2
        }  # fmt: skip
        assert PER_ZONE in state_of(pool).annotations

    lower_and_restore(pool, {MINIMUM: 1, MAXIMUM: 3}, is_low)
    assert google.autoscaling == {**before, "locationPolicy": 2}
    assert google.changes == ["setAutoscaling", "setAutoscaling"]


def test_bounds_that_divide_stay_bounds_of_zones(google: FakeGoogle, pool: GkePool) -> None:
    assert state_of(pool).fields == {MINIMUM: 2, MAXIMUM: 6}
    pool.set_bounds(patch_of(state_of(pool), {MAXIMUM: 4}))
    counts = {key: one for key, one in google.autoscaling.items() if "Count" in key}
    assert counts == {"minNodeCount": 1, "maxNodeCount": 2}


def test_total_bounds_stay_total_and_nothing_is_written_for_equal_ones(
    google: FakeGoogle, pool: GkePool
) -> None:
    google.autoscaling = {"enabled": True, "totalMinNodeCount": 2, "totalMaxNodeCount": 8}
    assert state_of(pool).fields == {MINIMUM: 2, MAXIMUM: 8}
    pool.set_bounds(patch_of(state_of(pool), {MAXIMUM: 8}))
    assert google.changes == []
    pool.set_bounds(patch_of(state_of(pool), {MAXIMUM: 4}))
    assert google.autoscaling["totalMaxNodeCount"] == 4
    assert "maxNodeCount" not in google.autoscaling


def test_a_pool_or_lease_that_changed_since_is_not_written(
    google: FakeGoogle, pool: GkePool
) -> None:
    live = state_of(pool)
    pool.set_bounds(Patch({}, {"nightshift/hold": "true"}, live.resource_version, "person"))
    with pytest.raises(Conflict):
        pool.set_bounds(patch_of(live, {MAXIMUM: 4}))
    live = state_of(pool)
    google.autoscaling["maxNodeCount"] = 9
    with pytest.raises(Conflict):
        pool.set_bounds(patch_of(live, {MAXIMUM: 4}))
    assert google.changes == []


def test_a_lease_is_taken_back_if_google_refuses_and_kept_if_nobody_knows(
    google: FakeGoogle, pool: GkePool, hand: Hand
) -> None:
    live = state_of(pool)
    lease: dict[str, str | None] = {"nightshift/lease": "x"}
    patch = Patch({MAXIMUM: 3}, lease, live.resource_version, "x")
    google.failure = "the quota is used up"
    with pytest.raises(Invalid, match="failed: the quota is used up"):
        pool.set_bounds(patch)
    assert state_of(pool).annotations == {}
    google.failure, google.running = "", 10_000
    patch = Patch({MAXIMUM: 4}, lease, state_of(pool).resource_version, "x")
    with pytest.raises(ClusterUnavailable, match="try again once it is done"):
        pool.set_bounds(patch)
    assert state_of(pool).annotations == lease
    hand.others.append(lambda: setattr(google, "running", 0))
    again = Patch({MAXIMUM: 4}, lease, state_of(pool).resource_version, "x")
    assert pool.set_bounds(again).fields[MAXIMUM] == 4


def test_without_an_autoscaler_a_pool_has_its_size_and_no_zone_loses_a_node(
    google: FakeGoogle, pool: GkePool
) -> None:
    google.autoscaling = {}
    assert state_of(pool).fields == {TARGET: 3}
    pool.set_bounds(patch_of(state_of(pool), {TARGET: 3}))
    assert google.changes == []
    pool.set_target(4, "x")
    assert google.sizes == {"z-a": 2, "z-b": 2}
    google.sizes = {"z-a": 5, "z-b": 1}
    pool.set_target(7, "x")
    assert google.sizes == {"z-a": 5, "z-b": 5}
    with pytest.raises(Invalid, match="Google would choose"):
        pool.set_target(4, "x")


@pytest.mark.parametrize(
    ("autoscaled", "fields", "why"),
    [
        (True, {MINIMUM: 9}, "above the maximum"),
        (True, {MAXIMUM: 2}, "above a maximum of 2"),
        (True, {TARGET: 5}, "an autoscaler fills"),
        (False, {MAXIMUM: 4}, "has no bounds"),
    ],
    ids=["minimum above maximum", "fewer than there are", "autoscaler's size", "no autoscaler"],
)
def test_sizes_that_would_end_badly_are_refused(
    google: FakeGoogle, pool: GkePool, autoscaled: bool, fields: dict[FieldName, int], why: str
) -> None:
    google.autoscaling["enabled"] = autoscaled
    with pytest.raises(Invalid, match=why):
        pool.set_bounds(patch_of(state_of(pool), fields))
    assert google.changes == []
    assert pool_facts("general", pool).removes


def test_exactly_the_named_nodes_are_deleted_and_only_once(
    google: FakeGoogle, pool: GkePool
) -> None:
    pool.remove(["n2"], "lease")
    assert google.all() == {"n1", "n3"}
    assert google.sizes == {"z-a": 1, "z-b": 1}
    pool.remove(["n2"], "lease")  # its node is still there
    pool.remove(["n3"], "lease")
    assert google.changes == ["delete n2", "delete n3"]


def test_an_instance_that_is_leaving_is_not_deleted_again(
    google: FakeGoogle, pool: GkePool
) -> None:
    google.leaving["n1"] = 5
    pool.remove(["n1"], "another lease")
    assert google.all() == {"n2", "n3"}
    assert google.changes == []


def test_an_instance_that_does_not_go_is_told(google: FakeGoogle, pool: GkePool) -> None:
    google.slow = 10_000
    with pytest.raises(ClusterUnavailable, match=r"n1, .* is there: DELETING after 900 s"):
        pool.remove(["n1"], "lease")


def test_a_node_of_another_cloud_or_pool_is_refused_and_one_that_is_gone_is_done(
    google: FakeGoogle, pool: GkePool, cluster: Cluster
) -> None:
    pool.remove(["gone"], "lease")
    name_machine(cluster, "n1", "azure:///x/n1")
    with pytest.raises(Invalid, match="no machine of ours"):
        pool.remove(["n1"], "lease")
    name_machine(cluster, "n3", "gce://p/z-b/n3", **{"cloud_google_com__gke-nodepool": "other"})
    with pytest.raises(Invalid, match="of the pool 'other'"):
        pool.remove(["n3"], "lease")
    assert google.changes == []


def test_waiting_ends_with_the_pools_work_or_in_a_clear_error(
    google: FakeGoogle, pool: GkePool, hand: Hand
) -> None:
    pool.wait(pool.tempo)
    google.leaving["n1"] = 1
    with pytest.raises(ClusterUnavailable, match="groups that change: g-z-a, g-z-b after 60 s"):
        pool.wait(tempo_of(hand, 60))
    google.status = "RECONCILING"
    with pytest.raises(ClusterUnavailable, match="general is RECONCILING after 900 s"):
        pool.wait(pool.tempo)
    google.status = "ERROR"
    with pytest.raises(Invalid, match="says ERROR"):
        pool.wait(pool.tempo)


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (403, "PERMISSION_DENIED", Forbidden),
        (404, "NOT_FOUND", NotFound),
        (409, "ABORTED", ClusterUnavailable),
        (412, "conditionNotMet", Conflict),
        (429, "RESOURCE_EXHAUSTED", TooManyRequests),
        (503, "UNAVAILABLE", ClusterUnavailable),
        (400, "INVALID_ARGUMENT", Invalid),
        (400, "FAILED_PRECONDITION", Invalid),
    ],
)
def test_what_google_says_is_one_of_our_errors(
    google: FakeGoogle, pool: GkePool, status: int, code: str, ours: type[NightshiftError]
) -> None:
    google.refusals = [refusal(status, code)]
    with pytest.raises(ours, match=r"read the node pool general: .*said Google") as caught:
        pool.get_state()
    if status in {409, 429, 503}:
        assert getattr(caught.value, "retry_after_seconds", None) == 7.0


def test_credentials_that_google_does_not_take_are_told(google: FakeGoogle, pool: GkePool) -> None:
    google.refusals = [refusal(401, "UNAUTHENTICATED")]
    with pytest.raises(Forbidden, match="no credentials to read the node pool general"):
        pool.get_state()


def test_no_answer_can_be_tried_again(pool: GkePool) -> None:
    nowhere: Any = where_is("http://127.0.0.1:9")
    clusters = ClusterManagerClient(transport=ClusterManagerRestTransport(**nowhere))
    with clusters, pytest.raises(ClusterUnavailable, match="does not answer"):
        replace(pool, clusters=clusters).get_state()


def key_of() -> dict[str, str]:
    """Make a service account's key, as Google would give it out."""
    private = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "client_email": "nightshift@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": private.decode(),
        "project_id": "p",
    }


def test_the_driver_is_built_from_a_connection_or_from_where_it_runs(
    cluster: Cluster, hand: Hand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = key_of()
    (tmp_path / "key.json").write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    for extra in ({"keyfile_dict": json.dumps(key)}, {"keyfile_dict": key}, {}):
        login = ConnectionFacts("google_cloud_platform", extra=extra)
        made = build_driver(GENERAL, cluster, {"google_cloud": login}.__getitem__, tempo_of(hand))
        assert isinstance(made, GkePool)
        assert (made.place, made.cluster, made.pool) == (PLACE, "prod", "general")
        with made.clusters, made.groups.client:
            pass  # closed


@pytest.mark.parametrize("key", ["no JSON", {"type": "service_account"}], ids=["text", "half"])
def test_a_key_that_cannot_be_read_is_refused(cluster: Cluster, hand: Hand, key: object) -> None:
    login = ConnectionFacts("google_cloud_platform", extra={"keyfile_dict": key})
    with pytest.raises(ConfigError, match="connection google_cloud: has no credentials"):
        build_driver(GENERAL, cluster, lambda _: login, tempo_of(hand))


def test_what_is_not_installed_is_named(
    cluster: Cluster, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nightshift.nodepools.google_logins", None)
    with pytest.raises(ConfigError, match="google-cloud-container google-cloud-compute"):
        build_driver(GENERAL, cluster, lambda _: ConnectionFacts("google"), tempo_of(hand))
