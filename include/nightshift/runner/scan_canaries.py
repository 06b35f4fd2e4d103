"""Proves, once a pod and scanner, that the scanner finds what it must find, here and now."""

from dataclasses import dataclass
from pathlib import Path

from nightshift.domain.sarif import SourceTree, parse_sarif
from nightshift.domain.sarif_values import SarifLimits
from nightshift.errors import InvalidSarif
from nightshift.runner.scan_execution import Execution, Executor, RunLimits
from nightshift.runner.scan_outcomes import last_line
from nightshift.runner.scan_process import StopCause
from nightshift.scanners.canaries import build_canary, list_missed
from nightshift.scanners.definitions import ExitMeaning, ExpectedResult, Scanner

_DEADLINE_SECONDS = 60
_OUTPUT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CanaryResult:
    """How a canary went.

    :param problem: "" if it passed.
    :param interrupted: the pod was asked to end; it says nothing of the scanner.
    """

    problem: str
    in_force: tuple[str, ...] = ()
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether the scanner's word counts in this pod."""
        return not self.problem


def run_canary(executor: Executor, scanner: Scanner) -> CanaryResult:
    """Run a scanner over its canary, with the very command that scans run.

    :raises ConfinementRefused: if it could not be confined.
    """
    limits = RunLimits(_DEADLINE_SECONDS, scanner.resources.memory_limit_bytes, _OUTPUT_BYTES)
    with executor.private_folder() as folder:
        source = folder / "canary"
        source.mkdir()
        paths = build_canary(scanner, source)
        execution = executor.run(scanner, source, limits)
        problem = _find_problem(scanner, execution, source, frozenset(paths))
    ended = execution.ended
    return CanaryResult(problem, ended.in_force, interrupted=ended.stopped is StopCause.POD)


def _find_problem(
    scanner: Scanner, execution: Execution, source: Path, paths: frozenset[str]
) -> str:
    ended = execution.ended
    meaning = scanner.command.exit_codes.get(ended.exit_code, ExitMeaning.ERROR)
    if ended.stopped is not None:
        return f"the canary's scan was stopped: {ended.stopped}"
    if meaning not in {ExitMeaning.FINDINGS, ExitMeaning.EITHER} or execution.output is None:
        return f"the canary's scan ended with code {ended.exit_code}{last_line(ended.log)}"
    try:
        limits = SarifLimits(file_bytes=_OUTPUT_BYTES)
        report = parse_sarif(execution.output, SourceTree(str(source), paths), limits)
    except InvalidSarif as error:
        return f"the canary's result cannot be read: {error}"
    found = frozenset(ExpectedResult(r.path, r.line, r.rule_id) for r in report.results)
    missed = list_missed(scanner, found)
    if missed:
        first = missed[0]
        place = f"{first.rule} at {first.path}:{first.line}"
        return f"{len(missed)} planted findings were missed, the first is {place}"
    return ""
