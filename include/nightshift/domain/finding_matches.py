"""Which of tonight's results are which known findings. One to one, and never the first candidate.

First by equal key; then through a renamed file; then an edited line close by. The order of the
results does not matter. Every search has a bound, so that a hostile file costs no quadratic time;
beyond the bound findings are paired in file order, or are left as fixed and new.
"""

import difflib
from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from nightshift.domain.fingerprints import compact, likeness, own_line

NEAR_LINES = 5
SIMILARITY = 0.8
_MAX_PAIRS = 100_000
_MAX_COMPARISONS = 5_000

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Seen:
    """One result of tonight, with its identity.

    :param path: as stored; ``blob`` is the git object id of the file, "" if it is not known.
    :param snippet: the line's text, masked; "" for rules that find secrets.
    """

    rule: str
    path: str
    line: int
    column: int
    fingerprint: bytes
    context: bytes
    severity: int
    message: str
    snippet: str = ""
    blob: str = ""
    author_ignores: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """One finding of the store; ``state`` is a FindingState."""

    id: int
    state: str
    rule: str
    path: str
    line: int
    fingerprint: bytes
    ordinal: int
    context: bytes
    severity: int
    message: str
    snippet: str = ""
    blob: str = ""
    author_ignores: bool = False
    unproved: int = 0


class How(StrEnum):
    """What a finding was recognised by."""

    EQUAL = "equal"
    RENAMED = "renamed"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class Match:
    """A known finding that was seen again; ``ordinal`` is the one to store."""

    known: Known
    seen: Seen
    how: How
    ordinal: int


@dataclass(frozen=True, slots=True)
class Matching:
    """The whole answer.

    Every live finding is in ``matches`` or ``unseen``, every result in ``matches`` or ``fresh``.
    """

    matches: tuple[Match, ...]
    unseen: tuple[Known, ...]
    fresh: tuple[Seen, ...]


def match_findings(
    live: Iterable[Known], fixed: Iterable[Known], seen: Iterable[Seen], paths: Container[str]
) -> Matching:
    """Pair known findings with results.

    :param fixed: findings that come back if their key is seen and no live finding claims it.
    :param paths: of the manifest; a finding whose path is not there may have been renamed.
    """
    ordered = sorted(seen, key=lambda s: (s.path, s.line, s.column, s.rule, s.message, s.severity))
    work = _Work(sorted(live, key=_file_order), ordered)
    work.pair(work.known, How.EQUAL, lambda k: k.fingerprint, lambda s: s.fingerprint)
    back = sorted(fixed, key=_file_order)
    work.pair(back, How.EQUAL, lambda k: k.fingerprint, lambda s: s.fingerprint)
    gone = [known for known in work.known if known.path not in paths]
    _pair_renamed(work, gone)
    _pair_edited(work)
    return Matching(tuple(work.matches), tuple(work.known), tuple(work.seen))


class _Work:
    """What is left to pair, and what has been paired."""

    def __init__(self, known: list[Known], seen: list[Seen]) -> None:
        self.known = known
        self.seen = seen
        self.matches: list[Match] = []

    def pair(
        self,
        known: Sequence[Known],
        how: How,
        key_of_known: Callable[[Known], K | None],
        key_of_seen: Callable[[Seen], K | None],
        *,
        only_unique: bool = False,
    ) -> None:
        """Pair what has equal keys; None is no key."""
        seen_by_key = _group(self.seen, key_of_seen)
        found: list[tuple[Known, Seen]] = []
        for key, group in _group(known, key_of_known).items():
            others = seen_by_key.get(key, [])
            if not only_unique or (len(group), len(others)) == (1, 1):
                found += _pair_group(group, others)
        self.accept(found, how)

    def accept(self, found: Sequence[tuple[Known, Seen]], how: How) -> None:
        """Take pairs out of what is left."""
        self.matches += [Match(k, s, how, k.ordinal) for k, s in found]
        known_ids = {known.id for known, _ in found}
        seen_ids = {id(seen) for _, seen in found}
        self.known = [known for known in self.known if known.id not in known_ids]
        self.seen = [seen for seen in self.seen if id(seen) not in seen_ids]


def _pair_group(known: Sequence[Known], seen: Sequence[Seen]) -> list[tuple[Known, Seen]]:
    """Pair one group of equal keys, both sides in file order."""
    if len(known) == len(seen) or len(known) * len(seen) > _MAX_PAIRS:
        return list(zip(known, seen, strict=False))
    pairs = [
        ((-likeness(k.context, s.context), 0), i, j)
        for i, k in enumerate(known)
        for j, s in enumerate(seen)
    ]
    return [(known[i], seen[j]) for i, j in _greedy(pairs)]


def _pair_renamed(work: _Work, gone: Sequence[Known]) -> None:
    """Follow a renamed file: the same blob under a new path, else the only place with that line."""
    if not gone:
        return
    work.pair(
        gone,
        How.RENAMED,
        lambda k: (k.rule, own_line(k.context), k.blob) if k.blob else None,
        lambda s: (s.rule, own_line(s.context), s.blob) if s.blob else None,
    )
    left = {known.id for known in work.known}
    work.pair(
        [known for known in gone if known.id in left],
        How.RENAMED,
        lambda k: (k.rule, own_line(k.context)) if k.line else None,
        lambda s: (s.rule, own_line(s.context)) if s.line else None,
        only_unique=True,
    )


def _pair_edited(work: _Work) -> None:
    """Follow an edited line: same rule and file, a few lines away at most, and mostly the same."""
    seen_by_place = _group(work.seen, lambda s: (s.rule, s.path) if s.snippet else None)
    pairs: list[tuple[float, int, int, int]] = []
    number = {id(seen): j for j, seen in enumerate(work.seen)}
    left = _MAX_COMPARISONS
    for i, known in enumerate(work.known):
        for seen in seen_by_place.get((known.rule, known.path), []) if known.snippet else []:
            distance = abs(known.line - seen.line)
            if distance > NEAR_LINES or left <= 0:
                continue
            left -= 1
            ratio = _similarity(compact(known.snippet), compact(seen.snippet))
            if ratio >= SIMILARITY:
                pairs.append((-ratio, distance, i, number[id(seen)]))
    best = _greedy([((ratio, distance), i, j) for ratio, distance, i, j in pairs])
    work.accept([(work.known[i], work.seen[j]) for i, j in best], How.EDITED)


def _similarity(a: str, b: str) -> float:
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    if matcher.real_quick_ratio() < SIMILARITY or matcher.quick_ratio() < SIMILARITY:
        return 0.0
    return matcher.ratio()


def _greedy(pairs: Iterable[tuple[tuple[float, int], int, int]]) -> list[tuple[int, int]]:
    """Take pairs from the best (the least) on, each side once."""
    left: set[int] = set()
    right: set[int] = set()
    taken = []
    for _, i, j in sorted(pairs):
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
            taken.append((i, j))
    return taken


T = TypeVar("T")


def _group(items: Iterable[T], key_of: Callable[[T], K | None]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = defaultdict(list)
    for item in items:
        key = key_of(item)
        if key is not None:
            groups[key].append(item)
    return groups


def _file_order(known: Known) -> tuple[str, int, int, int]:
    return known.path, known.line, known.ordinal, known.id
