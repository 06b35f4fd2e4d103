from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node
from nightshift.domain.resources import Resources
from nightshift.domain.steering.rooms import largest_rooms


def test_rooms_that_fit_in_others_are_left_out() -> None:
    small, wide, tall = Resources(1000, 1000), Resources(4000, 1000), Resources(1000, 4000)
    gpu = Resources(1000, 500, {"nvidia.com/gpu": 1})
    rooms = [small, wide, tall, gpu, small, tall]
    nodes = [Node(NodeName(f"n{i}"), room) for i, room in enumerate(rooms)]
    found = largest_rooms(nodes)
    assert len(found) == 3
    for room in (wide, tall, gpu):
        assert room in found
    assert largest_rooms([]) == ()
