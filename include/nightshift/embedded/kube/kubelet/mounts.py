"""Which folders a container sees where: its volumes, its image's folders, its own writable ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.environments import expand
from nightshift.embedded.kube.kubelet.faults import ConfigFault
from nightshift.embedded.kube.kubelet.options import Image
from nightshift.embedded.kube.kubelet.subpaths import resolve_sub_path
from nightshift.embedded.kube.kubelet.volumes import PreparedVolume

HOME = "/home/nonroot"
SCRATCH = ("/tmp", "/var/tmp")  # noqa: S108 - names inside the container
TERMINATION_LOG = "/dev/termination-log"
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_DUMMY_TOKEN = "pods of the embedded cluster have no account\n"  # noqa: S105 - none


@dataclass(frozen=True, slots=True)
class Mount:
    """One folder or file of the host at a path of the container.

    :param inside: below ``source``, free of links; "" is all of it.
    """

    source: Path
    target: str
    read_only: bool
    inside: str = ""

    @property
    def place(self) -> Path:
        """The real path."""
        return self.source / self.inside


@dataclass(frozen=True, slots=True)
class Layer:
    """The folders of one run of a container, removed with it.

    :param folder: a real path.
    """

    folder: Path

    @property
    def root(self) -> Path:
        """An empty folder to build the private root on."""
        return self.folder / "root"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.folder / "home"

    @property
    def termination_log(self) -> Path:
        """The file whose text becomes the status' message."""
        return self.folder / "termination-log"

    def scratch(self, path: str) -> Path:
        """Name the writable folder behind ``path``."""
        return self.folder / path.strip("/").replace("/", "-")

    def make(self) -> None:
        """Make all of them."""
        for folder in (self.root, self.home, *map(self.scratch, SCRATCH)):
            folder.mkdir(parents=True, exist_ok=True)
        for path in SCRATCH:
            self.scratch(path).chmod(0o1777)
        self.termination_log.touch(mode=0o666)


def is_root_read_only(container: Object) -> bool:
    """Tell whether the container may write to volumes only."""
    return bool((container.get("securityContext") or {}).get("readOnlyRootFilesystem"))


def plan_mounts(
    container: Object,
    volumes: Mapping[str, PreparedVolume],
    env: Mapping[str, str],
    image: Image,
    layer: Layer,
) -> list[Mount]:
    """List what the container sees, outer folders before inner ones.

    :raises ConfigFault: a mount names no volume, or a subPath is refused.
    """
    asked = [_plan_volume(m, volumes, env) for m in container.get("volumeMounts") or []]
    taken = {mount.target for mount in asked}
    folders = [
        Mount(path.resolve(), target, read_only=True) for target, path in image.folders.items()
    ]
    read_only = is_root_read_only(container)
    own = [
        Mount(layer.home, HOME, read_only),
        *(Mount(layer.scratch(path), path, read_only) for path in SCRATCH),
        Mount(layer.termination_log, termination_path(container), read_only=False),
    ]
    mounts = [*folders, *asked, *(mount for mount in own if mount.target not in taken)]
    return sorted(mounts, key=lambda mount: len(PurePosixPath(mount.target).parts))


def termination_path(container: Object) -> str:
    """Tell where the container leaves its last words."""
    return _normalize(container.get("terminationMessagePath") or TERMINATION_LOG)


def token_mount(folder: Path, namespace: str) -> Mount:
    """Make the folder of a service account's token; what it holds opens nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(_DUMMY_TOKEN)
    (folder / "namespace").write_text(namespace)
    return Mount(folder.resolve(), TOKEN_FOLDER, read_only=True)


def find_covered(visible: Sequence[Path], covers: Sequence[str]) -> list[Mount]:
    """List the folders that must be shown again because one of ``covers`` hides them."""
    covered = [path for path in visible if any(path.is_relative_to(cover) for cover in covers)]
    return [Mount(path, str(path), read_only=True) for path in covered]


def program_folders(image: Image) -> list[Path]:
    """List the host folders of the image's programs: virtual environments whole, PYTHONPATH."""
    roots = [
        folder.parent if (folder.parent / "pyvenv.cfg").is_file() else folder
        for folder in image.path_dirs
    ]
    modules = [Path(p) for p in image.env.get("PYTHONPATH", "").split(":") if p.startswith("/")]
    return [*roots, *modules, *image.visible]


def _plan_volume(
    mount: Object, volumes: Mapping[str, PreparedVolume], env: Mapping[str, str]
) -> Mount:
    volume = volumes.get(mount["name"])
    if volume is None:
        raise ConfigFault(f'cannot find volume "{mount["name"]}" to mount')
    sub_path = mount.get("subPath") or expand(mount.get("subPathExpr") or "", env)
    read_only = bool(mount.get("readOnly")) or volume.read_only
    target = _normalize(mount["mountPath"])
    inside = str(resolve_sub_path(volume.path, sub_path)) if sub_path else ""
    return Mount(volume.path, target, read_only, "" if inside == "." else inside)


def _normalize(path: str) -> str:
    """Write an absolute path in its shortest form.

    :raises ConfigFault: relative paths, the root, and ``..``.
    """
    pure = PurePosixPath("/", path)
    if ".." in pure.parts or len(pure.parts) < len(("/", "name")):
        raise ConfigFault(f"mount path {path!r} must be absolute, below / and without '..'")
    return str(pure)
