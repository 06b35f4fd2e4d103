"""Laws of steering: orders are permutations, pictures add up, nominations stay ours."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.ids import AccountName, NodeName
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.placement.steering import Rights, SteeringChoice
from nightshift.domain.placement.waves import WaveOrder
from nightshift.domain.resources import Resources
from nightshift.domain.steering.choosing import Granted
from nightshift.domain.steering.grouping import choose_rows, slice_cluster
from nightshift.domain.steering.ordering import order_night
from nightshift.domain.steering.scanpods import format_nominations, parse_nominations
from nightshift.domain.steering.steered import make_plan
from nightshift.domain.steering.textbars import draw_bar, draw_bars
from nightshift.domain.steering.usage import NodeUse, measure_use, parse_uses
from nightshift.errors import CapacityImpossible
from nightshift.pictures.nodes import Heading, draw_nodes
from tests.property.strategies_placement import GIB, demands, nodes

names = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True).map(NodeName)
amounts = st.builds(Resources, st.integers(0, 8_000), st.integers(0, 16 * GIB))
reasons = st.text(max_size=80)


@st.composite
def node_uses(draw: st.DrawFn) -> list[NodeUse]:
    """Draw nodes with awkward names, over-committed ones, and reasons that look like markup."""
    found = draw(st.lists(names, unique=True, max_size=90))
    return [
        NodeUse(
            name,
            draw(amounts),
            draw(amounts),
            draw(amounts) if (pods := draw(st.integers(0, 3))) else Resources(),
            shards=pods,
            busy=draw(st.booleans()),
            candidate=draw(st.booleans()),
            reason=draw(reasons),
        )
        for name in found
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.booleans(), st.sampled_from(["anna", "ben"]), st.floats(0, 1e5)
        ),
        max_size=30,
    ),
    st.sampled_from(list(WaveOrder)),
)
def test_an_order_is_a_permutation_and_priority_then_room_come_first(
    asked: list[tuple[int, bool, str, float]], order: WaveOrder
) -> None:
    wanted = [
        ShardDemand(f"s{i}", Resources(100, 1), account=AccountName(account), expected_seconds=s)  # type: ignore[arg-type]  # any text will do
        for i, (_, _, account, s) in enumerate(asked)
    ]
    priorities, waits = [one[0] for one in asked], [one[1] for one in asked]
    found = order_night(wanted, priorities, waits, Resources(8000, GIB), order)
    assert sorted(found) == list(range(len(asked)))
    classes = [(-priorities[i], waits[i]) for i in found]
    assert classes == sorted(classes)


@given(st.lists(names, max_size=20))
def test_nominations_read_back_the_latest_first_and_bounded(found: list[NodeName]) -> None:
    read = parse_nominations(format_nominations(found))
    assert list(read) == list(dict.fromkeys(found))[:8]


@given(nodes(), demands(), st.sampled_from(list(SteeringChoice)))
def test_a_plan_at_any_level_is_valid_and_its_picture_adds_up(
    snapshot: list[object], wanted: list[ShardDemand], choice: SteeringChoice
) -> None:
    granted = Granted(Rights((1, 36), patch_pod_status=True, patch_nodes=True))
    try:
        steered = make_plan("spread", choice, granted, snapshot, wanted)  # type: ignore[arg-type]  # drawn nodes
    except CapacityImpossible:
        return
    uses = measure_use(snapshot, wanted, steered.plan, steered.pool_labels)  # type: ignore[arg-type]  # drawn nodes
    placed = [shard.primary for shard in steered.plan.shards if shard.primary is not None]
    assert sum(use.shards for use in uses) == len(placed)
    if steered.steering.level.pools:
        assert set(placed) <= set(steered.pool_labels)
    ranking = steered.plan.to_json()["ranking"]
    stored = parse_uses([use.to_json() for use in uses], ranking)
    for use, read in zip(uses, stored, strict=True):
        assert (read.name, read.shards, read.pool) == (use.name, use.shards, use.pool)
        assert read.allocatable.cpu_millis == use.allocatable.cpu_millis
        assert read.planned.memory_bytes == use.planned.memory_bytes


@given(node_uses())
def test_rows_stand_for_every_node_once(uses: list[NodeUse]) -> None:
    rows = choose_rows(uses)
    assert sum(row.nodes for row in rows) == len(uses)
    assert sum(row.shards for row in rows) == sum(use.shards for use in uses)
    assert len(slice_cluster(uses, "cpu", most=10)) == min(10, len(uses))
    assert len(draw_bars(uses)) == len(rows)


@given(st.floats(0, 3), st.floats(0, 3), st.integers(1, 60))
def test_a_bar_of_text_has_its_length_and_shows_what_is_planned(
    used: float, planned: float, letters: int
) -> None:
    bar = draw_bar(used, planned, letters)
    assert len(bar) == letters
    assert re.fullmatch("█*▒*░*", bar)
    if planned > 0 and round(used * letters) < letters:
        assert "▒" in bar


@given(node_uses(), reasons)
def test_a_picture_is_well_formed_whatever_names_and_reasons_hold(
    uses: list[NodeUse], title: str
) -> None:
    root = ElementTree.fromstring(draw_nodes(uses, Heading(title, (title,))))
    width = float(root.attrib["width"])
    for bar in root.iter("{http://www.w3.org/2000/svg}rect"):
        left, wide = float(bar.attrib["x"]), float(bar.attrib["width"])
        assert left >= 0
        assert wide >= 0
        assert left + wide <= width + 1
