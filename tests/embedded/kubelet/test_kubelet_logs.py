"""GET .../log: what a container printed, in the ways that clients ask for (K6, K7)."""

import asyncio
import datetime as dt
import re
from pathlib import Path

import pytest

from nightshift.embedded.kube.interfaces import LogOptions, StatusError
from tests.embedded.kubelet.bench import NAMESPACE, Bench, container, open_bench, pod, shell

STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (.*)\n")
TWO_PARTS = "echo early; sleep 1.2; echo late"


def test_both_streams_and_timestamps(bench: Bench) -> None:
    bench.finish(pod(shell("echo one; echo two >&2; printf three")))
    assert bench.log() == "one\ntwo\nthree"
    stamped = bench.log(timestamps=True)
    assert STAMPED.findall(stamped) == ["one", "two"]
    moment = dt.datetime.fromisoformat(stamped[:26] + "+00:00")
    assert abs(dt.datetime.now(dt.UTC) - moment) < dt.timedelta(minutes=1)


def test_bytes_that_are_no_text_pass_through(bench: Bench) -> None:
    bench.finish(pod(shell(r"printf 'a\377\000b\r\n'")))
    assert bench.log_bytes() == b"a\xff\x00b\r\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(0, "", id="none"),
        pytest.param(1, "5\n", id="the last"),
        pytest.param(3, "3\n4\n5\n", id="some"),
        pytest.param(5, "1\n2\n3\n4\n5\n", id="all"),
        pytest.param(9, "1\n2\n3\n4\n5\n", id="more than there are"),
    ],
)
def test_tail(rewriting_bench: Bench, lines: int, expected: str) -> None:
    rewriting_bench.finish(pod(shell("seq 5")))
    assert rewriting_bench.log(tail_lines=lines) == expected


def test_a_line_without_an_end_is_a_line_of_the_tail(rewriting_bench: Bench) -> None:
    rewriting_bench.finish(pod(shell("printf 'a\\nb\\nc'")))
    assert rewriting_bench.log(tail_lines=2) == "b\nc"


def test_since(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    bench.finish(pod(shell(TWO_PARTS)))
    late = STAMPED.search(bench.log(timestamps=True, tail_lines=1))
    assert late
    moment = dt.datetime.fromisoformat(late[0][:19] + "+00:00")
    assert bench.log(since_seconds=1) == "late\n"
    assert bench.log(since_time=late[0][:30]) == "late\n"
    in_berlin = moment.astimezone(dt.timezone(dt.timedelta(hours=2)))
    assert bench.log(since_time=in_berlin.isoformat()).endswith("late\n")
    assert bench.log(since_time="2099-01-01T00:00:00Z") == ""


def test_a_since_that_is_no_time_is_refused(rewriting_bench: Bench) -> None:
    rewriting_bench.finish(pod(container("true")))
    with pytest.raises(StatusError, match="no RFC 3339 time") as refusal:
        rewriting_bench.log(since_time="yesterday")
    assert refusal.value.code == 400


def test_the_limit_counts_bytes(rewriting_bench: Bench) -> None:
    rewriting_bench.finish(pod(shell("echo 12345; echo 67890")))
    assert rewriting_bench.log(limit_bytes=8) == "12345\n67"
    assert len(rewriting_bench.log(limit_bytes=40, timestamps=True)) == 40


def test_a_followed_log_grows_and_ends_with_the_container(bench: Bench) -> None:
    created = bench.create(pod(shell("echo one; sleep 0.2; echo two; sleep 0.2")))
    bench.until_running()

    async def follow() -> list[tuple[bytes, str]]:
        seen = []
        async for chunk in bench.kubelet.logs(created, LogOptions("base", follow=True)):
            seen.append((chunk, next(iter(bench.state()))))
        return seen

    seen = bench.runner.run(asyncio.wait_for(follow(), 10))
    assert seen == [(b"one\n", "running"), (b"two\n", "running")]


def test_a_followed_log_of_an_ended_container_ends(bench: Bench) -> None:
    bench.finish(pod(shell("echo one")))
    assert bench.log(follow=True, tail_lines=10) == "one\n"


@pytest.mark.parametrize(
    ("image", "why"),
    [
        pytest.param("none:1", "trying and failing to pull image", id="backing off"),
        pytest.param(None, "ContainerCreating", id="creating"),
    ],
)
def test_a_waiting_container_has_no_log_but_an_answer(
    rewriting_bench: Bench, image: str | None, why: str
) -> None:
    bench = rewriting_bench
    fields = {"image": image} if image else {}
    volumes = [] if image else [{"name": "v", "secret": {"secretName": "none"}}]
    bench.create(pod(container("true", **fields), volumes=volumes))
    reason = "ImagePullBackOff" if image else "ContainerCreating"
    bench.until(lambda: bench.state().get("waiting", {}).get("reason") == reason)
    with pytest.raises(StatusError) as refusal:
        bench.log(follow=True)
    assert (refusal.value.code, refusal.value.reason) == (400, "BadRequest")
    assert refusal.value.message == f'container "base" in pod "p" is waiting to start: {why}'


def test_an_unknown_container_is_refused(rewriting_bench: Bench) -> None:
    rewriting_bench.finish(pod(container("true")))
    with pytest.raises(StatusError, match="container other is not valid for pod p"):
        rewriting_bench.log(container="other")


def test_the_previous_run_has_its_own_log(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    bench.create(pod(shell("echo run $$$$; exit 1"), restartPolicy="Always"))
    with pytest.raises(StatusError, match="previous terminated container"):
        bench.log(previous=True)
    bench.until(lambda: bench.state().get("waiting", {}).get("reason") == "CrashLoopBackOff")
    last, before = bench.log(), bench.log(previous=True)
    assert re.fullmatch(r"run \d+\n", last)
    assert last == before


def test_a_log_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    with open_bench(tmp_path, log_bytes=40_000) as bench:
        bench.finish(pod(shell("seq 1 20000")))
        lines = bench.log().split()
        files = list((tmp_path / "kubelet").rglob("*.log"))
        stored = sum(file.stat().st_size for file in files)
        tail = bench.log(tail_lines=1500).split()
    assert lines[-1] == "20000"
    assert lines == [str(n) for n in range(int(lines[0]), 20001)], "no gap, no repetition"
    assert len(files) == 2
    assert stored < 4 * 40_000 + 2 * 33 * 65536 / 2
    assert tail == lines[-1500:]


def test_a_long_line_stays_one_line(bench: Bench) -> None:
    bench.finish(pod(shell("head -c 50000 /dev/zero | tr '\\0' x; echo; echo end")))
    assert bench.log() == "x" * 50000 + "\nend\n"
    assert len(STAMPED.findall(bench.log(timestamps=True))) == 2
    assert bench.log(tail_lines=2).startswith("xxx")


def test_logs_go_with_the_pod(rewriting_bench: Bench) -> None:
    bench = rewriting_bench
    bench.finish(pod(shell("echo x")))
    assert list((bench.folder / "kubelet").rglob("*.log"))
    bench.store.delete("pods", "p", NAMESPACE)
    bench.until(lambda: not list((bench.folder / "kubelet" / "pods").iterdir()))
