"""An agent pool of AKS as a node pool: Azure's own client against a pretended Azure."""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.containerservice import ContainerServiceClient

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
from nightshift.nodepools.aks import AksPool
from nightshift.nodepools.building import build_driver
from nightshift.nodepools.drivers import pool_facts
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
GENERAL = NodePool(
    "general",
    PoolDriver.AKS,
    PoolBounds(1, 3, 2),
    parse_label_selector("pool=general"),
    {"resource_group": "rg", "cluster": "prod", "agent_pool": "general", "conn_id": "azure"},
)


class FakeAzure:
    """One agent pool of three machines; every change takes some looks before it is done.

    :param slow: so many looks.
    """

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {
            "count": 3,
            "minCount": 2,
            "maxCount": 6,
            "enableAutoScaling": True,
            "mode": "User",
            "vmSize": "Standard_D4s_v5",
            "nodeTaints": ["a=b:NoSchedule"],
            "tags": {"team": "platform"},
        }
        self.machines = {"n1", "n2", "n3"}
        self.etag, self.slow, self.busy = 1, 2, 0
        self.ends, self.error = "Succeeded", ""
        self.leaving: set[str] = set()
        self.changes: list[str] = []
        self.refusals: list[Response] = []

    def answer(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer secret"
        if self.refusals:
            return self.refusals.pop()
        start = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService"
        _, _, path = urlsplit(request.url).path.partition(f"{start}/managedClusters/prod/")
        match request.method, path.split("/"):
            case "GET", ["agentPools", "general"]:
                return Response(200, self._look())
            case "PUT", ["agentPools", "general"]:
                return self._put(request)
            case "POST", ["agentPools", "general", "deleteMachines"]:
                return self._delete(request.body["machineNames"])
            case "GET", ["agentPools", "general", "machines", name] if name in self.machines:
                return Response(200, {"name": name, "properties": {}})
        return refusal(404, "NotFound")

    def _look(self) -> Any:
        """Give the pool; a look is what brings its operation forward."""
        state = "Updating" if self.busy else self.ends
        self.busy = max(0, self.busy - 1)
        if not self.busy:
            self.machines -= self.leaving
            self.leaving = set()
        said = {"provisioningError": {"code": "X", "message": self.error}}
        read_only = {"eTag": f"e-{self.etag}", "provisioningState": state, "status": said}
        named = {"nodeImageVersion": "AKSUbuntu-1"}
        return {"name": "general", "properties": {**self.settings, **named, **read_only}}

    def _put(self, request: Request) -> Response:
        if self.busy:
            return refusal(409, "OperationNotAllowed")
        if request.headers["if-match"] != f'"e-{self.etag}"':
            return refusal(412, "PreconditionFailed")
        found = request.body["properties"]
        if "nodeImageVersion" in found:
            return refusal(400, "a rollback was not meant")
        if found["enableAutoScaling"] and not (
            found["minCount"] <= found["count"] <= found["maxCount"]
        ):
            return refusal(400, "count must be between the bounds")
        self.settings = {key: value for key, value in found.items() if value is not None}
        self._begin("PUT")
        return Response(200, self._look())

    def _delete(self, names: list[str]) -> Response:
        if self.busy:
            return refusal(409, "OperationNotAllowed")
        assert set(names) <= self.machines
        self.leaving |= set(names)
        self.settings["count"] -= len(names)
        self._begin(f"delete {', '.join(names)}")
        return Response(202, {}, {"Location": "https://management.azure.com/later"})

    def _begin(self, change: str) -> None:
        self.changes.append(change)
        self.etag += 1
        self.busy = self.slow


def refusal(status: int, code: str, **headers: str) -> Response:
    return Response(status, {"error": {"code": code, "message": f"{code}, said Azure"}}, headers)


class Secret:
    """A credential."""

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        return AccessToken("secret", int(time.time()) + 3600)


class Loopback(RequestsTransport):  # type: ignore[misc]  # Azure's ships no types
    """Azure's transport, with Azure elsewhere: its credentials are only sent to https."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def send(self, request: Any, **kwargs: Any) -> Any:
        request.url = request.url.replace("https://management.azure.com", self.address)
        return super().send(request, **kwargs)


@pytest.fixture
def azure() -> FakeAzure:
    return FakeAzure()


@pytest.fixture
def pool(azure: FakeAzure, cluster: Cluster, hand: Hand) -> Iterator[AksPool]:
    for node in ("n1", "n2", "n3"):
        machine = f"azure:///subscriptions/s/resourceGroups/mc/vmss/virtualMachines/{node}"
        name_machine(cluster, node, machine, kubernetes_azure_com__agentpool="general")
    with (
        serve_json(azure.answer) as address,
        ContainerServiceClient(Secret(), "s", transport=Loopback(address), retry_total=0) as client,
    ):
        yield AksPool("general", cluster, client, "rg", "prod", "general", tempo_of(hand))


def without_autoscaler(azure: FakeAzure) -> None:
    azure.settings |= {"enableAutoScaling": False}
    del azure.settings["minCount"], azure.settings["maxCount"]


def test_bounds_and_lease_are_written_and_taken_away_again(azure: FakeAzure, pool: AksPool) -> None:
    before = dict(azure.settings)

    def is_low() -> None:
        sizes = {key: azure.settings[key] for key in ("minCount", "maxCount", "count")}
        assert sizes == {"minCount": 1, "maxCount": 3, "count": 3}
        assert {"team", "nightshift.lease", "nightshift.before"} <= set(azure.settings["tags"])
        assert not any("/" in name for name in azure.settings["tags"])

    lower_and_restore(pool, {MINIMUM: 1, MAXIMUM: 3}, is_low)
    assert azure.settings == before
    assert azure.changes == ["PUT", "PUT"]


def test_a_pool_that_changed_since_is_not_written(azure: FakeAzure, pool: AksPool) -> None:
    live = state_of(pool)
    azure.etag += 1
    with pytest.raises(Conflict, match="changed since"):
        pool.set_bounds(patch_of(live, {MAXIMUM: 3}))
    assert azure.changes == []


def test_a_pool_that_changes_between_read_and_write_is_not_written(
    azure: FakeAzure, pool: AksPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, looks = state_of(pool), azure._look

    def look_and_change() -> Any:
        seen = looks()
        azure.etag += 1
        return seen

    monkeypatch.setattr(azure, "_look", look_and_change)
    with pytest.raises(Conflict, match="PreconditionFailed"):
        pool.set_bounds(patch_of(live, {MAXIMUM: 3}))
    assert azure.changes == []


def test_without_an_autoscaler_a_pool_has_its_size_and_it_only_grows(
    azure: FakeAzure, pool: AksPool
) -> None:
    without_autoscaler(azure)
    live = state_of(pool)
    assert live.fields == {TARGET: 3}
    pool.set_target(5, "x")
    assert azure.settings["count"] == 5
    with pytest.raises(Invalid, match="Azure would choose"):
        pool.set_target(4, "x")
    with pytest.raises(Invalid, match="has no bounds"):
        pool.set_bounds(patch_of(state_of(pool), {MAXIMUM: 6}))
    assert azure.changes == ["PUT"]


@pytest.mark.parametrize(
    ("mode", "fields", "why"),
    [
        ("User", {MINIMUM: 9}, "above the maximum"),
        ("User", {MAXIMUM: 2}, "Azure would choose which go"),
        ("User", {TARGET: 5}, "an autoscaler fills"),
        ("System", {MINIMUM: 0}, "system pool"),
    ],
    ids=["minimum above maximum", "fewer than there are", "autoscaler's size", "empty system pool"],
)
def test_sizes_that_would_end_badly_are_refused(
    azure: FakeAzure, pool: AksPool, mode: str, fields: dict[FieldName, int], why: str
) -> None:
    azure.settings["mode"] = mode
    with pytest.raises(Invalid, match=why):
        pool.set_bounds(patch_of(state_of(pool), fields))
    assert azure.changes == []


def test_a_higher_minimum_takes_the_size_along(azure: FakeAzure, pool: AksPool) -> None:
    pool.set_bounds(patch_of(state_of(pool), {MINIMUM: 5}))
    assert azure.settings["count"] == 5


def test_a_value_that_is_too_long_for_a_tag_is_refused(azure: FakeAzure, pool: AksPool) -> None:
    live = state_of(pool)
    patch = Patch({}, {"nightshift/lease": "x" * 257}, live.resource_version, "x")
    with pytest.raises(Invalid, match="257 characters"):
        pool.set_bounds(patch)
    assert azure.changes == []


def test_a_user_pool_may_be_empty_and_a_system_pool_may_not(
    azure: FakeAzure, pool: AksPool
) -> None:
    assert pool_facts("general", pool).zero_ok
    azure.settings["mode"] = "System"
    facts = pool_facts("general", pool)
    assert (facts.zero_ok, facts.removes) == (False, True)


def test_exactly_the_named_machines_are_deleted_and_only_once(
    azure: FakeAzure, pool: AksPool
) -> None:
    pool.remove(["n2"], "lease")
    assert (azure.machines, azure.settings["count"]) == ({"n1", "n3"}, 2)
    pool.remove(["n2"], "lease")  # its node is still there
    pool.remove(["n1"], "lease")
    assert azure.changes == ["delete n2", "delete n1"]


def test_a_removal_waits_for_the_operation_before_it(
    azure: FakeAzure, pool: AksPool, hand: Hand
) -> None:
    azure.busy = 4
    azure.refusals = [refusal(409, "OperationNotAllowed", **{"Retry-After": "77"})]
    pool.remove(["n3"], "lease")
    assert azure.machines == {"n1", "n2"}
    assert 77.0 in hand.slept


def test_a_node_of_another_cloud_or_pool_is_refused_and_one_that_is_gone_is_done(
    azure: FakeAzure, pool: AksPool, cluster: Cluster
) -> None:
    pool.remove(["gone"], "lease")
    name_machine(cluster, "n1", "gce://p/z/n1")
    with pytest.raises(Invalid, match="no machine of ours"):
        pool.remove(["n1"], "lease")
    name_machine(cluster, "n3", "azure:///x/n3", kubernetes_azure_com__agentpool="other")
    with pytest.raises(Invalid, match="of the pool 'other'"):
        pool.remove(["n3"], "lease")
    assert azure.changes == []


def test_a_write_waits_for_the_operation_before_it_and_can_be_tried_again(
    azure: FakeAzure, pool: AksPool, hand: Hand
) -> None:
    live = state_of(pool)
    azure.busy = 5
    with pytest.raises(ClusterUnavailable, match="OperationNotAllowed"):
        pool.set_bounds(patch_of(live, {MAXIMUM: 5}))
    assert azure.changes == []
    hand.others.append(lambda: setattr(azure, "busy", 0))
    pool.set_bounds(patch_of(live, {MAXIMUM: 5}))
    assert azure.settings["maxCount"] == 5


def test_an_operation_that_does_not_end_is_told(azure: FakeAzure, pool: AksPool) -> None:
    azure.busy = 10_000
    with pytest.raises(ClusterUnavailable, match="general is Updating after 900 s"):
        pool.wait(pool.tempo)


def test_an_operation_that_failed_is_told_in_azures_words(azure: FakeAzure, pool: AksPool) -> None:
    without_autoscaler(azure)
    azure.ends, azure.error = "Failed", "the quota is used up"
    with pytest.raises(Invalid, match="says Failed: the quota is used up"):
        pool.set_target(4, "x")


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (401, Forbidden),
        (403, Forbidden),
        (404, NotFound),
        (409, ClusterUnavailable),
        (412, Conflict),
        (429, TooManyRequests),
        (503, ClusterUnavailable),
        (400, Invalid),
    ],
)
def test_what_azure_says_is_one_of_our_errors(
    azure: FakeAzure, pool: AksPool, status: int, ours: type[NightshiftError]
) -> None:
    azure.refusals = [refusal(status, "Code", **{"Retry-After": "7"})]
    with pytest.raises(ours, match=r"read the agent pool general: .*said Azure") as caught:
        pool.get_state()
    after = getattr(caught.value, "retry_after_seconds", 7.0)
    assert status == 412 or after == 7.0


def test_no_answer_can_be_tried_again(pool: AksPool) -> None:
    transport = pool.azure._client._pipeline._transport
    assert isinstance(transport, Loopback)
    transport.address = "http://127.0.0.1:9"
    with pytest.raises(ClusterUnavailable, match="does not answer"):
        pool.get_state()


@pytest.mark.parametrize(
    ("login", "problem"),
    [
        (ConnectionFacts("azure"), "lacks subscriptionId"),
        (ConnectionFacts("azure", login="id", extra={"subscriptionId": "s"}), "tenantId"),
    ],
    ids=["no subscription", "half an application"],
)
def test_a_connection_that_lacks_something_is_refused(
    cluster: Cluster, hand: Hand, login: ConnectionFacts, problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        build_driver(GENERAL, cluster, lambda _: login, tempo_of(hand))


def test_the_driver_is_built_from_a_connection(cluster: Cluster, hand: Hand) -> None:
    extra = {"subscriptionId": "s", "tenantId": "t"}
    whole = ConnectionFacts("azure", login="id", password="p", extra=extra)
    for login in (whole, replace(whole, login="", password="")):
        made = build_driver(GENERAL, cluster, {"azure": login}.__getitem__, tempo_of(hand))
        assert isinstance(made, AksPool)
        assert (made.group, made.cluster, made.pool) == ("rg", "prod", "general")
        made.azure.close()


def test_what_is_not_installed_is_named(
    cluster: Cluster, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nightshift.nodepools.azure_logins", None)
    with pytest.raises(ConfigError, match="azure-mgmt-containerservice azure-identity"):
        build_driver(GENERAL, cluster, lambda _: ConnectionFacts("azure"), tempo_of(hand))
