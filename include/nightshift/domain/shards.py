"""Which scans share a pod: shards of about equal length, one account and one group each.

A shard costs a pod start and an Airflow task, so it should hold minutes of work; a pod that works
for hours is lost whole when its node dies, so it should not hold more. All scans of a repository in
one group stay together: its tree is then read from the volume once. Within a group the repositories
go, longest first, to the shard with the least work so far (LPT: R. L. Graham, "Bounds on
multiprocessing timing anomalies", 1969), which keeps the longest shard within 4/3 of the best.
Scans of very unlike needs get shards of their own (see shard_classes).
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nightshift.domain.ids import (
    AccountName,
    RepositoryName,
    ScanName,
    ScannerName,
    ShardName,
    parse_shard_name,
)
from nightshift.domain.resources import Resources
from nightshift.domain.shard_classes import Work, needs_class, share_pods
from nightshift.errors import PermanentError

_STRETCH = 1.25
"""Each try to fit the work into fewer shards makes them this much longer."""


class TooManyShards(PermanentError):
    """The work does not fit into the allowed number of shards, even when they are long."""


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """How long, how many and how full shards may be.

    :param target_seconds: how long a shard should take.
    :param longest_seconds: how far the target may be stretched to keep within ``max_shards``.
    :param max_scans: keeps the work list below 900 KiB: a ConfigMap holds 1 MiB.
    :param max_shards: shards of one run; each is a mapped task.
    :param margin_seconds: added to a deadline for the pod's own start and end.
    """

    target_seconds: int = 300
    longest_seconds: int = 7200
    max_scans: int = 1000
    max_shards: int = 300
    margin_seconds: int = 120


@dataclass(frozen=True, slots=True)
class ScanRequest:
    """One scan to be placed.

    :param group: pack and size class, such as ``fast-S``; a shard holds one group only.
    :param request: what its pod needs while it runs.
    :param expected_seconds: what the last scans of this pair took, or a guess.
    :param deadline_seconds: when the runner kills it.
    """

    scan: ScanName
    account: AccountName
    repository: RepositoryName
    scanner: ScannerName
    request: Resources
    expected_seconds: float
    deadline_seconds: int
    group: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class CloneRequest:
    """One repository to be fetched; ``expected_seconds`` from its last fetch, or a guess."""

    account: AccountName
    repository: RepositoryName
    request: Resources
    expected_seconds: float
    deadline_seconds: int
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Shard:
    """What one pod does. A clone shard has repositories and no scans.

    :param scans: in the order in which the pod runs them.
    :param request: the most that any of its scans needs, as they run one after another.
    :param deadline_seconds: the pod's activeDeadlineSeconds.
    :param why: how it came about, for people.
    """

    name: ShardName
    account: AccountName
    repositories: tuple[RepositoryName, ...]
    scans: tuple[ScanName, ...]
    request: Resources
    deadline_seconds: int
    expected_seconds: float
    priority: int
    why: str


def plan_scan_shards(
    scans: Iterable[ScanRequest],
    limits: ShardLimits | None = None,
    rooms: Sequence[Resources] = (),
) -> tuple[Shard, ...]:
    """Put every scan into exactly one shard, named ``s001`` on, in the order to be started.

    The plan depends on the set of scans only, not on their order.

    :param rooms: what each node, or each kind of node, offers when empty: scans that each fit one
        of them never make a shard that fits none. Empty if nothing is known.
    :raises TooManyShards: with what to change.
    :raises ValueError: if two scans have the same name, or a number is not sensible.
    """
    tasks = [
        _Task(s.account, s.group, s.repository, s.scan, s.request, _Cost.of(s), s.priority)
        for s in scans
    ]
    apart = _set_apart(tasks, rooms)
    try:
        return _plan("s", apart, limits or ShardLimits())
    except TooManyShards:
        if rooms or len({task.class_ for task in apart}) < 2:
            raise
        return _plan("s", tasks, limits or ShardLimits())  # a night that is run beats a tidy one


def plan_clone_shards(
    clones: Iterable[CloneRequest], limits: ShardLimits | None = None
) -> tuple[Shard, ...]:
    """Put every repository into exactly one clone shard of its account, named ``c001`` on.

    :raises TooManyShards: with what to change.
    :raises ValueError: if an account has a repository twice, or a number is not sensible.
    """
    tasks = [
        _Task(c.account, "clone", c.repository, None, c.request, _Cost.of(c), c.priority)
        for c in clones
    ]
    return _plan("c", tasks, limits or ShardLimits())


@dataclass(frozen=True, slots=True)
class _Cost:
    expected: float
    deadline: int

    @classmethod
    def of(cls, one: ScanRequest | CloneRequest) -> "_Cost":
        if not (0 <= one.expected_seconds < math.inf) or one.deadline_seconds < 1:
            raise ValueError(
                f"{one.repository}: expected_seconds is from 0 up and deadline_seconds from 1 up, "
                f"not {one.expected_seconds} and {one.deadline_seconds}"
            )
        return cls(one.expected_seconds, one.deadline_seconds)


@dataclass(frozen=True, slots=True)
class _Task:
    account: AccountName
    group: str
    repository: RepositoryName
    scan: ScanName | None
    request: Resources
    cost: _Cost
    priority: int
    class_: int = 0

    @property
    def identity(self) -> tuple[str, ...]:
        """Name the task; two accounts may have repositories, and so scans, of the same name."""
        return self.account, self.repository if self.scan is None else self.scan


@dataclass(frozen=True, slots=True)
class _Unit:
    """What stays together: the tasks of one repository in one group and class."""

    tasks: tuple[_Task, ...]
    expected: float

    @property
    def order(self) -> tuple[float, str]:
        return -self.expected, self.tasks[0].repository


@dataclass(frozen=True, slots=True)
class _Bin:
    """What becomes a shard; ``crowded`` if the number of scans, not time, asked for one more."""

    units: tuple[_Unit, ...]
    crowded: bool

    @property
    def order(self) -> tuple[int, float, tuple[str, ...]]:
        """Start urgent shards first, then long ones, so that the night ends evenly."""
        tasks = [task for unit in self.units for task in unit.tasks]
        expected = math.fsum(unit.expected for unit in self.units)
        return -max(t.priority for t in tasks), -expected, min(t.identity for t in tasks)


def _set_apart(tasks: Sequence[_Task], rooms: Sequence[Resources]) -> list[_Task]:
    """Give each task the number of those in its account and group that it may share pods with."""
    works: dict[tuple[str, str], dict[tuple[object, ...], Work]] = {}
    for task in sorted(tasks, key=lambda task: task.identity):
        mine = works.setdefault((task.account, task.group), {})
        key, work = needs_class(task.request, rooms), Work(task.request, task.cost.expected)
        mine[key] = mine[key] + work if key in mine else work
    numbers = {}
    for group, mine in works.items():
        classes = sorted(mine)
        shared = share_pods([mine[one] for one in classes], rooms)
        numbers[group] = dict(zip(classes, shared, strict=True))
    return [
        replace(task, class_=numbers[task.account, task.group][needs_class(task.request, rooms)])
        for task in tasks
    ]


def _plan(letter: str, tasks: Sequence[_Task], limits: ShardLimits) -> tuple[Shard, ...]:
    if len({task.identity for task in tasks}) != len(tasks):
        raise ValueError("two of the requests are for the same scan or repository")
    groups = _group(sorted(tasks, key=lambda task: task.identity), limits.max_scans)
    seconds, bins = _pack_into_limit(groups, limits)
    bins.sort(key=lambda one: one.order)
    return tuple(
        _build_shard(parse_shard_name(f"{letter}{number:03d}"), one, limits, seconds)
        for number, one in enumerate(bins, start=1)
    )


def _group(tasks: Sequence[_Task], max_scans: int) -> list[list[_Unit]]:
    """Sort units into account, group and class; a unit is cut only where it would fill a shard."""
    together: dict[tuple[str, str, int, str], list[_Task]] = {}
    for task in tasks:
        key = task.account, task.group, task.class_, task.repository
        together.setdefault(key, []).append(task)
    groups: dict[tuple[str, str, int], list[_Unit]] = {}
    for (account, group, class_, _), members in sorted(together.items()):
        for start in range(0, len(members), max_scans):
            part = tuple(members[start : start + max_scans])
            unit = _Unit(part, math.fsum(task.cost.expected for task in part))
            groups.setdefault((account, group, class_), []).append(unit)
    return [sorted(units, key=lambda unit: unit.order) for units in groups.values()]


def _pack_into_limit(
    groups: Sequence[Sequence[_Unit]], limits: ShardLimits
) -> tuple[float, list[_Bin]]:
    """Pack at the target, and stretch it until the shards are few enough."""
    total = math.fsum(unit.expected for units in groups for unit in units)
    seconds = max(limits.target_seconds, min(total / limits.max_shards, limits.longest_seconds))
    while True:
        bins = [one for units in groups for one in _pack(units, seconds, limits.max_scans)]
        if len(bins) <= limits.max_shards:
            return seconds, bins
        if seconds >= limits.longest_seconds:
            raise TooManyShards(_refusal(len(bins), len(groups), total, limits))
        seconds = min(seconds * _STRETCH, limits.longest_seconds)


def _pack(units: Sequence[_Unit], seconds: float, max_scans: int) -> list[_Bin]:
    """Give each unit, longest first, to the shard with the least work that has room for it."""
    by_time = math.ceil(math.fsum(unit.expected for unit in units) / seconds)
    by_list = math.ceil(sum(len(unit.tasks) for unit in units) / max_scans)
    count = min(max(1, by_time, by_list), len(units))
    bins: list[list[_Unit]] = [[] for _ in range(count)]
    rooms = [max_scans] * count
    heap: list[tuple[float, int]] = [(0.0, index) for index in range(count)]
    for unit in units:
        full = []
        while heap and rooms[heap[0][1]] < len(unit.tasks):
            full.append(heapq.heappop(heap))
        if not heap:
            heap.append((0.0, len(bins)))
            bins.append([])
            rooms.append(max_scans)
        load, index = heapq.heappop(heap)
        bins[index].append(unit)
        rooms[index] -= len(unit.tasks)
        heapq.heappush(heap, (load + unit.expected, index))
        for one in full:
            if rooms[one[1]] > 0:
                heapq.heappush(heap, one)
    return [_Bin(tuple(one), len(bins) > max(1, by_time)) for one in bins if one]


def _build_shard(name: ShardName, one: _Bin, limits: ShardLimits, seconds: float) -> Shard:
    ordered = sorted(one.units, key=lambda u: (-max(t.priority for t in u.tasks), *u.order))
    tasks = [task for unit in ordered for task in unit.tasks]
    expected = math.fsum(task.cost.expected for task in tasks)
    request = Resources()
    for task in tasks:
        request = request.at_least(task.request)
    return Shard(
        name,
        tasks[0].account,
        tuple(dict.fromkeys(task.repository for task in tasks)),
        tuple(task.scan for task in tasks if task.scan is not None),
        request,
        _deadline(tasks, expected, limits),
        expected,
        max(task.priority for task in tasks),
        _why(one, expected, seconds, limits),
    )


def _deadline(tasks: Sequence[_Task], expected: float, limits: ShardLimits) -> int:
    """Leave room for one task that runs into its own limit while the others take thrice as long.

    The sum of all limits would keep a stuck pod for days; a shard that is cut off resumes.
    """
    most = sum(task.cost.deadline for task in tasks)
    likely = math.ceil(3 * expected) + max(task.cost.deadline for task in tasks)
    return min(most, likely) + limits.margin_seconds


def _why(one: _Bin, expected: float, seconds: float, limits: ShardLimits) -> str:
    tasks = [task for unit in one.units for task in unit.tasks]
    group = f" of group {tasks[0].group}" if tasks[0].group else ""
    what = "scans" if tasks[0].scan is not None else "repositories"
    text = f"{len(tasks)} {what}{group}, {expected:.0f} s expected"
    if seconds > limits.target_seconds:
        stretched = f"{seconds:.0f} s instead of {limits.target_seconds} s"
        return f"{text}; shards are {stretched} long to keep within {limits.max_shards}"
    if one.crowded:
        return f"{text}; a work list holds at most {limits.max_scans}"
    if expected > seconds and len({task.repository for task in tasks}) == 1:
        return f"{text}; one repository takes longer than the target of {seconds:.0f} s"
    return f"{text}; the target is {seconds:.0f} s"


def _refusal(shards: int, groups: int, total: float, limits: ShardLimits) -> str:
    return (
        f"the work needs {shards:,} shards of at most {limits.longest_seconds:,} s each "
        f"({total / 3600:,.1f} h in {groups:,} groups of account and size), and "
        f"{limits.max_shards:,} are allowed: split the batch into several runs, or raise "
        "NIGHTSHIFT_MAX_SHARDS (up to 1,000)"
    )
