"""Laws of the kubelet's pure parts."""

import datetime as dt
import string

from hypothesis import given
from hypothesis import strategies as st

from nightshift.embedded.kube.kubelet.backoffs import Backoff
from nightshift.embedded.kube.kubelet.environments import expand
from nightshift.embedded.kube.kubelet.logfiles import STAMP_LENGTH, format_stamp
from nightshift.embedded.kube.kubelet.options import Patience
from nightshift.embedded.kube.kubelet.podstatus import find_phase
from nightshift.embedded.kube.kubelet.rewriting import PathRewriter
from nightshift.embedded.kube.kubelet.states import (
    ContainerRecord,
    PodRecord,
    Role,
    Running,
    State,
    Terminated,
    Waiting,
)

NAMES = st.text(string.ascii_lowercase + "-._", min_size=1, max_size=5)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MOMENTS = st.integers(-(10**15), 10**16).map(lambda us: NOW + dt.timedelta(microseconds=us))
STATES: st.SearchStrategy[State] = st.one_of(
    st.just(Waiting("ContainerCreating")),
    st.just(Running(NOW)),
    st.integers(0, 255).map(lambda code: Terminated(code, "Error", NOW)),
)


@given(PATHS, PATHS, st.sampled_from(["", "/x", ":", " ", '"', ",", "="]))
def test_a_mount_path_is_replaced_wherever_it_stands(path: str, real: str, after: str) -> None:
    rewriter = PathRewriter({path: real})
    for before in ("", "--in=", "file://", "a:", "'"):
        assert rewriter.rewrite(f"{before}{path}{after}") == f"{before}{real}{after}"


@given(PATHS, NAMES)
def test_a_longer_name_is_another_path(path: str, more: str) -> None:
    rewriter = PathRewriter({path: "/real"})
    assert rewriter.rewrite(path + more) == path + more
    assert rewriter.rewrite(f"/HOME{path}") == f"/HOME{path}"


@given(PATHS, NAMES)
def test_the_deepest_mount_decides(path: str, name: str) -> None:
    rewriter = PathRewriter({path: "/outer", f"{path}/{name}": "/inner"})
    assert rewriter.rewrite(f"{path}/{name}/x") == "/inner/x"
    assert rewriter.rewrite(f"{path}/{name}x") == f"/outer/{name}x"


@given(st.text(), st.dictionaries(PATHS, PATHS))
def test_text_without_slashes_is_never_touched(text: str, places: dict[str, str]) -> None:
    plain = text.replace("/", "")
    assert PathRewriter(places).rewrite(plain) == plain


@given(st.text())
def test_without_mounts_nothing_is_rewritten(text: str) -> None:
    assert PathRewriter({}).rewrite(text) == text


@given(st.text().filter(lambda text: "$" not in text), st.dictionaries(NAMES, st.text()))
def test_text_without_dollars_expands_to_itself(text: str, env: dict[str, str]) -> None:
    assert expand(text, env) == text


@given(st.text(), st.dictionaries(NAMES, st.text()))
def test_doubled_dollars_stand_for_one_each(text: str, env: dict[str, str]) -> None:
    assert expand(text.replace("$", "$$"), env) == text


@given(NAMES, st.text(), st.text().filter(lambda text: "$" not in text))
def test_a_value_is_put_in_as_it_is(name: str, value: str, around: str) -> None:
    assert expand(f"{around}$({name}){around}", {name: value}) == around + value + around


@given(MOMENTS, MOMENTS)
def test_stamps_sort_as_moments_do(first: dt.datetime, second: dt.datetime) -> None:
    assert len(format_stamp(first)) == STAMP_LENGTH
    assert (format_stamp(first) < format_stamp(second)) == (first < second)


@given(st.floats(0.01, 60), st.floats(60, 1000), st.integers(1, 30))
def test_waits_never_shrink_nor_pass_the_longest(start: float, most: float, times: int) -> None:
    backoff = Backoff(Patience(backoff=start, backoff_most=most), 0.0)
    waits = [backoff.take() for _ in range(times)]
    assert waits == sorted(waits)
    assert waits[0] == 0.0
    assert max(waits) <= most


@given(
    st.lists(STATES, min_size=1, max_size=4),
    st.lists(STATES, max_size=2),
    st.sampled_from(["Always", "OnFailure", "Never"]),
)
def test_a_phase_is_terminal_only_when_nothing_runs_or_will(
    main: list[State], first: list[State], policy: str
) -> None:
    records = [ContainerRecord(f"i{n}", "i", Role.INIT, s) for n, s in enumerate(first)]
    records += [ContainerRecord(f"m{n}", "i", Role.MAIN, s) for n, s in enumerate(main)]
    phase = find_phase(PodRecord(NOW, records, restart_policy=policy))
    ended = [s for s in main if isinstance(s, Terminated)]
    if phase == "Succeeded":
        assert len(ended) == len(main)
        assert all(state.exit_code == 0 for state in ended)
        assert policy != "Always"
    if phase == "Failed":
        assert policy == "Never"
        assert any(isinstance(s, Terminated) and s.exit_code for s in [*main, *first])
    if any(isinstance(state, Running) for state in main):
        assert phase in {"Running", "Pending"} or first
