"""Where things lie on the workspace volume; ``domain.worklists`` tells the layout in words.

Every path here is made of checked names, so none can lead out of the root; the folders themselves
are checked not to be links before anything is written below them.
"""

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nightshift.domain.ids import RepositoryName, ScanName, ShardName
from nightshift.errors import ConfigError
from nightshift.runner.files import volume_full_as_error

FOLDER_MODE = 0o755
"""One uid writes the volume; scan pods mount the sources read-only and need no more than this."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The tree below one workspace root: one account, one batch."""

    root: Path

    def source(self, repository: RepositoryName) -> Path:
        """Folder of a repository's files, as its commit has them."""
        return self.root / "src" / repository

    def partial_source(self, repository: RepositoryName) -> Path:
        """Where a tree grows until it is whole; no repository's name starts with a dot."""
        return self.root / "src" / f".{repository}.partial"

    def checkout_status(self, repository: RepositoryName) -> Path:
        """File of the repository's CheckoutStatus."""
        return self.root / "checkout" / f"{repository}.json"

    def manifest(self, repository: RepositoryName) -> Path:
        """File that lists every file of the source tree, one JSON object a line."""
        return self.root / "checkout" / f"{repository}.manifest.jsonl"

    def scan(self, shard: ShardName, scan: ScanName) -> Path:
        """Folder of one scan's status, result and log."""
        return self.root / "out" / shard / scan

    def prepare(self) -> None:
        """Make the root and the folders that every part expects; safe to call again.

        :raises ConfigError: if one of them is there but is not a real folder.
        :raises VolumeFull: if there is no room.
        """
        self.root.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for name in ("src", "checkout", "out"):
            make_folder(self.root / name)

    def folds_case(self) -> bool:
        """Try whether the volume takes names that differ in case for one, as SMB shares do."""
        with (
            volume_full_as_error(),
            tempfile.NamedTemporaryFile(dir=self.root / "checkout", prefix=".case-") as probe,
        ):
            name = Path(probe.name)
            return name.with_name(name.name.swapcase()).exists()


def make_folder(path: Path) -> None:
    """Make one folder below an existing one, with the workspace's mode; safe to call again.

    :raises ConfigError: if something else, such as a link, is in its place.
    :raises VolumeFull: if there is no room.
    """
    with volume_full_as_error(), suppress(FileExistsError):
        path.mkdir(mode=FOLDER_MODE)
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise ConfigError(str(path), "must be a folder: remove what is in its place")


def remove_tree(path: Path) -> None:
    """Delete whatever is at ``path``; links are deleted, never followed. Nothing there is fine."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        shutil.rmtree(path)
    else:
        os.unlink(path)  # noqa: PTH108 - the pair of lstat; Path.unlink is the same call
