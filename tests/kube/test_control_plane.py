"""What the parts of a control plane are told."""

import json
from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tests.kube.certificates import make_authority
from tests.kube.control_plane import (
    LOOPBACK,
    Credentials,
    Place,
    Ports,
    api_server_command,
    bridge_place,
    controller_manager_command,
    etcd_command,
    loopback_place,
    make_credentials,
    scheduler_command,
)
from tests.kube.kubeconfigs import write_kubeconfig
from tests.kube.layout import Layout
from tests.kube.networks import Network
from tests.kube.options import Options
from tests.kube.states import READY, State, read_state, write_state

PORTS = Ports(etcd=1, etcd_peer=2, api=3, controllers=4, scheduler=5)
BRIDGE = bridge_place(Network(IPv4Network("10.80.0.0/16")), PORTS)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.of(tmp_path)


@pytest.fixture
def credentials(layout: Layout) -> Credentials:
    return make_credentials(layout, make_authority(layout.certificates), BRIDGE)


def read_flags(argv: Sequence[str]) -> dict[str, str]:
    words = [word.removeprefix("--").partition("=") for word in argv if word.startswith("--")]
    return {name: value for name, _, value in words}


@pytest.mark.parametrize("place", [loopback_place(PORTS), BRIDGE], ids=["loopback", "bridge"])
def test_nothing_listens_beyond_loopback_and_the_clusters_own_bridge(
    layout: Layout, credentials: Credentials, place: Place
) -> None:
    options = Options()
    commands = {
        "api": api_server_command(place, credentials, options),
        "controllers": controller_manager_command(place, credentials, options),
        "scheduler": scheduler_command(layout, place, credentials, options),
    }
    binds = {name: read_flags(argv)["bind-address"] for name, argv in commands.items()}
    loopback = str(LOOPBACK)
    assert binds == {"api": str(place.address), "controllers": loopback, "scheduler": loopback}
    etcd = read_flags(etcd_command(layout, place, options))
    assert etcd["listen-client-urls"] == "http://127.0.0.1:1"
    assert etcd["listen-peer-urls"] == "http://127.0.0.1:2"


def test_the_schedulers_fields_come_from_the_options_and_its_identity_does_not(
    layout: Layout, credentials: Credentials
) -> None:
    wanted = {"parallelism": 1, "clientConnection": {"qps": 7, "kubeconfig": "/elsewhere"}}
    argv = scheduler_command(layout, BRIDGE, credentials, Options(scheduler=wanted))
    config = json.loads(Path(read_flags(argv)["config"]).read_text())
    assert config["parallelism"] == 1
    assert config["clientConnection"] == {
        "qps": 7,
        "burst": 2000,
        "kubeconfig": str(credentials.scheduler),
    }
    assert config["leaderElection"] == {"leaderElect": False}


def test_more_arguments_come_last_so_that_they_win(
    layout: Layout, credentials: Credentials
) -> None:
    options = Options(arguments={"etcd": ["--a=1"], "kube-apiserver": ["--b=2"]})
    assert etcd_command(layout, BRIDGE, options)[-1] == "--a=1"
    assert api_server_command(BRIDGE, credentials, options)[-1] == "--b=2"


def test_keys_and_kubeconfigs_are_for_the_owner_only(
    layout: Layout, credentials: Credentials
) -> None:
    secrets = [*layout.certificates.glob("*.key"), *layout.certificates.glob("*.kubeconfig")]
    assert len(secrets) > 4
    assert {file.stat().st_mode & 0o777 for file in [*secrets, credentials.admin]} == {0o600}


def test_a_kubeconfig_holds_a_certificate_or_a_token(
    tmp_path: Path, credentials: Credentials
) -> None:
    def user(who: Any) -> dict[str, str]:
        file = write_kubeconfig(tmp_path / "k", "https://a:1", credentials.authority, who)
        config = json.loads(file.read_text())
        found: dict[str, str] = config["users"][0]["user"]
        return found

    assert user("secret") == {"token": "secret"}
    assert set(user(credentials.serving)) == {"client-certificate-data", "client-key-data"}


def test_a_state_is_read_as_it_was_written(layout: Layout) -> None:
    assert read_state(layout) is None
    state = State(READY, Options(feature_gates={"A": True}), BRIDGE, "v1.2.3", ("a.tar", "b.tar"))
    write_state(layout, state)
    assert read_state(layout) == state
