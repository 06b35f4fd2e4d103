"""Images that nodes are given, built once a machine and kept in the cache as archives."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.kube.archives import ImageConfig, write_image, write_layer
from tests.kube.builds import Binaries
from tests.kube.node_configs import PAUSE_IMAGE


def ensure_pause_image(cache: Path, binaries: Binaries) -> Path:
    """Give the archive of the image that holds a pod's namespaces open."""
    program = binaries.path("pause")
    key = hashlib.blake2b(program.read_bytes(), digest_size=8).hexdigest()
    archive = cache / "images" / f"pause-{key}.tar"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
            layer = write_layer(Path(folder) / "layer.tar", {"/pause": program})
            draft = Path(folder) / "image.tar"
            config = ImageConfig(entrypoint=("/pause",), user="65535:65535")
            shutil.move(write_image(draft, PAUSE_IMAGE, [layer], config), archive)
    return archive
