"""Show how Jobs get on, and what came of them."""

from collections.abc import Mapping, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nightshift.cli.job_plans import PlannedJob, follow_labels
from nightshift.cli.job_results import ScanResult, parse_results
from nightshift.cli.shell import Shell
from nightshift.cluster.client import Cluster
from nightshift.cluster.jobs import JOB_NAME_LABEL, JobPhase, JobState, follow_jobs
from nightshift.cluster.pods import PodState, list_pods, read_log
from nightshift.cluster.waiting import Pace
from nightshift.domain.printable import printable_line
from nightshift.errors import NightshiftError, RetryableError

_TAIL_LINES = 20
_LINE_CHARS = 300


def follow(
    shell: Shell, cluster: Cluster, jobs: Sequence[PlannedJob], pace: Pace
) -> dict[str, JobState]:
    """Print every change until all Jobs have ended or the time is over; gives the last states.

    :raises ClusterUnavailable: if the API stays away.
    """
    shown = {one.name: "" for one in jobs}
    states: dict[str, JobState] = {}
    columns = (TextColumn("jobs ended"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    hidden = not shell.err.is_terminal
    with Progress(*columns, console=shell.err, transient=True, disable=hidden) as progress:
        bar = progress.add_task("", total=len(jobs))
        for states in follow_jobs(cluster, list(shown), follow_labels(), pace):
            pods = newest_pods(cluster)
            for one in jobs:
                text = describe(states[one.name], pods.get(one.name))
                if text != shown[one.name]:
                    shell.say(f"{one.shown}: {text}")
                    shown[one.name] = text
            progress.update(bar, completed=sum(s.phase.ended for s in states.values()))
    return states


def report(
    shell: Shell, cluster: Cluster, jobs: Sequence[PlannedJob], states: Mapping[str, JobState]
) -> bool:
    """Print what came of every Job; True if every scan of every one succeeded."""
    pods = newest_pods(cluster)
    good = [_report_one(shell, cluster, one, states.get(one.name), pods) for one in jobs]
    open_ones = [one for one in jobs if not _has_ended(states.get(one.name))]
    shell.print_text(f"{sum(good)} of {len(jobs)} jobs succeeded")
    if open_ones:
        shell.say(
            f"nightshift: {len(open_ones)} jobs have not ended within --timeout and go on; run the "
            "same command again to follow them"
        )
    return all(good)


def describe(state: JobState, pod: PodState | None) -> str:
    """Say in a few words how a Job gets on."""
    if state.phase.ended:
        detail = ": ".join(text for text in (state.reason, state.message) if text)
        return state.phase if state.phase is JobPhase.SUCCEEDED else f"{state.phase}: {detail}"
    if pod is None:
        return "waits for its pod"
    if pod.reason:
        happened = "a pod failed" if pod.ended else "waits"
        return f"{happened}: {_explain(pod)}"
    if not pod.node:
        return "waits for a node"
    return f"{'runs' if state.phase is JobPhase.RUNNING else 'starts'} on {pod.node}"


def _explain(pod: PodState) -> str:
    code = f"exit code {pod.exit_code}" if pod.exit_code else ""
    return ": ".join(text for text in (pod.reason, pod.message, code) if text)


def _report_one(
    shell: Shell,
    cluster: Cluster,
    one: PlannedJob,
    state: JobState | None,
    pods: Mapping[str, PodState],
) -> bool:
    pod = pods.get(one.name)
    if state is None or not state.phase.ended:
        shell.print_text(f"{one.shown}: has not ended")
        return False
    log = _read_log(cluster, pod.meta.name) if pod is not None else ""
    results = parse_results(log)
    good = _is_good(one, state, results)
    place = f" on {pod.node}" if pod is not None and pod.node else ""
    shell.print_text(f"{one.shown}: {describe(state, pod)}{place}")
    for result in results:
        shell.print_text(f"  {result}")
    if pod is not None and pod.reason:
        shell.print_text(f"  pod {pod.meta.name}: {_explain(pod)}")
    if not good and len(results) < len(one.job.scanners):
        shell.print_text(
            f"  only {len(results)} of {len(one.job.scanners)} scans said how they ended"
        )
        for line in log.splitlines()[-_TAIL_LINES:]:
            shell.print_text(f"  | {printable_line(line, _LINE_CHARS)}")
    return good


def _is_good(one: PlannedJob, state: JobState, results: Sequence[ScanResult]) -> bool:
    """Ask for a good word of every scanner: a pod that says nothing has proved nothing."""
    said = {result.scanner for result in results if result.good}
    return state.phase is JobPhase.SUCCEEDED and said >= set(one.job.scanners)


def _read_log(cluster: Cluster, pod: str) -> str:
    """Read the end of the main container's log, or of the init container's if it got no further."""
    trouble = ""
    for container in ("scan", "clone"):
        try:
            return read_log(cluster, pod, container, tail_lines=500)
        except NightshiftError as error:  # the Job has ended all the same: show what is known
            trouble = trouble or f"no log: {error}"
    return trouble


def newest_pods(cluster: Cluster) -> dict[str, PodState]:
    """Give each Job's newest pod; nothing while the API is away, as this is only shown."""
    try:
        pods = list_pods(cluster, follow_labels())
    except RetryableError:
        return {}
    ordered = sorted(pods, key=lambda pod: pod.meta.created_at)
    return {pod.meta.labels.get(JOB_NAME_LABEL, ""): pod for pod in ordered}


def _has_ended(state: JobState | None) -> bool:
    return state is not None and state.phase.ended
