from collections.abc import Iterator
from pathlib import Path

import pytest

from nightshift.runner.sandbox import detect_sandbox
from nightshift.runner.scan_execution import Executor
from nightshift.runner.scan_toolchain import Toolchain, read_toolchain
from tests.runner.scan_support import scanner_python


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return read_toolchain(scanner_python())


@pytest.fixture
def executor(toolchain: Toolchain, tmp_path: Path) -> Iterator[Executor]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    yield Executor(detect_sandbox(), toolchain, scratch, should_stop=lambda: False)
    assert not list(scratch.iterdir()), "a run left its private folder behind"
