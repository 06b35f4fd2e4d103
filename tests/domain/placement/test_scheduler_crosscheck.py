"""What docs/scheduler-crosscheck.md says of the model still holds: the recorded answers, replayed.

The record is of a real kube-scheduler; ``python -m tests.kube.crosscheck`` makes it anew.
"""

from collections import Counter
from pathlib import Path

import pytest

from tests.kube.crosscheck.comparing import Verdict, digest, replay
from tests.kube.crosscheck.pages import render_page
from tests.kube.crosscheck.records import Entry, read_record
from tests.kube.crosscheck.runs import ALL, TESTED_PODS, Mode

RECORD = read_record()
PAGE = Path(__file__).resolve().parents[3] / "docs" / "scheduler-crosscheck.md"
ONE_THREAD = RECORD.of_mode(Mode.ONE_THREAD)


@pytest.mark.parametrize("entry", ONE_THREAD, ids=lambda entry: entry.case.name)
def test_the_model_gives_every_answer_and_total_of_kube_scheduler(entry: Entry) -> None:
    attempts = replay(entry.case)
    assert [attempt.answer for attempt in attempts] == list(entry.answers)
    assert digest(attempts) == entry.digest
    placed = sum(bool(attempt.node) for attempt in attempts)
    refused = len(attempts) - placed
    expected = Counter({Verdict.SAME_NODE: placed, Verdict.SAME_REFUSAL: refused})
    assert entry.agreement.verdicts == expected
    assert entry.agreement.totals == sum(len(attempt.totals) for attempt in attempts)


def test_the_page_says_what_the_record_says() -> None:
    assert PAGE.read_text() == render_page(RECORD, TESTED_PODS)


def test_every_comparison_is_recorded_and_nothing_is_unexplained() -> None:
    assert [(entry.case, entry.mode) for entry in RECORD.entries] == list(ALL)
    for entry in RECORD.entries:
        assert entry.agreement.pods >= entry.case.pods, entry.case.name
        assert entry.agreement.verdicts[Verdict.WRONG] == 0, entry.case.name


def test_the_record_is_worth_comparing_with() -> None:
    answers = [answer for entry in ONE_THREAD for answer in entry.answers]
    refusals = [answer for answer in answers if answer.startswith("0/")]
    assert len(answers) >= 2_000
    assert len(refusals) > 200
    assert {entry.case.nodes for entry in ONE_THREAD} == {20, 90, 500}
    for word in ("Insufficient", "Too many pods", "free ports", "taint", "affinity", "satisfy"):
        assert any(word in refusal for refusal in refusals), word
