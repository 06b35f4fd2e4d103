"""Source files, results on their lines, and what a night does to them."""

from dataclasses import dataclass

from hypothesis import strategies as st

from nightshift.domain.finding_matches import Known, Seen
from nightshift.domain.findings import Changes
from nightshift.domain.fingerprints import identify

RULES = ("R1", "R2")
PATHS = ("a.py", "b.py", "lib/c.py")
ALIKE = tuple(f"result = compute(value, {n})" for n in range(4))
LINES = ("x = 1", "assert x", "assert x ", "", "}", *ALIKE)

Tree = dict[str, list[str]]


@dataclass(frozen=True)
class Night:
    """A tree, and the results of a scanner that reports some of its lines."""

    tree: Tree
    seen: list[Seen]

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(self.tree)


def trees() -> st.SearchStrategy[Tree]:
    lines = st.lists(st.sampled_from(LINES), min_size=1, max_size=8)
    return st.dictionaries(st.sampled_from(PATHS), lines, max_size=len(PATHS))


@st.composite
def nights(draw: st.DrawFn) -> Night:
    tree = draw(trees())
    places = [(r, p, n) for p, lines in tree.items() for n in range(len(lines)) for r in RULES]
    chosen = draw(st.lists(st.sampled_from(places), max_size=12, unique=True)) if places else []
    return Night(tree, [see(tree, rule, path, index + 1) for rule, path, index in chosen])


def see(tree: Tree, rule: str, path: str, line: int) -> Seen:
    identity = identify(rule, path, tree[path], line)
    return Seen(
        rule=rule,
        path=path,
        line=line,
        column=1,
        fingerprint=identity.fingerprint,
        context=identity.context,
        severity=2,
        message=f"{rule} is bad",
        snippet=tree[path][line - 1],
        blob="\n".join(tree[path]),
    )


def stored(seen: Seen, ordinal: int, number: int, state: str = "open", unproved: int = 0) -> Known:
    """A finding as the store has it after having seen this."""
    return Known(
        id=number,
        state=state,
        rule=seen.rule,
        path=seen.path,
        line=seen.line,
        fingerprint=seen.fingerprint,
        ordinal=ordinal,
        context=seen.context,
        severity=seen.severity,
        message=seen.message,
        snippet=seen.snippet,
        blob=seen.blob,
        author_ignores=seen.author_ignores,
        unproved=unproved,
    )


def apply(before: list[Known], changes: Changes) -> list[Known]:
    """Do in memory what the store does in SQL."""
    rows = {known.id: known for known in before}
    for match in (*changes.updated, *changes.reopened):
        state = "reopened" if match in changes.reopened else match.known.state
        rows[match.known.id] = stored(match.seen, match.ordinal, match.known.id, state)
    for known in changes.fixed:
        rows[known.id] = _with(known, state="fixed", unproved=0)
    for known in changes.unproved:
        rows[known.id] = _with(known, unproved=known.unproved + 1)
    number = max(rows, default=0)
    for seen, ordinal in changes.opened:
        number += 1
        rows[number] = stored(seen, ordinal, number)
    return list(rows.values())


def _with(known: Known, *, unproved: int, state: str | None = None) -> Known:
    values = {name: getattr(known, name) for name in Known.__slots__}
    return Known(**{**values, "unproved": unproved, "state": state or known.state})
