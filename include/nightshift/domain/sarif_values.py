"""What a SARIF file says, as small values: rules, results, and what was not scanned."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(StrEnum):
    """SARIF 3.27.10."""

    NONE = "none"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


class Severity(IntEnum):
    """How bad a finding is; ordered, so that the worst sort first."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True)
class SarifLimits:
    """What one file may hold.

    :param file_bytes: beyond it the file is refused.
    :param values: JSON values, counted before parsing: small values cost far more than their text.
    :param results: the worst are kept; beyond it the report is ``truncated``.
    """

    file_bytes: int = 64 * 1024 * 1024
    values: int = 4_000_000
    runs: int = 20
    rules: int = 25_000
    results: int = 25_000
    notifications: int = 1_000
    message_chars: int = 2_000
    rule_id_chars: int = 256


@dataclass(frozen=True, slots=True)
class SarifRule:
    """What a tool says of one of its rules.

    :param security_severity: 0.0 to 10.0, as GitHub reads ``security-severity``; None if absent.
    """

    id: str
    title: str = ""
    cwe: tuple[str, ...] = ()
    level: Level = Level.WARNING
    security_severity: float | None = None
    help_uri: str = ""


@dataclass(frozen=True, slots=True)
class SarifResult:
    """One result at one place of the tree; ``line`` is 0 where the tool names only a file.

    :param path: as in the manifest, not escaped.
    :param author_ignores: a comment or a file of the repository asks to ignore it; policy decides.
    """

    path: str
    line: int
    column: int
    rule_id: str
    message: str
    level: Level
    severity: Severity
    author_ignores: bool = False


@dataclass(frozen=True, slots=True)
class SarifReport:
    """A file's content. It proves absence only if it ``is_whole``.

    :param results: sorted, without exact repetitions.
    :param rules: by id; every result's rule is here.
    :param unscanned: paths that the tool says it could not read or parse.
    :param unplaced_errors: error notifications that name no file of the tree.
    :param foreign_results: results outside the tree, or at no place; dropped.
    :param other_kinds: results whose kind is not ``fail``; dropped.
    :param malformed: results that are no SARIF results; dropped.
    :param truncated: over a limit; the least severe results are missing.
    :param ran: no run says that it failed.
    """

    results: tuple[SarifResult, ...]
    rules: Mapping[str, SarifRule]
    unscanned: tuple[str, ...] = ()
    unplaced_errors: tuple[str, ...] = ()
    foreign_results: int = 0
    other_kinds: int = 0
    malformed: int = 0
    truncated: bool = False
    ran: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether a finding that is not here is really absent (from the files it scanned)."""
        lost = self.foreign_results or self.malformed or self.unplaced_errors
        return self.ran and not self.truncated and not lost


def severity_of(level: Level, security_severity: float | None) -> Severity:
    """Rank a result: by the rule's ``security-severity`` if it has one, else by level.

    The bands are GitHub's (code scanning, "SARIF support", security-severity).
    """
    if security_severity is None:
        by_level = {Level.ERROR: Severity.HIGH, Level.WARNING: Severity.MEDIUM}
        return by_level.get(level, Severity.LOW if level is Level.NOTE else Severity.INFO)
    bands = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
    low = Severity.LOW if security_severity > 0 else Severity.INFO
    return next((name for floor, name in bands if security_severity >= floor), low)
