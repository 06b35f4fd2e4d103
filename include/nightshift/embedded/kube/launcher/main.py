"""The launcher's course: read the plan, make namespaces, start the command, end as it ended.

With a PID namespace there are two launcher processes: the outer one, which the kubelet knows, and
the namespace's init. When init ends the kernel kills all that is in the namespace. The outer one
dies with the kubelet (PR_SET_PDEATHSIG) and init dies with the outer one.

Without one, a single process adopts all orphans of the command (PR_SET_CHILD_SUBREAPER) and kills
its descendants when the command ends, when it is told to, or when the kubelet is gone.

The kubelet sends SIGTERM, which the command gets, or SIGUSR1, which ends everything at once. What
happened goes to the report pipe, a line each: ``init PID``, and ``started`` or ``failed WHY``.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # untyped C module; signal is slow to import
import marshal
import os

from nightshift.embedded.kube.launcher import commands, descendants, roots, syscalls

TYPE_CHECKING = False  # the typing module would double the time of a start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from nightshift.embedded.kube.launcher.plans import Plan

START_FAILED = 128
_PARENT_CHECK_SECONDS = 1.0


def main(plan_fd: int, report_fd: int, kubelet: int) -> NoReturn:
    """Run the plan that ``plan_fd`` holds; never returns. The command gets descriptors 0 to 2.

    :param kubelet: our parent's process id, to notice that it was gone before we were ready.
    """
    commands.hold_signals()
    os.set_inheritable(report_fd, False)
    _end_after(lambda: _run(_read_plan(plan_fd), report_fd, kubelet), report_fd)


def _end_after(run: Callable[[], int], report_fd: int) -> NoReturn:
    code = START_FAILED
    try:
        code = run()
    except (OSError, commands.StartFailure) as error:
        _report(report_fd, f"failed {error}")
    finally:
        os._exit(code)


def _read_plan(fd: int) -> Plan:
    with os.fdopen(fd, "rb") as file:
        plan: Plan = marshal.load(file)  # noqa: S302 - our parent wrote it, to a file without a name
    return plan


def _run(plan: Plan, report_fd: int, kubelet: int) -> int:
    if plan["join"]:
        _join(plan)
    elif plan["namespaces"]:
        _make_namespaces(plan)
    _follow(plan, kubelet)
    if plan["pid_namespace"] and not plan["join"]:
        return _run_in_pid_namespace(plan, report_fd)
    return _run_here(plan, report_fd, kubelet)


def _make_namespaces(plan: Plan) -> None:
    uid, gid = os.geteuid(), os.getegid()
    flags = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS
    syscalls.unshare(flags | (syscalls.CLONE_NEWPID if plan["pid_namespace"] else 0))
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def _join(plan: Plan) -> None:
    if not plan["namespaces"]:
        return
    kinds = ["user", "uts", *(["pid"] if plan["pid_namespace"] else []), "mnt"]
    fds = [os.open(f"/proc/{plan['join']}/ns/{kind}", os.O_RDONLY) for kind in kinds]
    for fd in fds:
        syscalls.enter_namespace(fd)
        os.close(fd)


def _follow(plan: Plan, kubelet: int) -> None:
    """End when the kubelet ends: by the kernel's word on Linux, else by looking each second."""
    if syscalls.IS_LINUX:
        syscalls.die_with_parent(_signal.SIGKILL if plan["pid_namespace"] else _signal.SIGUSR1)
    else:
        _signal.setitimer(_signal.ITIMER_REAL, _PARENT_CHECK_SECONDS, _PARENT_CHECK_SECONDS)
    if os.getppid() != kubelet:
        raise OSError("the kubelet has ended")


def _run_in_pid_namespace(plan: Plan, report_fd: int) -> int:
    alive, ours = os.pipe()
    init = os.fork()
    if init == 0:
        os.close(ours)
        _end_after(lambda: _run_as_init(plan, report_fd, alive), report_fd)
    os.close(alive)
    _report(report_fd, f"init {init}")
    return commands.wait_for(init, None)


def _run_as_init(plan: Plan, report_fd: int, alive: int) -> int:
    syscalls.die_with_parent(_signal.SIGKILL)
    os.set_blocking(alive, False)
    try:
        os.read(alive, 1)
    except BlockingIOError:  # its other end is open: our parent lives
        os.close(alive)
        return _enter_and_run(plan, report_fd)
    raise OSError("the launcher has ended")


def _run_here(plan: Plan, report_fd: int, kubelet: int) -> int:
    """Run without an init of our own: beside a container, or without a PID namespace."""
    _report(report_fd, f"init {os.getpid()}")
    if plan["join"] and plan["pid_namespace"]:
        return _start_and_wait(plan, report_fd, kubelet)
    if syscalls.IS_LINUX:
        syscalls.adopt_orphans()
    try:
        return _enter_and_run(plan, report_fd, kubelet)
    finally:
        if syscalls.IS_LINUX:
            descendants.kill_descendants()


def _enter_and_run(plan: Plan, report_fd: int, kubelet: int | None = None) -> int:
    if plan["namespaces"] and not plan["join"]:
        syscalls.set_hostname(plan["hostname"])
        roots.enter_root(plan)
    if not plan["argv"]:
        return 0
    return _start_and_wait(plan, report_fd, kubelet)


def _start_and_wait(plan: Plan, report_fd: int, kubelet: int | None) -> int:
    command = commands.start_command(plan)
    _report(report_fd, "started")
    code = commands.wait_for(command, kubelet)
    if not syscalls.IS_LINUX:
        descendants.kill_group(command)
    return code


def _report(fd: int, line: str) -> None:
    os.write(fd, line.replace("\n", " ").encode(errors="replace") + b"\n")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
