"""What a watch of pods is taken to say about room on nodes."""

import json
from typing import Any

from tests.kube.real.placements import parse_events, read_bindings

NODES = {name: {"cpu": "2", "memory": "8Gi"} for name in ("n1", "n2")}


def event(kind: str, uid: str, node: str = "", cpu: str = "1500m") -> dict[str, Any]:
    requests = {"requests": {"cpu": cpu, "memory": "1Gi"}}
    return {
        "type": kind,
        "object": {
            "metadata": {"name": uid, "uid": uid, "labels": {"nightshift/shard": uid}},
            "spec": {
                "containers": [{"resources": requests}],
                **({"nodeName": node} if node else {}),
            },
        },
    }


def test_room_is_what_earlier_pods_left_until_their_objects_are_gone() -> None:
    events = [
        event("ADDED", "a"),
        event("MODIFIED", "a", "n1"),
        event("MODIFIED", "a", "n1"),
        event("ADDED", "b", "n2"),
        event("DELETED", "a", "n1"),
        event("ADDED", "c", "n1", "500m"),
    ]
    bindings = read_bindings(iter(events), NODES)
    assert [(one.pod, one.node, sorted(one.room)) for one in bindings] == [
        ("a", "n1", ["n1", "n2"]),
        ("b", "n2", ["n2"]),
        ("c", "n1", ["n1", "n2"]),
    ]


def test_half_an_event_at_the_end_is_left_out() -> None:
    whole = json.dumps(event("ADDED", "a"), indent=1)
    assert list(parse_events(f"{whole}\n{whole}\n{whole[:30]}")) == [event("ADDED", "a")] * 2
