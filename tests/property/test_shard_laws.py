from collections import Counter

from hypothesis import assume, given
from hypothesis import strategies as st

from nightshift.domain.resources import Resources
from nightshift.domain.shards import (
    ScanRequest,
    Shard,
    ShardLimits,
    TooManyShards,
    plan_scan_shards,
)
from tests.property.strategies_placement import resources
from tests.property.strategies_shards import scan_requests, shard_limits


def planned(requests: list[ScanRequest], limits: ShardLimits) -> tuple[Shard, ...]:
    try:
        return plan_scan_shards(requests, limits)
    except TooManyShards:
        assume(False)
        raise


@given(scan_requests(), shard_limits())
def test_every_scan_is_in_exactly_one_shard(
    requests: list[ScanRequest], limits: ShardLimits
) -> None:
    shards = planned(requests, limits)
    assert Counter(scan for shard in shards for scan in shard.scans) == Counter(
        request.scan for request in requests
    )


@given(scan_requests(), shard_limits())
def test_no_shard_mixes_accounts_or_groups(
    requests: list[ScanRequest], limits: ShardLimits
) -> None:
    by_scan = {request.scan: request for request in requests}
    for shard in planned(requests, limits):
        members = [by_scan[scan] for scan in shard.scans]
        assert {request.account for request in members} == {shard.account}
        assert len({request.group for request in members}) == 1
        assert {request.repository for request in members} == set(shard.repositories)


@given(scan_requests(), shard_limits())
def test_limits_hold(requests: list[ScanRequest], limits: ShardLimits) -> None:
    shards = planned(requests, limits)
    assert len(shards) <= limits.max_shards
    assert all(1 <= len(shard.scans) <= limits.max_scans for shard in shards)


@given(scan_requests(), shard_limits(), st.randoms(use_true_random=False))
def test_the_plan_does_not_depend_on_the_order_of_the_scans(
    requests: list[ScanRequest], limits: ShardLimits, chance: object
) -> None:
    shuffled = list(requests)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert planned(requests, limits) == planned(shuffled, limits)


@given(scan_requests(), shard_limits())
def test_a_shard_has_room_and_time_for_each_of_its_scans(
    requests: list[ScanRequest], limits: ShardLimits
) -> None:
    by_scan = {request.scan: request for request in requests}
    for shard in planned(requests, limits):
        members = [by_scan[scan] for scan in shard.scans]
        assert all(request.request.fits_in(shard.request) for request in members)
        longest = max(request.deadline_seconds for request in members)
        total = sum(request.deadline_seconds for request in members)
        assert longest <= shard.deadline_seconds - limits.margin_seconds <= total


@given(scan_requests(), shard_limits())
def test_names_are_unique_and_in_order(requests: list[ScanRequest], limits: ShardLimits) -> None:
    shards = planned(requests, limits)
    assert [shard.name for shard in shards] == [f"s{n:03d}" for n in range(1, len(shards) + 1)]


@given(scan_requests(), st.integers(1, 1000))
def test_without_other_limits_no_shard_is_longer_than_target_and_one_repository(
    requests: list[ScanRequest], target: int
) -> None:
    limits = ShardLimits(target_seconds=target, longest_seconds=target, max_shards=10_000)
    by_repository: Counter[tuple[str, str]] = Counter()
    for request in requests:
        by_repository[request.repository, request.group] += request.expected_seconds  # type: ignore[assignment]  # a sum of seconds
    most = max(by_repository.values(), default=0)
    for shard in planned(requests, limits):
        assert shard.expected_seconds <= target + most + 1e-6


@given(scan_requests(), shard_limits(), st.lists(resources, max_size=3))
def test_a_shard_fits_a_room_if_each_of_its_scans_does(
    requests: list[ScanRequest], limits: ShardLimits, rooms: list[Resources]
) -> None:
    rooms = [*rooms, Resources(2000, 5 * 10**9)]
    fitting = [r for r in requests if any(r.request.fits_in(room) for room in rooms)]
    try:
        shards = plan_scan_shards(fitting, limits, rooms)
    except TooManyShards:
        return
    assert all(any(shard.request.fits_in(room) for room in rooms) for shard in shards)
