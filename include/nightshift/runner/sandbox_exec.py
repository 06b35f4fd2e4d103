"""Confines itself and becomes a scanner: the step between fork and exec, as a program of its own.

    python -I -S sandbox_exec.py SPEC_FD STATUS_FD

Standard library only, and little of it: this runs once a scan. The kernel objects (a Landlock
ruleset, a seccomp program) were made by ``sandbox``; here they are put in force, which is one
system call each, and then tried: a process that can still list ``/`` or open a socket does not
become a scanner. What is in force is written to STATUS_FD, which closes when the scanner starts.
See landlock(7), seccomp(2), capabilities(7), prctl(2).
"""
# ruff: noqa: PTH208 - pathlib would double the start-up time

import ctypes
import errno
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_LANDLOCK_RESTRICT_SELF = 446  # the same number on every architecture
_AF_INET, _SOCK_DGRAM = 2, 2
REFUSED = 126
"""Exit code when the confinement could not be put in force, so that nothing was started."""

_libc = ctypes.CDLL(None, use_errno=True)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main(argv: list[str]) -> int:
    """Confine this process and execute the scanner; returns only on failure."""
    spec_fd, status_fd = int(argv[0]), int(argv[1])
    os.set_inheritable(status_fd, False)
    try:
        with open(spec_fd, "rb") as file:
            spec = json.loads(file.readline())
            program = file.read()
        in_force = confine(spec, program)
        os.write(status_fd, json.dumps({"in_force": in_force}).encode())
        os.execve(spec["argv"][0], spec["argv"], spec["environment"])  # noqa: S606 - no shell is meant
    except Exception as error:  # noqa: BLE001 - the process's edge: whatever failed, nothing was started
        os.write(status_fd, b"\n" + json.dumps({"refused": f"{error}"[:500]}).encode())
    return REFUSED


def confine(spec: dict[str, Any], program: bytes) -> list[str]:
    """Put everything in force that ``spec`` names, and prove it.

    :param program: the seccomp filter; empty for none.
    :returns: names of what is in force, for people and for the store.
    :raises OSError: if the kernel refuses a step.
    :raises RuntimeError: if it said yes and the thing can be done all the same.
    """
    _call("prctl(PR_SET_PDEATHSIG)", _libc.prctl, _PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != spec["parent"]:
        raise RuntimeError("the runner is gone")
    os.umask(0o077)
    os.chdir(spec["directory"])
    for name, value in spec["limits"].items():
        _lower_limit(getattr(resource, name), value)
    _call("prctl(PR_SET_NO_NEW_PRIVS)", _libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities()
    in_force = ["rlimits", "no_new_privs", "no_capabilities"]
    if spec["ruleset_fd"] is not None:
        _restrict_files(spec["ruleset_fd"])
        in_force += spec["landlock"]
    if program:
        _load_filter(program)
        in_force.append("seccomp")
    return in_force


def _lower_limit(which: int, value: int) -> None:
    """Set both limits; a hard limit that is lower already stays."""
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _drop_capabilities() -> None:
    """Give up what uid 0 has, also in a user namespace; with no_new_privs, exec gives none back."""
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # refused by old kernels: fine
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    _call("capset", _libc.capset, ctypes.byref(header), ctypes.byref((_CapData * 2)()))


def _restrict_files(ruleset_fd: int) -> None:
    _call("landlock_restrict_self", _libc.syscall, _SYS_LANDLOCK_RESTRICT_SELF, ruleset_fd, 0)
    os.close(ruleset_fd)
    try:
        os.listdir("/")
    except PermissionError:
        return
    raise RuntimeError("Landlock said that it is in force, and / can be listed")


def _load_filter(program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_program = _FilterProgram(len(program) // 8, ctypes.addressof(buffer))
    reference = ctypes.byref(filter_program)
    _call("prctl(PR_SET_SECCOMP)", _libc.prctl, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, reference)
    if _libc.socket(_AF_INET, _SOCK_DGRAM, 0) >= 0 or ctypes.get_errno() != errno.EPERM:
        raise RuntimeError("seccomp said that it is in force, and a socket can be opened")


def _call(name: str, function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
