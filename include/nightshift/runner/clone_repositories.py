"""One repository from its remote to a whole source tree and a status, whatever happens on the way.

The order makes a crash harmless: the tree grows beside its place and is renamed into it, then the
manifest is written, then the status. A status that says ready is thus the last thing to appear.
"""

import dataclasses
import stat
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from nightshift.domain.ids import RepositoryName
from nightshift.domain.jsonvalues import dump, load
from nightshift.domain.languages import count_languages
from nightshift.domain.printable import printable_line
from nightshift.domain.repositories import parse_remote
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CheckoutStatus, CloneItem, CloneLimits
from nightshift.errors import ConfigError, NotFound, VolumeFull
from nightshift.git.commands import Git
from nightshift.git.failures import MESSAGE_CHARS, GitFailure, build_failure
from nightshift.git.fetch import fetch_commit
from nightshift.runner.clone_checkouts import Checkout, Source, write_checkout
from nightshift.runner.files import read_bounded, volume_full_as_error, write_atomically
from nightshift.runner.manifests import read_manifest, write_manifest
from nightshift.runner.workspace import Workspace, remove_tree

STATUS_BYTES = 32 << 20
"""1,000 files left out and 200 tricks, with the longest paths, all escaped, stay below this."""
READY = "ready"
NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class Cloner:
    """What the clones of one pod share.

    :param scratch: a folder for bare repositories, emptied after each.
    :param fold_case: the volume does not tell names apart that differ in case.
    :param clock: monotonic seconds.
    """

    git: Git
    workspace: Workspace
    limits: CloneLimits
    scratch: Path
    fold_case: bool
    clock: Callable[[], float]

    def clone(self, item: CloneItem) -> CheckoutStatus:
        """Fetch and write one repository, and leave its status on the volume.

        :raises VolumeFull: if not even the status could be written.
        """
        started = self.clock()
        try:
            self._remove_remains(item.repository)
            checkout = self._fetch_and_write(item, started)
            status = _ready(item, checkout)
        except GitFailure as failure:
            status = not_run(item, failure.reason, str(failure))
        except VolumeFull as error:
            status = not_run(item, Reason.VOLUME_FULL, str(error))
        except Exception as error:  # noqa: BLE001 - one repository never stops the others; it is shown
            traceback.print_exc(file=sys.stderr)
            status = not_run(item, Reason.CLONE_FAILED, f"internal: {type(error).__name__}")
        if status.state != READY:
            self._try_to_remove_remains(item.repository)
        status = dataclasses.replace(status, seconds=round(self.clock() - started, 3))
        self.write_status(status)
        return status

    def find_ready(self, item: CloneItem) -> CheckoutStatus | None:
        """Give the status of an earlier attempt, if its tree is ready and still whole.

        Sizes are compared with the manifest: after a node's crash files may be there but empty.
        """
        try:
            data = read_bounded(self.workspace.checkout_status(item.repository), STATUS_BYTES)
            status = load(CheckoutStatus, data.decode())
            if (status.repository, status.commit, status.state) != (
                item.repository,
                item.commit,
                READY,
            ):
                return None
            return status if self._is_whole(status) else None
        except (NotFound, ConfigError, ValueError, OSError):
            return None  # missing, torn or not ours: it is made anew

    def write_status(self, status: CheckoutStatus) -> None:
        """Put a status on the volume.

        :raises VolumeFull: if there is no room.
        """
        write_atomically(self.workspace.checkout_status(status.repository), dump(status))

    def _fetch_and_write(self, item: CloneItem, started: float) -> Checkout:
        url = _checked_url(item, self.git.protocols)
        partial = self.workspace.partial_source(item.repository)
        with (
            volume_full_as_error(),
            tempfile.TemporaryDirectory(dir=self.scratch, ignore_cleanup_errors=True) as name,
        ):
            source = Source(Path(name) / "repository.git", item.commit)
            fetch_commit(self.git, url, item.commit, source.repository, self.limits)
            left = self.limits.seconds - (self.clock() - started)
            checkout = write_checkout(
                self.git, source, partial, self.limits, seconds=left, fold_case=self.fold_case
            )
            partial.rename(self.workspace.source(item.repository))
            write_manifest(self.workspace.manifest(item.repository), checkout.files)
        return checkout

    def _remove_remains(self, repository: RepositoryName) -> None:
        """Remove what an earlier attempt left, the status first: it must not outlive its tree."""
        self.workspace.checkout_status(repository).unlink(missing_ok=True)
        self.workspace.manifest(repository).unlink(missing_ok=True)
        remove_tree(self.workspace.partial_source(repository))
        remove_tree(self.workspace.source(repository))

    def _try_to_remove_remains(self, repository: RepositoryName) -> None:
        """Free the room of a failed tree; if that fails too, the status still has to be written."""
        try:
            self._remove_remains(repository)
        except OSError:
            traceback.print_exc(file=sys.stderr)

    def _is_whole(self, status: CheckoutStatus) -> bool:
        entries = read_manifest(self.workspace.manifest(status.repository))
        root = self.workspace.source(status.repository)
        return len(entries) == status.files and all(
            _is_file_of_size(root / entry.path, entry.size) for entry in entries
        )


def not_run(item: CloneItem, reason: Reason, message: str) -> CheckoutStatus:
    """Say that a repository could not be fetched, and why."""
    text = printable_line(message, MESSAGE_CHARS)
    return CheckoutStatus(item.repository, item.commit, NOT_RUN, reason, text)


def _ready(item: CloneItem, checkout: Checkout) -> CheckoutStatus:
    return CheckoutStatus(
        repository=item.repository,
        commit=item.commit,
        state=READY,
        reason=Reason.OK_PARTIAL if checkout.left_out_count else Reason.OK,
        bytes=checkout.total_bytes,
        files=len(checkout.files),
        languages=count_languages(entry.language for entry in checkout.files),
        left_out=tuple(checkout.left_out),
        left_out_count=checkout.left_out_count,
        tampering=tuple(checkout.tampering),
    )


def _checked_url(item: CloneItem, protocols: tuple[str, ...]) -> str:
    """Check a URL once more before git sees it. Which hosts are meant was decided at admission."""
    try:
        host = urlsplit(item.remote).hostname or ""
        return parse_remote(item.remote, protocols, allowed_hosts=[host]).url
    except ValueError as error:
        text = f"the work list's remote is refused: {error}"
        raise build_failure(Reason.CLONE_FAILED, text) from error


def _is_file_of_size(path: Path, size: int) -> bool:
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_size == size
