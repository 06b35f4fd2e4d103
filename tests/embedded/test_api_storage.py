"""The store: versions, history, subscriptions, finalizers."""

import asyncio
import datetime as dt
import gc
import random
from typing import Any

import pytest

from nightshift.embedded.kube.events import StoredEvents
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.storage import MemoryStore

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: NOW, rng=random.Random(1))


def named(name: str, **more: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "a", **more.pop("metadata", {})}, **more}


def set_spec(value: int) -> Any:
    return lambda obj: obj.update(spec={"value": value})


async def take(events: Any, count: int) -> list[tuple[str, str]]:
    """Read ``count`` events as (type, name)."""
    found: list[tuple[str, str]] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            event = await anext(events)
            found.append((event.type, event.object["metadata"]["name"]))
    return found


def test_every_change_raises_the_version_by_one(store: MemoryStore) -> None:
    start = store.resource_version
    store.create("pods", named("x"))
    store.mutate("pods", "x", "a", set_spec(1))
    store.delete("pods", "x", "a")
    assert store.resource_version == start + 3


def test_objects_that_were_handed_out_never_change(store: MemoryStore) -> None:
    before = store.create("pods", named("x", spec={"value": 0}))
    after = store.mutate("pods", "x", "a", set_spec(1))
    assert before["spec"] == {"value": 0}
    assert after["spec"] == {"value": 1}


def test_failed_change_leaves_the_object_alone(store: MemoryStore) -> None:
    created = store.create("pods", named("x"))

    def fail(obj: Object) -> None:
        obj["spec"] = {"broken": True}
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.mutate("pods", "x", "a", fail)
    assert store.get("pods", "x", "a") == created


def test_type_is_filled_in_for_built_in_kinds(store: MemoryStore) -> None:
    created = store.create("deployments.apps", named("x"))
    assert (created["apiVersion"], created["kind"]) == ("apps/v1", "Deployment")


def test_list_is_ordered_by_namespace_and_name(store: MemoryStore) -> None:
    for namespace, name in (("b", "a"), ("a", "z"), ("a", "b")):
        store.create("pods", {"metadata": {"name": name, "namespace": namespace}})
    places = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in store.list("pods")]
    assert places == [("a", "b"), ("a", "z"), ("b", "a")]
    assert len(store.list("pods", "a")) == 2


def test_deletion_waits_for_the_last_finalizer(store: MemoryStore) -> None:
    store.create("pods", named("x", metadata={"finalizers": ["f/one", "f/two"]}))
    marked = store.delete("pods", "x", "a")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:05Z"
    store.mutate("pods", "x", "a", lambda o: o["metadata"]["finalizers"].remove("f/one"))
    assert store.find("pods", "x", "a") is not None
    store.mutate("pods", "x", "a", lambda o: o["metadata"]["finalizers"].remove("f/two"))
    assert store.find("pods", "x", "a") is None


def test_pod_with_grace_left_stays_without_finalizers(store: MemoryStore) -> None:
    store.create("pods", named("x"))

    def mark(obj: Object) -> None:
        obj["metadata"] |= {"deletionTimestamp": "t", "deletionGracePeriodSeconds": 30}

    store.mutate("pods", "x", "a", mark)
    store.mutate("pods", "x", "a", set_spec(1))
    assert store.find("pods", "x", "a") is not None


def test_watch_from_the_start_gives_what_exists_then_what_happens(store: MemoryStore) -> None:
    async def scenario() -> list[tuple[str, str]]:
        store.create("pods", named("x"))
        events = store.watch("pods")
        store.create("pods", named("y"))
        store.mutate("pods", "x", "a", set_spec(1))
        store.delete("pods", "y", "a")
        store.create("nodes", {"metadata": {"name": "another kind"}})
        return await take(events, 4)

    expected = [("ADDED", "x"), ("ADDED", "y"), ("MODIFIED", "x"), ("DELETED", "y")]
    assert asyncio.run(scenario()) == expected


def test_watch_since_a_version_gives_what_came_after(store: MemoryStore) -> None:
    async def scenario() -> list[tuple[str, str]]:
        store.create("pods", named("x"))
        since = store.resource_version
        store.create("pods", named("y"))
        store.create("pods", named("z"))
        return await take(store.watch("pods", since), 2)

    assert asyncio.run(scenario()) == [("ADDED", "y"), ("ADDED", "z")]


def test_watch_of_forgotten_history_is_expired() -> None:
    store = MemoryStore(lambda: NOW, history=3)
    start = store.resource_version
    for number in range(4):
        store.create("pods", named(f"p{number}"))
    with pytest.raises(StatusError) as caught:
        store.watch("pods", start)
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    store.watch("pods", start + 1)
    store.watch("nodes", start)


def test_version_of_an_earlier_life_is_expired() -> None:
    store = MemoryStore(lambda: NOW, first_version=1000)
    with pytest.raises(StatusError) as caught:
        store.watch("pods", 999)
    assert caught.value.code == 410


def test_slow_reader_is_cut_off_instead_of_filling_memory(store: MemoryStore) -> None:
    async def scenario() -> int:
        subscription = store.subscribe("pods", limit=2)
        for number in range(5):
            store.create("pods", named(f"p{number}"))
        assert subscription.ready == 2
        with pytest.raises(StatusError) as caught:
            async for _ in subscription:
                pass
        return caught.value.code

    assert asyncio.run(scenario()) == 410


def test_abandoned_watch_is_forgotten(store: MemoryStore) -> None:
    async def scenario() -> int:
        watch = store.watch("pods")
        del watch
        gc.collect()
        return len(store._readers["pods"])  # whether memory is freed shows nowhere else

    assert asyncio.run(scenario()) == 0


def test_list_of_an_earlier_version_undoes_later_changes(store: MemoryStore) -> None:
    store.create("pods", named("gone"))
    store.create("pods", named("changed", spec={"value": 0}))
    version = store.resource_version
    store.delete("pods", "gone", "a")
    store.mutate("pods", "changed", "a", set_spec(1))
    store.create("pods", named("new"))
    then = {o["metadata"]["name"]: o.get("spec") for o in store.list_at("pods", version)}
    assert then == {"gone": None, "changed": {"value": 0}}


def test_repeated_event_is_counted_not_stored_again(store: MemoryStore) -> None:
    events = StoredEvents(store, lambda: NOW)
    about = store.create("pods", named("x"))
    for _ in range(3):
        events.record(about, "Failed", "again", type_="Warning", source="test")
    events.record(about, "Failed", "otherwise", type_="Warning", source="test")
    counts = {event["message"]: event["count"] for event in store.list("events", "a")}
    assert counts == {"again": 3, "otherwise": 1}


def test_old_events_make_room(store: MemoryStore) -> None:
    events = StoredEvents(store, lambda: NOW, limit=10)
    about = store.create("pods", named("x"))
    for number in range(200):
        events.record(about, "Reason", f"message {number}", source="test")
    kept = len(store.list("events"))
    assert 10 <= kept < 10 + 64


def test_events_are_forgotten_after_an_hour() -> None:
    now = [NOW]
    store = MemoryStore(lambda: now[0])
    events = StoredEvents(store, lambda: now[0])
    about = store.create("pods", named("x"))
    events.record(about, "Old", "m", source="test")
    now[0] += dt.timedelta(minutes=61)
    events.record(about, "New", "m", source="test")
    events.prune()
    assert [event["reason"] for event in store.list("events")] == ["New"]
