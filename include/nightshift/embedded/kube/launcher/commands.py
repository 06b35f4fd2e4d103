"""Start a command and stay with it: pass signals on, reap, tell how it ended."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # untyped C module; signal is slow to import
import os

from nightshift.embedded.kube.launcher import syscalls

TYPE_CHECKING = False  # the typing module would double the time of a start
if TYPE_CHECKING:
    from typing import NoReturn

    from nightshift.embedded.kube.launcher.plans import Plan

PASSED_ON = (_signal.SIGTERM, _signal.SIGUSR1, _signal.SIGALRM)
_IGNORED = (_signal.SIGPIPE, _signal.SIGXFSZ, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGHUP)
"""What Python, or a shell that started the cluster in the background, ignores; a container starts
with every signal's default, and a program cannot trap what was ignored when it began."""
_SIGNAL_BASE = 128


class StartFailure(Exception):
    """The command could not be executed; the text says why, as a container runtime would."""


def hold_signals() -> None:
    """Keep the kubelet's signals waiting until ``wait_for`` can pass them on."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, PASSED_ON)


def start_command(plan: Plan) -> int:
    """Fork and execute the plan's command; return its process id once exec has worked.

    :raises StartFailure: if it has not.
    """
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        _execute(plan, send)
    os.close(send)
    with os.fdopen(receive, "rb") as report:
        failure = report.read()
    if failure:
        os.waitpid(child, 0)
        raise StartFailure(failure.decode(errors="replace"))
    return child


def wait_for(child: int, kubelet: int | None) -> int:
    """Pass SIGTERM on, turn SIGUSR1 into SIGKILL, reap what ends, until ``child`` has ended.

    :param kubelet: the parent to look after each second where the kernel cannot tell of its end.
    :returns: the exit code; 128 + N after signal N.
    """

    def pass_on(number: int, _frame: object) -> None:
        if number == _signal.SIGALRM and os.getppid() == kubelet:
            return
        os.kill(child, _signal.SIGTERM if number == _signal.SIGTERM else _signal.SIGKILL)

    for number in PASSED_ON:
        _signal.signal(number, pass_on)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, PASSED_ON)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            _signal.pthread_sigmask(_signal.SIG_BLOCK, PASSED_ON)  # the id may be another's now
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _SIGNAL_BASE - code


def _execute(plan: Plan, report_fd: int) -> NoReturn:
    try:
        _become_command(plan)
        _exec(plan)
    except (OSError, ValueError) as error:
        os.write(report_fd, str(error).encode(errors="replace"))
    finally:
        os._exit(_SIGNAL_BASE - 1)


def _become_command(plan: Plan) -> None:
    os.setsid()
    if syscalls.IS_LINUX:
        syscalls.die_with_parent(_signal.SIGKILL)
    if plan["namespaces"]:
        syscalls.drop_capabilities()
    if plan["no_new_privileges"] and syscalls.IS_LINUX:
        syscalls.forbid_new_privileges()
    if plan["controlling_terminal"]:
        syscalls.take_terminal(0)
    for number in _IGNORED:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    os.umask(0o022)
    try:
        os.chdir(plan["cwd"])
    except OSError as error:
        raise OSError(f"chdir to {plan['cwd']!r}: {error.strerror}") from error


def _exec(plan: Plan) -> None:
    name = plan["argv"][0]
    try:
        os.execvpe(name, plan["argv"], plan["env"])  # noqa: S606 - an argv list, no shell
    except FileNotFoundError as error:
        where = "no such file or directory" if "/" in name else "executable file not found in $PATH"
        raise OSError(f'exec: "{name}": {where}') from error
    except OSError as error:
        raise OSError(f'exec: "{name}": {os.strerror(error.errno or 0).lower()}') from error
