"""Which scans may share a pod without wasting too much of it.

The scans of a shard run one after another, and their pod asks for the most that any of them needs,
for as long as all of them take. A scanner of 200 MiB behind one of 4 GiB then holds 4 GiB for its
whole run, which no packing of pods can give back. So scans of unlike needs get pods of their own,
unless what sharing wastes is less than another pod's start costs, or a small part of the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.domain.resources import Resources

START_SECONDS = 30.0
"""A pod's start, an Airflow task and reading the repository again; sharing may waste as much."""
TOLERATED_WASTE = 1 / 3
"""Of what a pod holds may be unused; less, and a repository is read by pods of every scanner."""


@dataclass(frozen=True, slots=True)
class Work:
    """Scans of like needs.

    :param request: the most that any of them needs.
    :param seconds: of all of them together.
    """

    request: Resources
    seconds: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.request.at_least(other.request), self.seconds + other.seconds)


def needs_class(request: Resources, rooms: Sequence[Resources] = ()) -> tuple[object, ...]:
    """Name the class of like needs that a request belongs to: equal powers of two, the same room.

    As all of a class fit the first room that any of them fits, so does the most of them.

    >>> needs_class(Resources(600, 3 * 2**30)) == needs_class(Resources(1000, 4 * 2**30))
    True
    """
    mebibytes = -(-request.memory_bytes // 2**20)
    extended = sorted(item for item in request.extended.items() if item[1] > 0)
    room = next((i for i, one in enumerate(rooms) if request.fits_in(one)), -1)
    return _power(request.cpu_millis), _power(mebibytes), tuple(extended), room


def share_pods(works: Sequence[Work], rooms: Sequence[Resources] = ()) -> tuple[int, ...]:
    """Say which works share pods: give each a number, and those that share the same one.

    Joins the two that waste least, again and again, while that is worth it.

    :param rooms: what nodes offer; works that only together fit none of them never share. Empty if
        nothing is known.
    """
    groups = [[i] for i in range(len(works))]
    sums = list(works)
    while True:
        pairs = [(i, j) for j in range(len(groups)) for i in range(j)]
        allowed = [pair for pair in pairs if _is_worth_it(sums[pair[0]], sums[pair[1]], rooms)]
        if not allowed:
            break
        i, j = min(allowed, key=lambda pair: (_waste(sums[pair[0]], sums[pair[1]]), pair))
        groups[i] += groups.pop(j)
        sums[i] += sums.pop(j)
    number_of = {work: number for number, group in enumerate(groups) for work in group}
    return tuple(number_of[i] for i in range(len(works)))


def _is_worth_it(one: Work, other: Work, rooms: Sequence[Resources]) -> bool:
    both = one + other
    if _fits(one, rooms) and _fits(other, rooms) and not _fits(both, rooms):
        return False
    return _waste(one, other) <= max(START_SECONDS, TOLERATED_WASTE * both.seconds)


def _fits(work: Work, rooms: Sequence[Resources]) -> bool:
    return not rooms or any(work.request.fits_in(room) for room in rooms)


def _waste(one: Work, other: Work) -> float:
    """Give the seconds for which their pod would hold what it does not use, at worst."""
    both = one + other
    parts = [
        sum((asked - work.request.get(name)) / asked * work.seconds for work in (one, other))
        for name, asked in both.request.items()
        if asked > 0
    ]
    return max(parts, default=0.0)


def _power(amount: int) -> int:
    return 1 << (amount - 1).bit_length() if amount > 0 else 0
