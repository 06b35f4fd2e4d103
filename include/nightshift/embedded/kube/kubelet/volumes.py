"""A pod's volumes as folders of this machine.

Secrets, config maps and the downward API are written once, when the pod starts; Kubernetes would
also follow later changes.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nightshift.embedded.kube.interfaces import Object, ObjectStore
from nightshift.embedded.kube.kubelet.environments import read_data, read_field, read_resource
from nightshift.embedded.kube.kubelet.faults import ConfigFault, VolumeFault

_DEFAULT_MODES = {"secret": 0o400, "configMap": 0o644, "downwardAPI": 0o644, "projected": 0o644}
_OPEN_TO_ALL = 0o777
_DUMMY_TOKEN = b"embedded-cluster-pods-have-no-account\n"


@dataclass(frozen=True, slots=True)
class PreparedVolume:
    """A volume that can be mounted. ``path`` is a real path: a folder, or a file of a hostPath."""

    path: Path
    read_only: bool = False


def prepare_volumes(pod: Object, folder: Path, store: ObjectStore) -> Mapping[str, PreparedVolume]:
    """Make every volume of ``pod``, those of its own below ``folder``.

    :raises VolumeFault: in Kubernetes' words, if one cannot be had (yet).
    """
    source = _Sources(pod, folder, store)
    return {v["name"]: source.prepare(v) for v in pod["spec"].get("volumes") or []}


class _Sources:
    def __init__(self, pod: Object, folder: Path, store: ObjectStore) -> None:
        self._pod = pod
        self._folder = folder
        self._store = store
        self._namespace = pod["metadata"].get("namespace", "")

    def prepare(self, volume: Object) -> PreparedVolume:
        kind = next((k for k in volume if k != "name"), "emptyDir")
        spec = volume.get(kind) or {}
        try:
            match kind:
                case "emptyDir":
                    return PreparedVolume(self._make_empty(volume["name"]))
                case "hostPath":
                    return PreparedVolume(_check_host_path(spec))
                case "persistentVolumeClaim":
                    return self._find_claimed(spec)
                case "secret" | "configMap" | "downwardAPI" | "projected":
                    return self._write_files(volume["name"], kind, spec)
        except (OSError, ConfigFault) as error:
            text = str(error)
            raise VolumeFault(_failed(volume["name"], text)) from error
        raise VolumeFault(_failed(volume["name"], f"no volume plugin matched: {kind}"))

    def _make_empty(self, name: str) -> Path:
        path = self._folder / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(_OPEN_TO_ALL)
        return path.resolve()

    def _find_claimed(self, spec: Object) -> PreparedVolume:
        name = spec["claimName"]
        claim = self._store.find("persistentvolumeclaims", name, self._namespace)
        if claim is None:
            raise ConfigFault(f'persistentvolumeclaim "{name}" not found')
        bound = (claim.get("spec") or {}).get("volumeName")
        volume = self._store.find("persistentvolumes", bound) if bound else None
        if volume is None or (claim.get("status") or {}).get("phase") != "Bound":
            raise ConfigFault(f'PVC "{self._namespace}/{name}" is not bound')
        source = volume["spec"]
        if "hostPath" in source:
            path = _check_host_path(source["hostPath"])
        elif "local" in source:
            path = _check_host_path({**source["local"], "type": "Directory"})
        else:
            raise ConfigFault(f'persistentvolume "{bound}" has neither hostPath nor local')
        return PreparedVolume(path, bool(spec.get("readOnly")))

    def _write_files(self, name: str, kind: str, spec: Object) -> PreparedVolume:
        default = int(spec.get("defaultMode") or _DEFAULT_MODES[kind])
        parts = spec.get("sources") or [] if kind == "projected" else [{kind: spec}]
        files: dict[str, tuple[bytes, int]] = {}
        for part in parts:
            for part_kind, part_spec in part.items():
                files |= self._collect(part_kind, part_spec or {}, default)
        path = self._folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        for relative, (content, mode) in files.items():
            _write(path, relative, content, mode)
        return PreparedVolume(path.resolve(), read_only=True)

    def _collect(self, kind: str, spec: Object, mode: int) -> dict[str, tuple[bytes, int]]:
        match kind:
            case "secret" | "configMap":
                return self._collect_data(kind, spec, mode)
            case "downwardAPI":
                items = spec.get("items") or []
                return {i["path"]: (self._read_item(i), i.get("mode") or mode) for i in items}
            case "serviceAccountToken":
                return {spec.get("path", "token"): (_DUMMY_TOKEN, mode)}
        raise ConfigFault(f"unsupported projected source: {kind}")

    def _collect_data(self, kind: str, spec: Object, mode: int) -> dict[str, tuple[bytes, int]]:
        stored = {"secret": "secrets", "configMap": "configmaps"}[kind]
        name = spec.get("secretName") or spec.get("name", "")
        obj = self._store.find(stored, name, self._namespace)
        if obj is None:
            if spec.get("optional"):
                return {}
            raise ConfigFault(f'{stored[:-1]} "{name}" not found')
        data = read_data(stored, obj)
        if not spec.get("items"):
            return {key: (value, mode) for key, value in data.items()}
        missing = [i["key"] for i in spec["items"] if i["key"] not in data]
        if missing and not spec.get("optional"):
            raise ConfigFault(f"references non-existent {kind} key: {missing[0]}")
        wanted = [i for i in spec["items"] if i["key"] in data]
        return {i["path"]: (data[i["key"]], i.get("mode") or mode) for i in wanted}

    def _read_item(self, item: Object) -> bytes:
        if "fieldRef" in item:
            return read_field(item["fieldRef"].get("fieldPath", ""), self._pod).encode()
        reference = item.get("resourceFieldRef") or {}
        named = [
            c
            for c in self._pod["spec"]["containers"]
            if c["name"] == reference.get("containerName")
        ]
        if not named:
            raise ConfigFault("resourceFieldRef of a volume needs a containerName of the pod")
        return read_resource(reference, named[0]).encode()


def _check_host_path(spec: Object) -> Path:
    """Find a hostPath, made if its type allows.

    :raises ConfigFault: if it is not what its type says.
    """
    path, kind = Path(spec.get("path", "")), spec.get("type") or ""
    if not path.is_absolute():
        raise ConfigFault(f"hostPath {str(path)!r} is not absolute")
    if kind in {"", "DirectoryOrCreate"} and not path.exists():
        path.mkdir(parents=True)
    if kind == "FileOrCreate" and not path.exists():
        path.touch()
    is_folder, is_file = path.is_dir(), path.is_file()
    wants_folder, wants_file = kind.startswith("Directory"), kind.startswith("File")
    if (wants_folder and not is_folder) or (wants_file and not is_file):
        noun = "directory" if wants_folder else "file"
        raise ConfigFault(f"hostPath type check failed: {path} is not a {noun}")
    return path.resolve()


def _write(folder: Path, relative: str, content: bytes, mode: int) -> None:
    inside = PurePosixPath(relative)
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        raise ConfigFault(f"invalid path: {relative}")
    path = folder / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
    path.chmod(mode)


def _failed(name: str, why: str) -> str:
    return f'MountVolume.SetUp failed for volume "{name}" : {why}'
