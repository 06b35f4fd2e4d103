"""What a cluster may be started with."""

import json
from pathlib import Path

import pytest

from tests.kube.__main__ import parse_arguments, parse_gates
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout, cache_folder, default_data
from tests.kube.options import FakeNodes, Options

FULL = Options(
    nodes=3,
    fake_nodes=FakeNodes(5, "8", "32Gi"),
    scanner=True,
    arguments={"kubelet": ("--v=4",)},
    without=("kwok", "kube-scheduler"),
    scheduler={"parallelism": 1, "profiles": [{"schedulerName": "a"}]},
    feature_gates={"B": True, "A": False},
)


def test_options_survive_the_state_file() -> None:
    kept = json.loads(json.dumps(FULL.to_json()))
    assert Options.from_json(kept).to_json() == FULL.to_json()
    assert Options().to_json() != FULL.to_json()


def test_gates_are_one_argument_and_none_is_none() -> None:
    assert FULL.gates() == ["--feature-gates=A=false,B=true"]
    assert Options().gates() == []


@pytest.mark.parametrize(
    ("options", "has"),
    [
        (Options(), False),
        (Options(fake_nodes=FakeNodes(1)), True),
        (Options(fake_only=True), True),
        (Options(fake_only=True, without=("kwok",)), False),
    ],
    ids=["real only", "both", "fake only", "left out"],
)
def test_kwok_runs_where_there_may_be_fake_nodes(options: Options, has: bool) -> None:
    assert options.has_kwok is has


@pytest.mark.parametrize(
    "wrong",
    [
        {"arguments": {"kube-proxy": ["--v=1"]}},
        {"without": ("etcd",)},
        {"nodes": -1},
        {"fake_only": True, "scanner": True},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(HarnessError):
        Options(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_command_line_gates_and_arguments() -> None:
    assert parse_gates(["A=true", "B=false"]) == {"A": True, "B": False}
    assert parse_arguments(["kubelet=--v=4", "kubelet=--x", "etcd=-y"]) == {
        "kubelet": ["--v=4", "--x"],
        "etcd": ["-y"],
    }
    for text in ("A", "A=yes", "=true"):
        with pytest.raises(HarnessError, match="--feature-gate"):
            parse_gates([text])
    with pytest.raises(HarnessError, match="PART=--flag"):
        parse_arguments(["kubelet=v"])


def test_clusters_of_different_folders_share_no_name() -> None:
    one, two = Layout.of(Path("/a/one")), Layout.of(Path("/a/two"))
    assert one.identity != two.identity
    assert {one.bridge, one.cgroup, one.link(1)}.isdisjoint({two.bridge, two.cgroup, two.link(1)})
    assert len(one.link(100)) <= 15, "the kernel's limit for a network device"


@pytest.mark.parametrize("folder", ["/run/x", "/proc/x", "/dev/shm/x"])
def test_folders_that_nodes_do_not_see_are_refused(folder: str) -> None:
    with pytest.raises(HarnessError, match="choose a folder outside"):
        Layout.of(Path(folder))


def test_folders_by_default() -> None:
    checkout = Path("/c")
    fake, real = (default_data(checkout, fake_only=only) for only in (True, False))
    assert fake != real
    assert fake.parent == real.parent == checkout / ".nightshift-kube"
    assert cache_folder({"HOME": "/h"}) == Path("/h/.cache/nightshift/kube")
    assert cache_folder({"HOME": "/h", "XDG_CACHE_HOME": "/x"}) == Path("/x/nightshift/kube")
