"""Container images written without a daemon: an OCI image layout in one tar file.

Source: OCI image format specification 1.1 (image layout, manifest, configuration). The archive is
what ``ctr images import`` takes.
"""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a container of the image runs by default, as whom and where."""

    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    folder: str = "/"


def full_name(name: str) -> str:
    """Give an image's whole name, as the kubelet asks containerd for it."""
    return f"docker.io/library/{name}"


def write_image(archive: Path, name: str, layers: Sequence[Path], config: ImageConfig) -> Path:
    """Write an image of uncompressed layer tars; equal input gives equal bytes.

    :param name: a short name with a tag: "nightshift-pause:1".
    """
    digests = [_digest_file(layer) for layer in layers]
    body = _to_json(_image_config(config, digests))
    descriptors = [
        {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": layer.stat().st_size}
        for digest, layer in zip(digests, layers, strict=True)
    ]
    manifest = _to_json({
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": _describe(_CONFIG, body),
        "layers": descriptors,
    })
    draft = archive.with_suffix(".draft")
    with tarfile.open(draft, "w") as tar:
        _add(tar, "oci-layout", _to_json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _to_json(_index(name, manifest)))
        for content in (body, manifest):
            _add(tar, _blob(hashlib.sha256(content).hexdigest()), content)
        for digest, layer in dict(zip(digests, layers, strict=True)).items():
            entry = tarfile.TarInfo(_blob(digest))
            entry.size = layer.stat().st_size
            with layer.open("rb") as stream:
                tar.addfile(entry, stream)
    draft.replace(archive)
    return archive


def write_layer(layer: Path, files: Mapping[str, Path]) -> Path:
    """Write a layer tar of files and folders: path in the image to path here.

    All belongs to root and nothing has a time of its own, so that equal files give equal bytes.
    """
    draft = layer.with_suffix(".draft")
    with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
        for target, source in sorted(files.items()):
            _add_tree(tar, target.lstrip("/"), source)
    draft.replace(layer)
    return layer


def _add_tree(tar: tarfile.TarFile, target: str, source: Path) -> None:
    entry = tar.gettarinfo(source, target)
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    if entry.isreg():
        with source.open("rb") as stream:
            tar.addfile(entry, stream)
        return
    tar.addfile(entry)
    if entry.isdir():
        for child in sorted(source.iterdir()):
            _add_tree(tar, f"{target}/{child.name}", child)


def _image_config(config: ImageConfig, digests: Sequence[str]) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Entrypoint": list(config.entrypoint),
            "Env": [f"{name}={value}" for name, value in config.environment.items()],
            "User": config.user,
            "WorkingDir": config.folder,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
    }


def _index(name: str, manifest: bytes) -> dict[str, object]:
    annotations = {
        "io.containerd.image.name": full_name(name),
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    described = {**_describe(_MANIFEST, manifest), "annotations": annotations}
    return {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [described]}


def _describe(kind: str, content: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _to_json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
