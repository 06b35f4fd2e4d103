"""Who may talk to the server, and who may read its files."""

import datetime as dt
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography import x509

from nightshift.embedded.kube.background import BackgroundCluster
from nightshift.embedded.kube.tls import CA_DAYS, server_context
from nightshift.errors import ConfigError
from tests.embedded.api_support import PODS, Rest, open_rest

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
    ],
    ids=["no token", "wrong token", "empty token", "another scheme"],
)
@pytest.mark.parametrize("path", [PODS, "/healthz", "/version", "/apis", "/nonsense"])
def test_nothing_answers_without_the_token(
    cluster: BackgroundCluster, headers: dict[str, str], path: str
) -> None:
    with open_rest(cluster) as client:
        client.headers.pop("Authorization")
        response = client.get(path, headers=headers)
    assert response.status_code == 401
    assert (response.json()["kind"], response.json()["reason"]) == ("Status", "Unauthorized")


def test_certificate_is_refused_by_who_does_not_know_the_authority(
    cluster: BackgroundCluster,
) -> None:
    with (
        httpx.Client(verify=ssl.create_default_context()) as client,
        pytest.raises(httpx.ConnectError, match="certificate"),
    ):
        client.get(cluster.url)


def test_plain_http_is_not_spoken(cluster: BackgroundCluster) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(cluster.url.replace("https://", "http://"))


def test_server_listens_on_the_loopback_only(cluster: BackgroundCluster) -> None:
    port = httpx.URL(cluster.url).port
    assert port is not None
    listening = {
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    assert f"0100007F:{port:04X}" in listening
    assert f"00000000:{port:04X}" not in listening


def test_files_with_secrets_are_private(cluster: BackgroundCluster) -> None:
    folder = cluster.kubeconfig.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = ("kubeconfig", "token", "pki/ca.key", "pki/ca.crt", "pki/server.pem")
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in names}
    assert modes == dict.fromkeys(names, 0o600)


def test_kubeconfig_carries_all_that_a_client_needs(cluster: BackgroundCluster) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    assert config["clusters"][0]["cluster"]["server"] == cluster.url
    assert config["clusters"][0]["cluster"]["certificate-authority-data"]
    assert config["users"][0]["user"]["token"] == (cluster.kubeconfig.parent / "token").read_text()
    assert config["current-context"] == config["contexts"][0]["name"]


def test_restart_keeps_authority_and_token_and_forgets_old_versions(
    running_cluster: Any, tmp_path: Path
) -> None:
    first = running_cluster(controllers=False)
    folder = first.kubeconfig.parent
    before = {name: (folder / name).read_bytes() for name in ("token", "pki/ca.crt", "pki/ca.key")}
    with open_rest(first) as client:
        version = Rest(client).ok("GET", PODS)["metadata"]["resourceVersion"]
    first.stop()
    second = running_cluster(controllers=False)
    assert before == {name: (folder / name).read_bytes() for name in before}
    with open_rest(second) as client:
        watch = Rest(client).send("GET", f"{PODS}?watch=1&resourceVersion={version}")
    assert '"code":410' in watch.text


def test_second_cluster_in_the_same_folder_is_refused(running_cluster: Any) -> None:
    running_cluster(controllers=False)
    with pytest.raises(ConfigError, match="another local cluster uses this folder"):
        running_cluster(controllers=False)


def test_port_that_is_taken_is_named(running_cluster: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            running_cluster(controllers=False, port=port)


def test_authority_is_renewed_before_its_end(tmp_path: Path) -> None:
    _, first = server_context(tmp_path, NOW)
    _, kept = server_context(tmp_path, NOW + dt.timedelta(days=CA_DAYS - 31))
    _, renewed = server_context(tmp_path, NOW + dt.timedelta(days=CA_DAYS - 29))
    assert first == kept
    assert renewed != first


def test_server_certificate_names_the_loopback_and_nothing_else(tmp_path: Path) -> None:
    server_context(tmp_path, NOW)
    certificate = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    addresses = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "::1"]
