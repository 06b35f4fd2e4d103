"""A stack whose pods run on a cluster of the user's own: what is refused before anything starts."""

import io
import socket
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from nightshift.cli import main
from nightshift.cli.shell import Shell
from nightshift.cli.stack import make_layout, make_options, on_cluster
from nightshift.errors import ConfigError


def run(*arguments: str) -> tuple[int, str]:
    said = io.StringIO()
    console = Console(file=said, soft_wrap=True, width=400)
    return main(arguments, Shell({}, out=console, err=console)), said.getvalue()


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text("{}")
    return file


@pytest.mark.parametrize("command", ["up", "demo"])
@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--database-address", "10.0.0.1"], "is for pods of --kubeconfig"),
        (["--kubeconfig", "/nowhere/config"], "is no file"),
        (["--kubeconfig", "KUBECONFIG"], "expected an IPv4 address of this machine"),
        (["--kubeconfig", "KUBECONFIG", "--database-address", "127.0.0.1"], "expected an IPv4"),
        (["--kubeconfig", "KUBECONFIG", "--database-address", "192.0.2.1"], "expected an IPv4"),
        (["--kubeconfig", "KUBECONFIG", "--database-address", "db.example"], "expected an IPv4"),
    ],
    ids=["no cluster", "no file", "no address", "loopback", "another machine's", "a name"],
)
def test_a_cluster_that_cannot_be_used_is_refused(
    command: str, options: list[str], advice: str, kubeconfig: Path, tmp_path: Path
) -> None:
    words = [str(kubeconfig) if word == "KUBECONFIG" else word for word in options]
    code, said = run(command, "--data", str(tmp_path / "data"), *words)
    assert code == 1
    assert advice in said
    assert not (tmp_path / "data").exists()


def test_samples_that_pods_do_not_see_are_refused_before_anything_starts(
    kubeconfig: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    words = ["--kubeconfig", str(kubeconfig), "--database-address", own_address()]
    code, said = run("demo", "--once", "--data", str(data), *words)
    assert code == 1
    assert "give --repositories" in said
    assert not data.exists()


def test_options_name_the_cluster_and_the_address(kubeconfig: Path, tmp_path: Path) -> None:
    layout = make_layout(tmp_path)
    plain = make_options(layout, 0, None, None, [])
    assert on_cluster(plain, None, "") == plain
    own = on_cluster(plain, kubeconfig, own_address())
    assert (own.kubeconfig, own.database_address) == (kubeconfig, own_address())
    with pytest.raises(ConfigError):
        on_cluster(plain, kubeconfig, "")


def own_address() -> str:
    """Give an address of this machine that is not loopback."""
    links = psutil.net_if_addrs().values()
    found = (one.address for link in links for one in link if one.family is socket.AF_INET)
    return next(address for address in found if not address.startswith("127."))
