"""What a night means for what was known: the states of a finding, and what proves it fixed.

A finding is fixed only by proof. A scan that did not run, did not finish, did not read the file, or
does not know the rule says nothing; the finding then stays and is counted as unproved.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from nightshift.domain.finding_matches import How, Known, Match, Seen, match_findings

SUSPECT_OPEN = 20
"""A scan that would fix over half of this many findings or more needs a second night's word."""
FILES_SHARE = 0.9
"""Of the files that a scanner should read, it must have read this share to prove anything."""


class FindingState(StrEnum):
    """Where a finding stands. ``reopened`` is open again after having been fixed."""

    OPEN = "open"
    REOPENED = "reopened"
    FIXED = "fixed"
    SUPPRESSED = "suppressed"


class Sight(StrEnum):
    """What a scan says of one finding."""

    SEEN = "seen"
    ABSENT_PROVED = "absent_proved"
    ABSENT_UNPROVED = "absent_unproved"


TRANSITIONS: Mapping[tuple[FindingState | None, Sight], FindingState | None] = MappingProxyType({
    (None, Sight.SEEN): FindingState.OPEN,
    (FindingState.OPEN, Sight.SEEN): FindingState.OPEN,
    (FindingState.OPEN, Sight.ABSENT_PROVED): FindingState.FIXED,
    (FindingState.OPEN, Sight.ABSENT_UNPROVED): FindingState.OPEN,
    (FindingState.REOPENED, Sight.SEEN): FindingState.REOPENED,
    (FindingState.REOPENED, Sight.ABSENT_PROVED): FindingState.FIXED,
    (FindingState.REOPENED, Sight.ABSENT_UNPROVED): FindingState.REOPENED,
    (FindingState.FIXED, Sight.SEEN): FindingState.REOPENED,
    (FindingState.FIXED, Sight.ABSENT_PROVED): FindingState.FIXED,
    (FindingState.FIXED, Sight.ABSENT_UNPROVED): FindingState.FIXED,
    (FindingState.SUPPRESSED, Sight.SEEN): FindingState.SUPPRESSED,
    (FindingState.SUPPRESSED, Sight.ABSENT_PROVED): FindingState.FIXED,
    (FindingState.SUPPRESSED, Sight.ABSENT_UNPROVED): FindingState.SUPPRESSED,
})
"""The whole table; None is a finding that is not known yet. Users' acts are not in it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a scan can prove.

    :param may_close: it ran to its end, its canary was found, its output is whole, and it read
        enough of the files.
    :param has_rule: whether this version of the scanner has a rule.
    :param paths: of the manifest, as stored.
    :param unread: paths that were left out, skipped, or could not be parsed.
    :param lists_all_left_out: False if more files were left out than are named.
    :param something_changed: another commit or scanner than the last scan that proved something;
        without a change a finding cannot go away, so a scanner that misses it is not believed.
    :param confirms_suspect: the last scan was suspect, and this one is the second night.
    """

    may_close: bool
    has_rule: Callable[[str], bool]
    paths: Container[str]
    unread: Container[str] = frozenset()
    lists_all_left_out: bool = True
    something_changed: bool = True
    confirms_suspect: bool = False

    def sight_of_absent(self, finding: Known) -> Sight:
        """Judge a finding that the scan did not report."""
        readable = finding.path in self.paths or self.lists_all_left_out
        proved = (
            self.may_close
            and self.something_changed
            and readable
            and finding.path not in self.unread
            and self.has_rule(finding.rule)
        )
        return Sight.ABSENT_PROVED if proved else Sight.ABSENT_UNPROVED


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write after a scan; a finding that is in none of these costs no write.

    :param opened: new findings, with the ordinal that keeps their key unique.
    :param updated: seen again, but something about them changed.
    :param suspect: too many would have been fixed; none is, until a second night agrees.
    """

    opened: tuple[tuple[Seen, int], ...] = ()
    updated: tuple[Match, ...] = ()
    reopened: tuple[Match, ...] = ()
    fixed: tuple[Known, ...] = ()
    unproved: tuple[Known, ...] = ()
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What the store knows of one repository and scanner.

    :param live: open, reopened and suppressed findings.
    :param fixed: fixed findings; only those whose key was seen again matter.
    """

    live: tuple[Known, ...] = ()
    fixed: tuple[Known, ...] = ()


def is_enough(files_scanned: int | None, files_expected: int) -> bool:
    """Tell whether a scanner read enough files; None is one that does not count them."""
    return files_scanned is None or files_scanned >= FILES_SHARE * files_expected


def plan_changes(history: History, seen: Iterable[Seen], evidence: Evidence) -> Changes:
    """Compare what a scan saw with what is known, and say what to write. Changes nothing."""
    matching = match_findings(history.live, history.fixed, seen, evidence.paths)
    absent = [(known, evidence.sight_of_absent(known)) for known in matching.unseen]
    fixed = [known for known, sight in absent if sight is Sight.ABSENT_PROVED]
    unproved = [known for known, sight in absent if sight is Sight.ABSENT_UNPROVED]
    suspect = _is_suspect(len(fixed), len(history.live)) and not evidence.confirms_suspect
    if suspect:
        fixed, unproved = [], [known for known, _ in absent]
    ordinals = _Ordinals((*history.live, *history.fixed))
    again = [m for m in matching.matches if m.known.state != FindingState.FIXED]
    return Changes(
        updated=tuple(ordinals.keep_unique(m) for m in again if _differs(m)),
        reopened=tuple(m for m in matching.matches if m.known.state == FindingState.FIXED),
        opened=tuple((seen, ordinals.take(seen.fingerprint)) for seen in matching.fresh),
        fixed=tuple(fixed),
        unproved=tuple(unproved),
        suspect=suspect,
    )


def _is_suspect(fixed: int, live: int) -> bool:
    return live >= SUSPECT_OPEN and 2 * fixed > live


def _differs(match: Match) -> bool:
    known, seen = match.known, match.seen
    return (
        match.how is not How.EQUAL
        or known.unproved > 0
        or (known.line, known.context) != (seen.line, seen.context)
        or (known.severity, known.author_ignores) != (seen.severity, seen.author_ignores)
        or known.message != seen.message
    )


class _Ordinals:
    """Numbers that tell equal keys apart.

    A number in use stays in use until the next scan, so that rows may be written in any order.
    """

    def __init__(self, rows: Iterable[Known]) -> None:
        self._used: dict[bytes, set[int]] = {}
        self._lowest: dict[bytes, int] = {}
        for row in rows:
            self._used.setdefault(row.fingerprint, set()).add(row.ordinal)

    def take(self, fingerprint: bytes) -> int:
        used = self._used.setdefault(fingerprint, set())
        ordinal = self._lowest.get(fingerprint, 0)
        while ordinal in used:
            ordinal += 1
        used.add(ordinal)
        self._lowest[fingerprint] = ordinal + 1
        return ordinal

    def keep_unique(self, match: Match) -> Match:
        """Give a finding whose key changes a number that is free under the new key."""
        if match.known.fingerprint == match.seen.fingerprint:
            return match
        return replace(match, ordinal=self.take(match.seen.fingerprint))
