"""``python -m nightshift.runner scan``: run a work list's scans, one after the other.

Every scan ends in its own status file; the exit code says only whether the pod itself did its work.
Scans that an earlier attempt finished are kept. One that it died in runs last and alone, and a
second death ends it. On SIGTERM the current scan is stopped and left resumable, and the pod ends
with TEMPORARY.
"""

import argparse
import functools
import json
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.clock import utc_now
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import Phase, ScanItem, ScanStatus, ScanWorkList
from nightshift.errors import ConfigError
from nightshift.runner.arguments import RunnerParser, build_parser
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.sandbox import detect_sandbox
from nightshift.runner.scan_execution import Executor
from nightshift.runner.scan_items import run_item
from nightshift.runner.scan_jobs import Slice, run_slices
from nightshift.runner.scan_outcomes import Verdict
from nightshift.runner.scan_pods import Interrupted, ScanPod
from nightshift.runner.scan_status import read_status, start_status
from nightshift.runner.scan_toolchain import read_toolchain
from nightshift.runner.scan_tree import ProcessTree, become_subreaper
from nightshift.runner.worklists import read_work_list
from nightshift.runner.workspace import Workspace, make_folder
from nightshift.scanners import SHIPPED, Scanner, get_scanner, load_scanners

DEATHS = 2
"""So many pods may die in one scan before it is given up."""
_MEMORY_EVENTS = Path("/sys/fs/cgroup/memory.events")


class StopRequest:
    """Remembers that the pod was asked to end."""

    def __init__(self) -> None:
        self.asked = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as the question."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: object) -> None:
        self.asked = True


def main(argv: Sequence[str]) -> ExitCode:
    """Run the scan part.

    :param argv: see ``--help``.
    :raises ConfigError: if the arguments or the work list are wrong.
    :raises VolumeFull: if there is no room for a status.
    """
    arguments = _build_parser().parse_args(argv)
    stop = StopRequest()
    stop.listen()
    work_list = read_work_list(ScanWorkList, arguments.work_list, arguments.sha256)
    if not work_list.items:
        return ExitCode.NOTHING_TO_DO
    become_subreaper()
    if arguments.jobs > 1:
        children = ProcessTree()
        run_slices(argv, arguments.jobs, stop)
        children.kill()  # what a slice that died left behind
    return _run_here(arguments, work_list, stop)


def _build_parser() -> RunnerParser:
    parser = build_parser("scan", "Run scanners over sources on the volume, confined.")
    parser.add_argument("--jobs", type=int, default=1, help="scans at a time (default 1)")
    parser.add_argument(
        "--slice", type=Slice.parse, default=Slice(), help="which items, as 1/4; set by --jobs"
    )
    parser.add_argument(
        "--toolchain", type=Path, default=Path(sys.executable), help="the scanners' Python"
    )
    parser.add_argument(
        "--scanners", type=Path, default=SHIPPED, help="folder of definitions (default: shipped)"
    )
    parser.add_argument(
        "--scratch", type=Path, default=Path(tempfile.gettempdir()), help="for private folders"
    )
    parser.add_argument(
        "--oom-killed", action="store_true", help="the attempt before was killed for memory"
    )
    return parser


def _run_here(
    arguments: argparse.Namespace, work_list: ScanWorkList, stop: StopRequest
) -> ExitCode:
    scanners = load_scanners(arguments.scanners)
    by_item = {
        item.scan: get_scanner(scanners, item.scanner, str(arguments.work_list))
        for item in work_list.items
    }
    if not arguments.scratch.is_dir():
        raise ConfigError("--scratch", f"{arguments.scratch} is no folder")
    pod = ScanPod(
        work_list=work_list,
        workspace=Workspace(arguments.root.resolve()),
        executor=Executor(
            sandbox=detect_sandbox(),
            toolchain=read_toolchain(arguments.toolchain),
            scratch=arguments.scratch.resolve(),
            should_stop=lambda: stop.asked,
        ),
        clock=utc_now,
        count_oom_kills=functools.partial(count_oom_kills, _MEMORY_EVENTS),
    )
    folder = pod.workspace.root / "out"
    make_folder(folder)
    make_folder(folder / work_list.shard)
    for task in _plan_tasks(pod, arguments.slice):
        if stop.asked:
            return ExitCode.TEMPORARY
        try:
            _show(task.item, _run_task(pod, by_item[task.item.scan], task, arguments.oom_killed))
        except Interrupted:
            return ExitCode.TEMPORARY
    return ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Task:
    """A scan that has to run.

    :param deaths: how many pods died in it.
    """

    item: ScanItem
    deaths: int


def _plan_tasks(pod: ScanPod, part: Slice) -> Iterator[Task]:
    """Give what is left to do: first what no pod has died in, then the suspects.

    The suspects of a slice are left to the process that started it, which runs them alone.
    """
    suspects = []
    for item in part.take(pod.work_list.items):
        status = read_status(pod.folder(item), item)
        if status is not None and status.phase is Phase.ENDED:
            continue
        task = Task(item, status.attempt if status is not None else 0)
        if task.deaths:
            suspects.append(task)
        else:
            yield task
    if part.is_all:
        yield from suspects


def _run_task(pod: ScanPod, scanner: Scanner, task: Task, oom_killed: bool) -> ScanStatus:
    if task.deaths < DEATHS:
        return run_item(pod, scanner, task.item, task.deaths + 1)
    if oom_killed:
        verdict = Verdict(Outcome.OUT_OF_MEMORY, Reason.MEMORY_CONTAINER)
    else:
        verdict = Verdict(Outcome.FAILED, Reason.INTERNAL, f"{task.deaths} pods died in this scan")
    return pod.end(task.item, start_status(task.item, task.deaths, pod.clock()), verdict)


def count_oom_kills(events: Path) -> int:
    """Read how often the kernel killed in this container for memory; 0 where it does not say.

    :param events: ``memory.events`` of cgroup v2.
    """
    try:
        lines = events.read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def _show(item: ScanItem, status: ScanStatus) -> None:
    """Say in one line of JSON how a scan ended."""
    line = {
        "scan": status.scan,
        "scanner": item.scanner,
        "outcome": status.outcome,
        "reason": status.reason,
        "message": status.message,
        "cpu_seconds": status.cpu_seconds,
        "peak_bytes": status.peak_bytes,
        "output_bytes": status.output_bytes,
        "confinement": status.confinement,
        "may_close": status.may_close,
        "finished_at": status.finished_at,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
