"""The record of a cross-check: figures of every comparison, and the one-thread answers themselves.

The plain tests replay the answers through the model, so that the page cannot go stale unnoticed.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kube.crosscheck.comparing import Agreement, Verdict, digest
from tests.kube.crosscheck.logs import Attempt
from tests.kube.crosscheck.runs import Mode
from tests.kube.crosscheck.worlds import Case, Mix

RECORD = Path(__file__).with_name("record.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """One comparison.

    :param answers: each pod's node or refusal in the order of the queue, of one thread only: the
        other modes give others each time.
    :param digest: of these answers and all totals.
    """

    case: Case
    mode: Mode
    agreement: Agreement
    answers: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """All comparisons with one release of Kubernetes."""

    version: str
    entries: tuple[Entry, ...]

    def of_mode(self, *modes: Mode) -> list[Entry]:
        """Give the comparisons in these modes."""
        return [entry for entry in self.entries if entry.mode in modes]

    def find(self, case: Case, mode: Mode) -> Entry:
        """Give one comparison.

        :raises LookupError: if it has not been recorded.
        """
        for entry in self.entries:
            if (entry.case, entry.mode) == (case, mode):
                return entry
        raise LookupError(f"{case.name}, {mode.value}: not recorded")


def make_entry(case: Case, mode: Mode, agreement: Agreement, attempts: Iterable[Attempt]) -> Entry:
    """Put an outcome together."""
    if mode is not Mode.ONE_THREAD:
        return Entry(case, mode, agreement)
    made = list(attempts)
    return Entry(case, mode, agreement, tuple(a.answer for a in made), digest(made))


def read_record(file: Path = RECORD) -> Record:
    """Read what ``write_record`` wrote."""
    plain = json.loads(file.read_text())
    return Record(plain["kubernetes"], tuple(map(_read_entry, plain["comparisons"])))


def write_record(record: Record, file: Path = RECORD) -> None:
    """Write a record, one comparison a line."""
    lines = ",\n".join(json.dumps(_plain_entry(entry)) for entry in record.entries)
    version = json.dumps(record.version)
    file.write_text(f'{{"kubernetes": {version}, "comparisons": [\n{lines}\n]}}\n')


def _plain_entry(entry: Entry) -> dict[str, Any]:
    case, found = entry.case, entry.agreement
    plain = {
        "mix": case.mix,
        "nodes": case.nodes,
        "pods": case.pods,
        "seed": case.seed,
        "mode": entry.mode,
        "verdicts": dict(sorted(found.verdicts.items())),
        "scored": found.scored,
        "totals": found.totals,
        "hints": found.hints,
    }
    return plain | ({"digest": entry.digest, "answers": entry.answers} if entry.answers else {})


def _read_entry(plain: dict[str, Any]) -> Entry:
    case = Case(Mix(plain["mix"]), plain["nodes"], plain["pods"], plain["seed"])
    verdicts = Counter({Verdict(name): count for name, count in plain["verdicts"].items()})
    agreement = Agreement(verdicts, plain["scored"], plain["totals"], plain["hints"])
    answers = tuple(plain.get("answers", ()))
    return Entry(case, Mode(plain["mode"]), agreement, answers, plain.get("digest", ""))
