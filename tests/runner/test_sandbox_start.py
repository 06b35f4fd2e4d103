"""What a start reports, and when there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from nightshift.runner.sandbox import (
    ConfinedCommand,
    ConfinedProcess,
    ConfinementRefused,
    ProcessLimits,
    Sandbox,
    Streams,
    detect_sandbox,
)
from nightshift.runner.scan_toolchain import Toolchain, read_toolchain


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return detect_sandbox()


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return read_toolchain(Path(sys.executable))


def test_what_is_in_force_is_named(sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path) -> None:
    process = start(sandbox, toolchain, tmp_path, "pass")

    assert process.in_force[:3] == ("rlimits", "no_new_privs", "no_capabilities")
    assert f"landlock:{sandbox.abi}" in process.in_force
    assert process.in_force[-1] == "seccomp"


def test_without_kernel_support_the_rest_is_in_force_and_the_lack_is_named(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    poor = Sandbox(abi=0, program=b"")

    process = start(poor, toolchain, tmp_path, "pass")

    assert poor.missing == ("landlock", "seccomp")
    assert process.in_force == ("rlimits", "no_new_privs", "no_capabilities")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(Sandbox(abi=0, program=bytes(8)), id="the kernel refuses the filter"),
        pytest.param(
            Sandbox(abi=0, program=bytes.fromhex("060000000000ff7f")),
            id="the filter lets everything pass",
        ),
    ],
)
def test_nothing_starts_when_a_part_cannot_be_put_in_force(
    broken: Sandbox, toolchain: Toolchain, tmp_path: Path
) -> None:
    with pytest.raises(ConfinementRefused, match=r"seccomp|SECCOMP"):
        start(broken, toolchain, tmp_path, "open('started', 'w')")

    assert not (tmp_path / "started").exists()


def test_a_program_that_is_not_there_is_a_refusal(sandbox: Sandbox, tmp_path: Path) -> None:
    command = ConfinedCommand(["/no/such"], {}, tmp_path, ProcessLimits(1, 1), write=[tmp_path])

    with pytest.raises(ConfinementRefused, match="No such file"):
        sandbox.start(command, Streams(subprocess.DEVNULL, subprocess.DEVNULL))


def start(sandbox: Sandbox, toolchain: Toolchain, folder: Path, code: str) -> ConfinedProcess:
    command = ConfinedCommand(
        argv=[str(toolchain.python), "-I", "-c", code],
        environment={},
        directory=folder,
        limits=ProcessLimits(file_bytes=1 << 20, cpu_seconds=30),
        run=toolchain.run,
        read=toolchain.read,
        write=[folder],
    )
    process = sandbox.start(command, Streams(subprocess.DEVNULL, subprocess.DEVNULL))
    process.popen.wait(timeout=30)
    return process
