import dataclasses

import pytest

from nightshift.domain.ids import AccountName, RepositoryName, ScanName, ScannerName
from nightshift.domain.resources import Resources
from nightshift.domain.shards import (
    CloneRequest,
    ScanRequest,
    Shard,
    ShardLimits,
    TooManyShards,
    plan_clone_shards,
    plan_scan_shards,
)

LIMITS = ShardLimits(target_seconds=100, longest_seconds=400, max_scans=10, max_shards=50)


def scan(
    repository: str, seconds: float = 10, scanner: str = "ruff", account: str = "a", **more: object
) -> ScanRequest:
    request = ScanRequest(
        ScanName(f"1-{repository}-{scanner}"),
        AccountName(account),
        RepositoryName(repository),
        ScannerName(scanner),
        Resources(500, 1024),
        seconds,
        deadline_seconds=60,
        group="fast-S",
    )
    return dataclasses.replace(request, **more)  # type: ignore[arg-type]  # fields of the request


def sizes(shards: tuple[Shard, ...]) -> list[float]:
    return [shard.expected_seconds for shard in shards]


def test_no_scans_make_no_shards() -> None:
    assert plan_scan_shards([], LIMITS) == ()


def test_small_work_shares_one_pod() -> None:
    (shard,) = plan_scan_shards([scan("x"), scan("y"), scan("z")], LIMITS)
    assert shard.name == "s001"
    assert shard.scans == ("1-x-ruff", "1-y-ruff", "1-z-ruff")
    assert shard.repositories == ("x", "y", "z")
    assert shard.why == "3 scans of group fast-S, 30 s expected; the target is 100 s"


def test_much_work_is_cut_into_shards_of_about_the_target() -> None:
    shards = plan_scan_shards([scan(f"r{n:02d}", 40) for n in range(10)], LIMITS)
    assert [shard.name for shard in shards] == ["s001", "s002", "s003", "s004"]
    assert sizes(shards) == [120, 120, 80, 80]


def test_long_scans_are_spread_first() -> None:
    lengths = {"a": 90, "b": 80, "c": 20, "d": 10}
    shards = plan_scan_shards([scan(name, secs) for name, secs in lengths.items()], LIMITS)
    assert sorted(shard.repositories for shard in shards) == [("a", "d"), ("b", "c")]


def test_the_scans_of_one_repository_stay_together() -> None:
    requests = [scan(f"r{n}", 60, scanner) for n in range(4) for scanner in ("ruff", "bandit")]
    shards = plan_scan_shards(requests, LIMITS)
    owners = [name for shard in shards for name in shard.repositories]
    assert sorted(owners) == sorted(set(owners))


def test_a_repository_that_takes_longer_than_the_target_is_alone_and_says_so() -> None:
    first, second = plan_scan_shards([scan("big", 350), scan("small", 20)], LIMITS)[:2]
    assert first.repositories == ("big",)
    assert "one repository takes longer than the target of 100 s" in first.why
    assert second.repositories == ("small",)


def test_accounts_and_groups_never_share_a_pod() -> None:
    requests = [
        scan("x"),
        scan("y", account="b"),
        scan("x", scanner="semgrep", group="semgrep-S"),
    ]
    shards = plan_scan_shards(requests, LIMITS)
    assert sorted((shard.account, shard.scans) for shard in shards) == [
        ("a", ("1-x-ruff",)),
        ("a", ("1-x-semgrep",)),
        ("b", ("1-y-ruff",)),
    ]


def test_a_pod_asks_for_the_most_that_one_of_its_scans_needs() -> None:
    requests = [
        scan("x", request=Resources(100, 4096)),
        scan("y", request=Resources(900, 1024)),
    ]
    (shard,) = plan_scan_shards(requests, LIMITS)
    assert shard.request == Resources(900, 4096)


GIB = 2**30


def test_scans_of_unlike_needs_do_not_hold_each_others_room() -> None:
    small = [scan(f"r{i}", 40, "ruff") for i in range(10)]
    large = [scan(f"r{i}", 40, "semgrep", request=Resources(2000, 4 * GIB)) for i in range(10)]
    shards = plan_scan_shards([*small, *large], LIMITS)
    assert {shard.request.memory_bytes for shard in shards} == {1024, 4 * GIB}
    assert all(len({name.rsplit("-", 1)[1] for name in shard.scans}) == 1 for shard in shards)


def test_a_little_work_shares_a_pod_whatever_it_needs() -> None:
    large = scan("b", 20, "semgrep", request=Resources(2000, 4 * GIB))
    (shard,) = plan_scan_shards([scan("a", 20), large], LIMITS)
    assert shard.request == Resources(2000, 4 * GIB)


def test_scans_that_fit_a_node_each_never_make_a_shard_that_fits_none() -> None:
    rooms = [Resources(32_000, 8 * GIB), Resources(2_000, 128 * GIB)]
    scans = [
        scan("cpu", 1, request=Resources(20_000, GIB)),
        scan("memory", 1, request=Resources(1_000, 100 * GIB)),
    ]
    shards = plan_scan_shards(scans, LIMITS, rooms)
    assert all(any(shard.request.fits_in(room) for room in rooms) for shard in shards)
    assert len(shards) == 2
    assert len(plan_scan_shards(scans, LIMITS)) == 1


