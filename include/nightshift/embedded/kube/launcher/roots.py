"""A container's private root: the host's folders read-only, with volumes at their mount paths.

Built on a tmpfs in our own mount namespace and entered by pivot_root. Where a mount path does not
exist on the host, the folder above it is covered by a tmpfs that shows the same entries, so
nothing is ever created on the host outside of volumes.
"""
# pathlib is a slow import, and every container would pay for it:
# ruff: noqa: PTH102, PTH103, PTH112, PTH114, PTH115, PTH116, PTH118, PTH120, PTH208, PTH211

from __future__ import annotations

import os
import stat

from nightshift.embedded.kube.launcher import syscalls

TYPE_CHECKING = False  # the typing module would double the time of a start
if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightshift.embedded.kube.launcher.plans import Bind, Plan

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_OWN = ("proc", "dev")
_MOST_LINKS = 40  # as the kernel's


def enter_root(plan: Plan) -> None:
    """Build the root that ``plan`` describes and make it ours.

    :raises OSError: whatever the kernel refuses, and paths that are not what they must be.
    """
    root = plan["root"]
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    _Root(root, plan).build()
    syscalls.change_root(root)


class _Root:
    def __init__(self, root: str, plan: Plan) -> None:
        self._root = root
        self._plan = plan
        self._ours: set[int] = set()  # devices of the tmpfs that we made

    def build(self) -> None:
        self._mount_tmpfs(self._root)
        syscalls.mount("", self._root, flags=syscalls.MS_UNBINDABLE)  # no copy of us below us
        self._show_entries("/", self._root, skip=_OWN)
        for path in self._plan["hidden"]:
            if os.path.isdir(self._resolve(path)):
                self._mount_tmpfs(self._resolve(path))
        targets = {b["target"]: _is_folder(b) for b in self._plan["binds"]}
        for path, folder in [*targets.items(), (self._plan["cwd"], True)]:
            if not _is_nested(path, [*targets, "/dev"]):
                self._make_target(path, folder)
        syscalls.make_read_only(self._root)
        self._mount_devices()
        self._mount_proc()
        for wanted in self._plan["binds"]:
            self._mount_volume(wanted)
        self._hide_again()
        os.makedirs(self._resolve(self._plan["cwd"]), exist_ok=True)

    def _hide_again(self) -> None:
        """Hide what a host folder that is shown at its own place has brought back."""
        shown = [b["target"] for b in self._plan["binds"] if b["source"] == b["target"]]
        for path in self._plan["hidden"]:
            inside = self._resolve(path)
            if _is_nested(path, shown) and os.path.isdir(inside):
                self._mount_tmpfs(inside)
                syscalls.make_read_only(inside)

    def _mount_tmpfs(self, target: str) -> None:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("tmpfs", target, "tmpfs", flags, "mode=755,size=4m")
        self._ours.add(os.stat(target).st_dev)

    def _show_entries(self, source: str, target: str, skip: tuple[str, ...] = ()) -> None:
        """Make every entry of ``source`` visible in ``target``, an empty folder of ours."""
        for name in os.listdir(source):
            shown, mode = f"{target}/{name}", os.lstat(f"{source}/{name}").st_mode
            if name in skip:
                os.mkdir(shown)
            elif stat.S_ISLNK(mode):
                os.symlink(os.readlink(f"{source}/{name}"), shown)
            else:
                _make_empty(shown, stat.S_ISDIR(mode))
                syscalls.bind(f"{source}/{name}", shown)

    def _make_target(self, path: str, folder: bool) -> None:
        """Make sure that ``path`` exists in the root, without creating anything on the host."""
        for depth in range(1, path.count("/") + 1):
            part = "/".join(path.split("/")[: depth + 1])
            inside = self._resolve(part)
            if os.path.lexists(inside):
                continue
            self._cover(os.path.dirname(inside))
            _make_empty(self._resolve(part), folder or part != path)

    def _cover(self, folder: str) -> None:
        if os.stat(folder).st_dev in self._ours:
            return
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._mount_tmpfs(folder)
            self._show_entries(f"/proc/self/fd/{fd}", folder)
        finally:
            os.close(fd)

    def _resolve(self, path: str) -> str:
        """Follow the symbolic links of ``path`` as if the private root were the root already."""
        left, done, links = path.split("/"), "", 0
        while left:
            name = left.pop(0)
            if name in {"", "."}:
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{self._root}{done}/{name}"
            if not os.path.islink(here):
                done = f"{done}/{name}"
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(f"{path}: too many symbolic links")
            target = os.readlink(here)
            done = "" if target.startswith("/") else done
            left = target.split("/") + left
        return self._root + done

    def _mount_volume(self, wanted: Bind) -> None:
        target = self._resolve(wanted["target"])
        if not os.path.lexists(target):  # nested: made in the volume around it, as runtimes do
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _make_empty(target, _is_folder(wanted))
        fd = open_inside(wanted["source"], wanted["inside"])
        try:
            syscalls.bind(f"/proc/self/fd/{fd}", target)
        finally:
            os.close(fd)
        if wanted["read_only"]:
            syscalls.make_read_only(target)

    def _mount_devices(self) -> None:
        devices = f"{self._root}/dev"
        self._mount_tmpfs(devices)
        for name in _DEVICES:
            _make_empty(f"{devices}/{name}", False)
            syscalls.bind(f"/dev/{name}", f"{devices}/{name}")
        for name, points_to in _DEVICE_LINKS.items():
            os.symlink(points_to, f"{devices}/{name}")
        os.mkdir(f"{devices}/pts")
        syscalls.bind("/dev/pts", f"{devices}/pts")
        os.mkdir(f"{devices}/shm")
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("shm", f"{devices}/shm", "tmpfs", flags, "mode=1777,size=64m")

    def _mount_proc(self) -> None:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        if self._plan["pid_namespace"]:
            syscalls.mount("proc", f"{self._root}/proc", "proc", flags)
        else:
            syscalls.bind("/proc", f"{self._root}/proc")


def open_inside(folder: str, path: str) -> int:
    """Open ``path`` below ``folder`` for mounting, following no symbolic link below it.

    Why: what is in a volume may be a stranger's; between the kubelet's check and the mount a link
    could have taken a folder's place (CVE-2017-1002101).

    :raises OSError: if it is not there, or if a link is in the way.
    """
    fd = os.open(folder, os.O_PATH)
    for name in path.split("/") if path else []:
        try:
            inner = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(f"{path}: {name} is a symbolic link")
    return fd


def _is_nested(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _is_folder(wanted: Bind) -> bool:
    return os.path.isdir(os.path.join(wanted["source"], wanted["inside"]))


def _make_empty(path: str, folder: bool) -> None:
    if folder:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
