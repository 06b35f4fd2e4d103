"""Images written without a daemon are whole: every digest is that of its blob."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.kube.archives import ImageConfig, full_name, write_image, write_layer


def make(folder: Path) -> Path:
    tree = folder / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("content")
    (tree / "link").symlink_to("sub/file")
    layer = write_layer(folder / "layer.tar", {"/opt/tree": tree})
    config = ImageConfig(("run", "me"), {"A": "b"}, "65532:65532", "/tmp")
    return write_image(folder / "image.tar", "thing:1", [layer], config)


def read(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar}
        return {name: stream.read() for name, stream in files.items() if stream is not None}


def test_every_blob_is_what_its_name_says_and_all_are_referred_to(tmp_path: Path) -> None:
    files = read(make(tmp_path))
    blobs = {name.rpartition("/")[2]: body for name, body in files.items() if "blobs/" in name}
    assert all(hashlib.sha256(body).hexdigest() == name for name, body in blobs.items())
    (described,) = json.loads(files["index.json"])["manifests"]
    assert described["annotations"]["io.containerd.image.name"] == full_name("thing:1")
    manifest = load(blobs, described)
    config = load(blobs, manifest["config"])
    (layer,) = manifest["layers"]
    assert config["rootfs"]["diff_ids"] == [layer["digest"]], "the layer is not compressed"
    assert {described["digest"], manifest["config"]["digest"], layer["digest"]} == {
        f"sha256:{name}" for name in blobs
    }
    assert config["config"] == {
        "Entrypoint": ["run", "me"],
        "Env": ["A=b"],
        "User": "65532:65532",
        "WorkingDir": "/tmp",
    }


def load(blobs: dict[str, bytes], descriptor: dict[str, Any]) -> dict[str, Any]:
    body = blobs[descriptor["digest"].removeprefix("sha256:")]
    assert len(body) == descriptor["size"]
    found: dict[str, Any] = json.loads(body)
    return found


def test_layers_belong_to_root_and_keep_links(tmp_path: Path) -> None:
    make(tmp_path)
    with tarfile.open(tmp_path / "layer.tar") as tar:
        entries = {entry.name: entry for entry in tar}
    assert set(entries) == {"opt/tree", "opt/tree/link", "opt/tree/sub", "opt/tree/sub/file"}
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 0)}
    assert entries["opt/tree/link"].linkname == "sub/file"


def test_equal_files_give_equal_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert make(tmp_path / "a").read_bytes() == make(tmp_path / "b").read_bytes()