def test_when_shards_get_too_many_unlike_needs_share_after_all() -> None:
    scans = [scan("a", 390), scan("b", 390, "semgrep", request=Resources(2000, 4 * GIB))]
    few = dataclasses.replace(LIMITS, longest_seconds=800, max_shards=1)
    (shard,) = plan_scan_shards(scans, few)
    assert len(shard.scans) == 2


def test_a_work_list_is_never_too_long() -> None:
    shards = plan_scan_shards([scan(f"r{n:03d}", 0.1) for n in range(35)], LIMITS)
    assert max(len(shard.scans) for shard in shards) <= 10
    assert len(shards) == 4
    assert "a work list holds at most 10" in shards[0].why


def test_a_repository_with_more_scans_than_a_list_holds_is_cut() -> None:
    requests = [scan("x", 1, f"s{n:02d}") for n in range(25)]
    shards = plan_scan_shards(requests, LIMITS)
    assert sorted(len(shard.scans) for shard in shards) == [5, 10, 10]


def test_shards_get_longer_before_they_get_too_many() -> None:
    limits = dataclasses.replace(LIMITS, max_shards=3)
    shards = plan_scan_shards([scan(f"r{n:02d}", 50) for n in range(18)], limits)
    assert len(shards) == 3
    assert sizes(shards) == [300, 300, 300]
    assert "shards are 300 s instead of 100 s long to keep within 3" in shards[0].why


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param([scan(f"r{n}", 300) for n in range(20)], id="too much work"),
        pytest.param([scan(f"r{n}", account=f"a{n}") for n in range(4)], id="too many accounts"),
    ],
)
def test_what_does_not_fit_is_refused_with_advice(requests: list[ScanRequest]) -> None:
    with pytest.raises(TooManyShards) as caught:
        plan_scan_shards(requests, dataclasses.replace(LIMITS, max_shards=3))
    assert "3 are allowed" in str(caught.value)
    assert "split the batch" in str(caught.value)


def test_urgent_shards_start_first_then_long_ones() -> None:
    requests = [
        scan("long", 90, group="g1"),
        scan("short", 10, group="g2"),
        scan("urgent", 5, group="g3", priority=1),
    ]
    shards = plan_scan_shards(requests, LIMITS)
    assert [shard.repositories[0] for shard in shards] == ["urgent", "long", "short"]
    assert [shard.priority for shard in shards] == [1, 0, 0]


def test_inside_a_shard_urgent_scans_go_first_then_long_ones() -> None:
    requests = [scan("short", 1), scan("long", 9), scan("urgent", 2, priority=5)]
    (shard,) = plan_scan_shards(requests, LIMITS)
    assert shard.repositories == ("urgent", "long", "short")


@pytest.mark.parametrize(
    ("count", "seconds", "deadline"),
    [
        pytest.param(1, 10, 60 + 120, id="one scan: its own limit"),
        pytest.param(2, 100, 2 * 60 + 120, id="never more than all limits together"),
        pytest.param(10, 10, 3 * 100 + 60 + 120, id="thrice the expectation and one limit"),
    ],
)
def test_a_deadline_leaves_room_for_one_stuck_scan(
    count: int, seconds: float, deadline: int
) -> None:
    limits = dataclasses.replace(LIMITS, target_seconds=1000)
    (shard,) = plan_scan_shards([scan(f"r{n}", seconds) for n in range(count)], limits)
    assert shard.deadline_seconds == deadline


@pytest.mark.parametrize(
    "requests",
    [
        pytest.param([scan("x"), scan("x")], id="a scan twice"),
        pytest.param([scan("x", -1)], id="below zero"),
        pytest.param([scan("x", float("nan"))], id="not a number"),
        pytest.param([scan("x", float("inf"))], id="for ever"),
        pytest.param([scan("x", deadline_seconds=0)], id="no time at all"),
    ],
)
def test_senseless_requests_are_refused(requests: list[ScanRequest]) -> None:
    with pytest.raises(ValueError, match=r"requests are for the same|expected_seconds is from 0"):
        plan_scan_shards(requests, LIMITS)


def test_clones_are_planned_alike_and_named_for_what_they_are() -> None:
    def clone(repository: str, account: str) -> CloneRequest:
        name = RepositoryName(repository)
        return CloneRequest(AccountName(account), name, Resources(250, 512), 60, 900)

    shards = plan_clone_shards([clone(r, a) for r in "xyz" for a in "ab"], LIMITS)
    assert [(s.name, s.account, s.repositories, s.scans) for s in shards] == [
        ("c001", "a", ("x", "z"), ()),
        ("c002", "b", ("x", "z"), ()),
        ("c003", "a", ("y",), ()),
        ("c004", "b", ("y",), ()),
    ]
    assert shards[0].why == "2 repositories of group clone, 120 s expected; the target is 100 s"


def test_a_repository_cannot_be_cloned_twice() -> None:
    one = CloneRequest(AccountName("a"), RepositoryName("x"), Resources(), 1, 1)
    with pytest.raises(ValueError, match="the same scan or repository"):
        plan_clone_shards([one, one], LIMITS)
