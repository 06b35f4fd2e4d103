"""The system calls that no scanner needs, as a seccomp filter in the kernel's own form.

Built once a pod with libseccomp and handed to each scanner's launcher as bytes, so that starting a
scanner costs no library. A list of refusals, not of permissions: scanners are foreign binaries
that change their habits, and Landlock holds the files. See seccomp(2), seccomp_rule_add(3).
"""

import errno
import importlib
import os
import socket
from types import ModuleType
from typing import Any

REFUSED = (
    # the network: no socket of any family; socketpair stays, for local pipes (see _add_socketpair)
    "socket",
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise",
    "migrate_pages", "move_pages", "setpriority", "ioprio_set",
    # modes, owners and times, which Landlock does not guard
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr",
    "utime", "utimes", "utimensat", "futimesat",
    # calls that bypass other checks, or that exploits begin with
    "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "userfaultfd",
    "perf_event_open", "memfd_secret", "open_by_handle_at", "name_to_handle_at", "fanotify_init",
    # mounts and namespaces
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig",
    "fsmount", "fspick", "mount_setattr", "unshare", "setns",
    # keys, modules, the clock, the machine
    "keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "syslog",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
    "ioperm", "iopl", "vhangup",
    # memory and queues that outlive a process and count as nobody's
    "shmget", "semget", "msgget", "mq_open", "memfd_create",
)  # fmt: skip
NAMESPACES = (
    0x00020000,  # CLONE_NEWNS
    0x02000000,  # CLONE_NEWCGROUP
    0x04000000,  # CLONE_NEWUTS
    0x08000000,  # CLONE_NEWIPC
    0x10000000,  # CLONE_NEWUSER
    0x20000000,  # CLONE_NEWPID
    0x40000000,  # CLONE_NEWNET
)
TIOCSTI = 0x5412
"""ioctl that types into a terminal, as if its user had."""
_UNKNOWN = -1
"""What libseccomp answers for a name that it does not know."""


def build_filter() -> bytes | None:
    """Compile the filter for this machine; None where libseccomp is not installed.

    :returns: an array of ``struct sock_filter``, for seccomp(2) and prctl(2).
    """
    library = _import_pyseccomp()
    if library is None:
        return None
    seccomp_filter = library.SyscallFilter(library.ALLOW)
    refuse = library.ERRNO(errno.EPERM)
    for name in REFUSED:
        if library.resolve_syscall(library.Arch.NATIVE, name) != _UNKNOWN:
            seccomp_filter.add_rule(refuse, name)
    _add_arguments(library, seccomp_filter)
    return _export(seccomp_filter)


def _import_pyseccomp() -> ModuleType | None:
    """Import pyseccomp, which raises where the C library is missing."""
    try:
        return importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError, OSError):
        return None


def _add_arguments(library: Any, seccomp_filter: Any) -> None:  # noqa: ANN401 - it ships no types
    """Refuse calls by what they are given."""
    refuse = library.ERRNO(errno.EPERM)
    seccomp_filter.add_rule(refuse, "socketpair", library.Arg(0, library.NE, int(socket.AF_UNIX)))
    seccomp_filter.add_rule(refuse, "ioctl", library.Arg(1, library.MASKED_EQ, 0xFFFFFFFF, TIOCSTI))
    for name in ("prlimit64", "sched_setaffinity"):  # on itself (0), not on the runner
        seccomp_filter.add_rule(refuse, name, library.Arg(0, library.NE, 0))
    for flag in NAMESPACES:
        seccomp_filter.add_rule(refuse, "clone", library.Arg(0, library.MASKED_EQ, flag, flag))
    # Its arguments lie behind a pointer, where a filter cannot look; ENOSYS makes libc use clone.
    seccomp_filter.add_rule(library.ERRNO(errno.ENOSYS), "clone3")


def _export(seccomp_filter: Any) -> bytes:  # noqa: ANN401 - it ships no types
    descriptor = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        seccomp_filter.export_bpf(file)
        file.seek(0)
        return file.read()
