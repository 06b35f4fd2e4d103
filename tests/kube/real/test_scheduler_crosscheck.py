"""The scheduler model against the real kube-scheduler, as docs/scheduler-crosscheck.md tells it."""

from collections.abc import Iterator

import pytest

from tests.kube.clusters import Cluster
from tests.kube.crosscheck.checking import cross_check
from tests.kube.crosscheck.comparing import Verdict
from tests.kube.crosscheck.players import running_api
from tests.kube.crosscheck.records import read_record
from tests.kube.crosscheck.runs import TESTED, Mode, Run

RECORD = read_record()


@pytest.fixture(scope="module")
def scheduling() -> Iterator[Cluster]:
    """An API server of its own, without nodes: each comparison brings them."""
    with running_api(print) as cluster:
        yield cluster


@pytest.mark.timeout(300)
@pytest.mark.parametrize("wanted", TESTED, ids=lambda run: f"{run[0].name}, {run[1].value}")
def test_the_model_agrees_as_it_did_when_recorded(scheduling: Cluster, wanted: Run) -> None:
    case, mode = wanted
    before = RECORD.find(case, mode)
    now = cross_check(scheduling, case, mode)
    assert now.agreement.faults == []
    assert now.agreement.pods >= case.pods
    assert now.agreement.verdicts[Verdict.WRONG] <= before.agreement.verdicts[Verdict.WRONG]
    if mode.is_exact:
        assert now.agreement.same >= before.agreement.same
    if mode is Mode.ONE_THREAD:
        assert (now.answers, now.digest) == (before.answers, before.digest)


def test_the_record_is_of_the_release_that_is_built(scheduling: Cluster) -> None:
    assert scheduling.binaries.version == RECORD.version
