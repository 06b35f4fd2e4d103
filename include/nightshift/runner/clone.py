"""The clone pod: fetches each repository of a work list and writes its files to the volume.

Every repository ends with a status file that says ready or why not; one repository's failure never
stops the others. A retry keeps what is ready and whole, and does the rest again. On stdout there
is one JSON line a repository.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from nightshift.clock import monotonic_seconds
from nightshift.domain.scans import Reason
from nightshift.domain.worklists import CheckoutStatus, CloneItem, CloneWorkList
from nightshift.errors import VolumeFull
from nightshift.git.sessions import git_session
from nightshift.runner.arguments import build_parser
from nightshift.runner.clone_repositories import Cloner, not_run
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.files import NO_ROOM
from nightshift.runner.worklists import read_work_list
from nightshift.runner.workspace import Workspace

RETRYABLE = frozenset({Reason.DNS, Reason.CONNECT, Reason.FORGE_5XX, Reason.RATE_LIMITED})
"""A later attempt may mend these."""
FULL_IN_A_ROW = 3
"""What does not fit is removed again, so a smaller repository may still fit; but not for ever."""


def main(argv: Sequence[str]) -> ExitCode:
    """Run a clone work list; ``python -m nightshift.runner clone --help`` tells the options.

    :raises ConfigError: if the arguments, the work list or the credentials are wrong.
    :raises NotFound: if there is no work list.
    """
    parser = build_parser("clone", "Fetch repositories into the workspace.")
    parser.add_argument("--credentials", type=Path, help="mounted folder, see git/sessions.py")
    parser.add_argument("--scratch", type=Path, help="for temporary files, up to 2 GB")
    arguments = parser.parse_args(argv)
    work = read_work_list(CloneWorkList, arguments.work_list, arguments.sha256)
    if not work.items:
        return ExitCode.NOTHING_TO_DO
    with _ending_on_sigterm(), _umask(0o022):
        reasons = set(run_clones(work, arguments.root, arguments.credentials, arguments.scratch))
    return exit_code_of(reasons, last_attempt=arguments.last_attempt)


def run_clones(
    work: CloneWorkList, root: Path, credentials: Path | None = None, scratch: Path | None = None
) -> Iterator[Reason]:
    """Clone every item, one after the other; gives each one's reason as it ends.

    :param root: the workspace's root; made if it is not there.
    :param credentials: the mounted folder of git_session.
    :param scratch: where temporary files go; None is the system's place.
    """
    workspace = Workspace(root)
    workspace.prepare()
    with (
        git_session(work.protocols, credentials, scratch=scratch) as git,
        tempfile.TemporaryDirectory(prefix="nightshift-clone-", dir=scratch) as folder,
    ):
        cloner = Cloner(
            git, workspace, work.limits, Path(folder), workspace.folds_case(), monotonic_seconds
        )
        full_in_a_row = 0
        for item in work.items:
            kept = cloner.find_ready(item)
            status = kept or _clone(cloner, item, is_full=full_in_a_row >= FULL_IN_A_ROW)
            full_in_a_row = full_in_a_row + 1 if status.reason is Reason.VOLUME_FULL else 0
            _print_progress(status, kept=kept is not None)
            yield status.reason


def exit_code_of(reasons: Iterable[Reason], *, last_attempt: bool) -> ExitCode:
    """Say what the pod's end means to whoever may start it again."""
    found = set(reasons)
    if Reason.VOLUME_FULL in found:
        return ExitCode.VOLUME_FULL
    if found & RETRYABLE and not last_attempt:
        return ExitCode.TEMPORARY
    return ExitCode.DONE


def _clone(cloner: Cloner, item: CloneItem, *, is_full: bool) -> CheckoutStatus:
    """Clone one repository; on a full volume only say so, if there is room to say it."""
    full = not_run(item, Reason.VOLUME_FULL, f"not tried: {NO_ROOM}")
    try:
        if not is_full:
            return cloner.clone(item)
        cloner.write_status(full)
    except VolumeFull:
        return full
    return full


def _print_progress(status: CheckoutStatus, *, kept: bool) -> None:
    line = {
        "repository": status.repository,
        "state": status.state,
        "reason": status.reason,
        "message": status.message,
        "files": status.files,
        "bytes": status.bytes,
        "left_out": status.left_out_count,
        "tampering": len(status.tampering),
        "seconds": status.seconds,
        "kept": kept,
    }
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    """Make files readable for the pods that scan them, whatever this process inherited."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Leave through every ``finally`` when we are asked to end: git runs in groups of its own."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
