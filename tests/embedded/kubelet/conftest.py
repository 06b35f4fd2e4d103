"""A kubelet on a real store, without a server: driven from a plain test, step by step."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.embedded.kube.kubelet import MountMode
from nightshift.embedded.kube.kubelet.capabilities import find_capabilities
from tests.embedded.kubelet.bench import Bench, open_bench


def _refusal() -> str:
    found = asyncio.run(find_capabilities(MountMode.AUTO))
    return "" if found.namespaces else found.reason


@pytest.fixture(scope="session")
def namespaces_refused() -> str:
    """Why this kernel grants no namespaces, "" if it does."""
    return _refusal()


@pytest.fixture
def private_bench(tmp_path: Path, namespaces_refused: str) -> Iterator[Bench]:
    """Containers have private roots."""
    if namespaces_refused:
        pytest.skip(f"this kernel grants no namespaces: {namespaces_refused}")
    with open_bench(tmp_path, mounts=MountMode.NAMESPACES) as bench:
        yield bench


@pytest.fixture
def rewriting_bench(tmp_path: Path) -> Iterator[Bench]:
    """Mount paths are rewritten."""
    with open_bench(tmp_path, mounts=MountMode.REWRITE) as bench:
        yield bench


@pytest.fixture(params=["private roots", "rewritten paths"])
def bench(request: pytest.FixtureRequest) -> Bench:
    """Both ways in turn."""
    name = {"private roots": "private_bench", "rewritten paths": "rewriting_bench"}[request.param]
    found: Bench = request.getfixturevalue(name)
    return found
