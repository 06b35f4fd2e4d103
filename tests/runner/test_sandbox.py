"""What a confined process can and cannot do, tried by the process itself."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from nightshift.runner.sandbox import (
    ConfinedCommand,
    ProcessLimits,
    Sandbox,
    Streams,
    detect_sandbox,
)
from nightshift.runner.scan_toolchain import Toolchain, read_toolchain

_TRY = """
import ctypes, errno, json, os, resource, signal, socket, sys
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)

def attempt(function, *arguments):
    try:
        answer = function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return answer if isinstance(answer, (int, str, list, dict)) else "done"

def call(name, *arguments):
    return attempt(lambda: check(getattr(libc, name)(*arguments)))

def check(result):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
"""


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    found = detect_sandbox()
    assert found.missing == (), "this machine's kernel or libseccomp cannot confine a process"
    return found


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return read_toolchain(Path(sys.executable))


class Cell:
    """Folders of one confined process, and a way to try things in it."""

    def __init__(self, sandbox: Sandbox, toolchain: Toolchain, folder: Path) -> None:
        self.sandbox, self.toolchain = sandbox, toolchain
        self.source, self.scratch, self.sibling = (
            folder / name for name in ("source", "scratch", "sibling")
        )
        for path in (self.source, self.scratch, self.sibling):
            path.mkdir()
            (path / "file").write_text(path.name, encoding="utf-8")

    def attempt(self, expression: str) -> Any:
        """Evaluate an expression in a confined Python; errors come back by their names."""
        names = {"source": self.source, "scratch": self.scratch, "sibling": self.sibling}
        lines = [f"{name} = Path({str(path)!r})" for name, path in names.items()]
        code = "\n".join([_TRY, *lines, f"print(json.dumps({textwrap.dedent(expression)}))"])
        return json.loads(self.run(["-I", "-c", code]))

    def run(self, arguments: Sequence[str], **environment: str) -> str:
        command = ConfinedCommand(
            argv=[str(self.toolchain.python), *arguments],
            environment=environment,
            directory=self.scratch,
            limits=ProcessLimits(file_bytes=1 << 20, cpu_seconds=30),
            run=self.toolchain.run,
            read=[*self.toolchain.read, self.source],
            write=[self.scratch],
        )
        process = self.sandbox.start(command, Streams(subprocess.PIPE, subprocess.PIPE))
        out, err = process.popen.communicate(timeout=30)
        assert process.popen.returncode == 0, err.decode()
        return out.decode()


@pytest.fixture
def cell(sandbox: Sandbox, toolchain: Toolchain, tmp_path: Path) -> Cell:
    return Cell(sandbox, toolchain, tmp_path)


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        pytest.param("attempt((source / 'file').read_text)", "source", id="reads its source"),
        pytest.param(
            "attempt((scratch / 'new').write_text, 'abc')", 3, id="writes in its own folder"
        ),
        pytest.param(
            "[os.mkdir(scratch / 'a'), attempt(os.rename, scratch / 'file', scratch / 'a/b')]",
            [None, "done"],
            id="moves files in its own folder",
        ),
        pytest.param("attempt(os.getcwd).endswith('scratch')", True, id="stands in its own folder"),
        pytest.param(
            "[s.close() for s in socket.socketpair()]", [None, None], id="has local pipes"
        ),
    ],
)
def test_a_confined_process_can(cell: Cell, expression: str, answer: object) -> None:
    assert cell.attempt(expression) == answer


@pytest.mark.parametrize(
    ("expression", "refusal"),
    [
        pytest.param("attempt(Path('/etc/shadow').read_text)", "EACCES", id="read /etc/shadow"),
        pytest.param("attempt(Path('/etc/hostname').read_text)", "EACCES", id="read /etc"),
        pytest.param("attempt(os.listdir, '/')", "EACCES", id="list the root"),
        pytest.param("attempt(os.listdir, '/proc')", "EACCES", id="list processes"),
        pytest.param(
            "attempt(Path(f'/proc/{os.getppid()}/environ').read_bytes)",
            "EACCES",
            id="read the runner's environment",
        ),
        pytest.param(
            "attempt(Path(f'/proc/{os.getppid()}/root/etc/passwd').read_text)",
            "EACCES",
            id="leave through /proc",
        ),
        pytest.param(
            "attempt((sibling / 'file').read_text)", "EACCES", id="read a sibling's source"
        ),
        pytest.param("attempt(os.listdir, sibling)", "EACCES", id="list a sibling"),
        pytest.param(
            "[os.symlink(sibling / 'file', scratch / 'l'), attempt((scratch / 'l').read_text)][1]",
            "EACCES",
            id="read a sibling through a link",
        ),
        pytest.param(
            "attempt(os.link, sibling / 'file', scratch / 'hard')",
            ("EACCES", "EXDEV"),
            id="link a sibling's file into its own folder",
        ),
        pytest.param("attempt((source / 'file').write_text, 'x')", "EACCES", id="write its source"),
        pytest.param("attempt(os.unlink, source / 'file')", "EACCES", id="delete its source"),
        pytest.param(
            "attempt(os.truncate, source / 'file', 0)", "EACCES", id="truncate its source"
        ),
        pytest.param("attempt(os.chmod, source / 'file', 0)", "EPERM", id="change a mode"),
        pytest.param("attempt(os.utime, source / 'file')", "EPERM", id="change a time"),
        pytest.param(
            "attempt(os.setxattr, source / 'file', 'user.a', b'b')", "EPERM", id="set an attribute"
        ),
        pytest.param("attempt(os.mkdir, sibling / 'x')", "EACCES", id="make a folder elsewhere"),
        pytest.param("attempt(os.execv, '/bin/sh', ['sh'])", "EACCES", id="start a shell"),
        pytest.param("attempt(os.kill, os.getppid(), 0)", "EPERM", id="signal the runner"),
        pytest.param("call('ptrace', 16, os.getppid(), 0, 0)", "EPERM", id="trace the runner"),
        pytest.param(
            "attempt(resource.prlimit, os.getppid(), resource.RLIMIT_CPU, (0, 0))",
            "EPERM",
            id="limit the runner",
        ),
        pytest.param("attempt(os.sched_setaffinity, os.getppid(), {0})", "EPERM", id="pin it"),
        pytest.param("attempt(socket.socket, socket.AF_INET)", "EPERM", id="IPv4"),
        pytest.param("attempt(socket.socket, socket.AF_INET6)", "EPERM", id="IPv6"),
        pytest.param(
            "attempt(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)", "EPERM", id="UDP"
        ),
        pytest.param(
            "attempt(socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)", "EPERM", id="netlink"
        ),
        pytest.param(
            "attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)", "EPERM", id="packets"
        ),
        pytest.param("attempt(socket.socket, socket.AF_UNIX)", "EPERM", id="a Unix socket"),
        pytest.param("call('syscall', 425, 8, None)", "EPERM", id="io_uring"),
        pytest.param("call('unshare', 0x10000000)", "EPERM", id="a user namespace"),
        pytest.param("call('syscall', 435, None, 0)", "ENOSYS", id="clone3"),
        pytest.param(
            "call('mount', b'none', str(scratch).encode(), b'tmpfs', 0, None)", "EPERM", id="mount"
        ),
        pytest.param("attempt(os.memfd_create, 'x')", "EPERM", id="hide a file in memory"),
        pytest.param("attempt(os.chroot, scratch)", "EPERM", id="chroot"),
        pytest.param("attempt(os.mkfifo, scratch / 'pipe')", "EACCES", id="make a named pipe"),
        pytest.param(
            "[signal.signal(signal.SIGXFSZ, signal.SIG_IGN),"
            " attempt((scratch / 'big').write_bytes, bytes(2 << 20))][1]",
            "EFBIG",
            id="write a file over its limit",
        ),
    ],
)
def test_a_confined_process_cannot(
    cell: Cell, expression: str, refusal: str | tuple[str, ...]
) -> None:
    assert cell.attempt(expression) in (refusal if isinstance(refusal, tuple) else (refusal,))


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_inherited_descriptors_do_not_reach_a_confined_process(
    cell: Cell, listener: socket.socket
) -> None:
    os.set_inheritable(listener.fileno(), True)

    held = cell.attempt("[n for n in range(3, 64) if attempt(os.fstat, n) != 'EBADF']")

    assert held == []


def test_a_confined_process_has_no_capabilities_and_gains_none(cell: Cell) -> None:
    header = "(ctypes.c_uint32 * 2)(0x20080522, 0)"
    read = f"[d := (ctypes.c_uint32 * 6)(), call('capget', {header}, d), list(d)][1:]"

    assert cell.attempt(read) == [0, [0] * 6]
    assert cell.attempt("call('prctl', 39, 0, 0, 0, 0)") == 1  # PR_GET_NO_NEW_PRIVS


def test_the_environment_is_what_was_given_and_nothing_else(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POD_SECRET", "x")

    seen = json.loads(
        cell.run(["-I", "-c", "import json, os; print(json.dumps(dict(os.environ)))"], A="b")
    )

    assert seen.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python sets it for itself
    assert seen == {"A": "b"}
