"""One scan of the work list, from its status file to its status file."""

import dataclasses
import stat

from nightshift.domain.jsonvalues import load
from nightshift.domain.sarif import SourceTree
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus, ScanItem, ScanStatus
from nightshift.errors import ConfigError, NotFound
from nightshift.runner.files import read_bounded, write_atomically
from nightshift.runner.sandbox import ConfinementRefused
from nightshift.runner.scan_execution import Execution, RunLimits
from nightshift.runner.scan_outcomes import Verdict, judge_checkout
from nightshift.runner.scan_pods import Interrupted, ScanPod
from nightshift.runner.scan_process import StopCause
from nightshift.runner.scan_reports import ScannedTree, describe
from nightshift.runner.scan_status import LOG, RESULT, start_status, write_status
from nightshift.runner.workspace import make_folder
from nightshift.scanners.definitions import Scanner

_CHECKOUT_BYTES = 16 * 1024 * 1024


def run_item(pod: ScanPod, scanner: Scanner, item: ScanItem, attempt: int) -> ScanStatus:
    """Run one scan and write down how it ended. Whatever a scan does, this returns its status.

    :param attempt: which start of this scan this is, from 1.
    :raises Interrupted: if the pod was asked to end; the status then says that it can be resumed.
    :raises VolumeFull: if there is no room for the status.
    """
    make_folder(pod.folder(item))
    started = start_status(item, attempt, pod.clock())
    write_status(pod.folder(item), started)
    for name in (RESULT, LOG):
        (pod.folder(item) / name).unlink(missing_ok=True)
    try:
        if verdict := _refuse(pod, item):
            return pod.end(item, started, verdict)
        return _scan_tree(pod, scanner, item, started)
    except Interrupted:
        note = "the pod was asked to end; nothing is wrong with this scan"
        resumable = dataclasses.replace(started, attempt=attempt - 1, message=note)
        write_status(pod.folder(item), resumable)
        raise
    except ConfinementRefused as error:
        verdict = Verdict(Outcome.FAILED, Reason.CONFINEMENT, str(error))
        return pod.end(item, started, verdict)


def _refuse(pod: ScanPod, item: ScanItem) -> Verdict | None:
    """Say why a scan need not or must not start."""
    try:
        data = read_bounded(pod.workspace.checkout_status(item.repository), _CHECKOUT_BYTES)
        status = load(CheckoutStatus, data.decode())
    except NotFound:
        status = None
    except (ConfigError, ValueError) as error:
        message = f"the checkout's status cannot be read: {error}"
        return Verdict(Outcome.NOT_RUN, Reason.CLONE_FAILED, message)
    if verdict := judge_checkout(status, item):
        return verdict
    source = pod.workspace.source(item.repository)
    if not source.exists() or not stat.S_ISDIR(source.lstat().st_mode):
        message = "the source tree is not on the volume any more"
        return Verdict(Outcome.NOT_RUN, Reason.CLONE_FAILED, message)
    missing = pod.executor.sandbox.missing
    if missing and pod.work_list.require_confinement:
        message = f"this kernel or image lacks {' and '.join(missing)}, which the settings require"
        return Verdict(Outcome.FAILED, Reason.CONFINEMENT, message)
    return None


def _scan_tree(pod: ScanPod, scanner: Scanner, item: ScanItem, started: ScanStatus) -> ScanStatus:
    try:
        entries = pod.manifest(item.repository)
    except (NotFound, ConfigError) as error:
        message = f"the manifest cannot be read: {error}"
        return pod.end(item, started, Verdict(Outcome.NOT_RUN, Reason.CLONE_FAILED, message))
    readable = [entry.path for entry in entries if scanner.reads(entry.path)]
    if not readable:
        return pod.end(item, started, Verdict(Outcome.NOT_APPLICABLE, Reason.NO_FILES))
    canary = pod.canary(scanner)
    if not canary.passed:
        ended = dataclasses.replace(started, confinement=canary.in_force)
        return pod.end(item, ended, Verdict(Outcome.FAILED, Reason.CANARY, canary.problem))
    source = pod.workspace.source(item.repository)
    tree = SourceTree(str(source), frozenset(entry.path for entry in entries))
    return _run(pod, scanner, item, started, ScannedTree(source, tuple(readable), tree))


def _run(
    pod: ScanPod, scanner: Scanner, item: ScanItem, started: ScanStatus, tree: ScannedTree
) -> ScanStatus:
    kills = pod.count_oom_kills()
    limits = RunLimits(item.deadline_seconds, item.memory_bytes, item.output_bytes)
    execution = pod.executor.run(scanner, tree.source, limits)
    if execution.ended.stopped is StopCause.POD:
        raise Interrupted
    oom_killed = pod.count_oom_kills() > kills
    status = describe(scanner, item, started, tree, execution, oom_killed=oom_killed)
    _write_files(pod, item, execution)
    return pod.finish(item, status)


def _write_files(pod: ScanPod, item: ScanItem, execution: Execution) -> None:
    write_atomically(pod.folder(item) / LOG, execution.ended.log)
    if execution.output is not None:
        write_atomically(pod.folder(item) / RESULT, execution.output)
