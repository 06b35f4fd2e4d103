"""Writes docs/scanners.md from the definitions: ``python -m nightshift.scanners.reference``."""

import shlex
import sys
from collections.abc import Iterable, Iterator

from nightshift.scanners.definitions import ExitMeaning, Scanner
from nightshift.scanners.loading import load_scanners

_HEAD = """\
# Scanners

This page is generated from `include/nightshift/scanners/<tool>/scanner.yaml`; to change it, change
those files and run `python -m nightshift.scanners.reference > docs/scanners.md`.

Every scanner runs confined: no network, no credentials, the source read-only, a private folder of
its own, limits on time, memory, processes and output. Settings and suppressions of a repository
have no effect; they are recorded. Before a scanner's first scan in a pod it must find its canary:
planted findings, bare and with every suppression. If it does not, its scans there fail with
`canary`.

To add one, add a folder with `scanner.yaml` and `sample/`. A sample's file or folder `as.x` becomes
`x` in the canary, and `@@WORD@@` is replaced from `canary.words`, so that neither settings nor
credential-like text of a canary act on this repository.
"""
_MEANINGS = {
    ExitMeaning.NO_FINDINGS: "nothing found",
    ExitMeaning.FINDINGS: "findings",
    ExitMeaning.EITHER: "nothing found or findings",
    ExitMeaning.ERROR: "error",
}
_MIB = 1 << 20


def render_reference(scanners: Iterable[Scanner]) -> str:
    """Write the reference page, in Markdown."""
    scanners = tuple(scanners)
    parts = [_HEAD, *_render_table(scanners)]
    for scanner in scanners:
        parts += ["", *_render_scanner(scanner)]
    return "\n".join(parts) + "\n"


def _render_table(scanners: Iterable[Scanner]) -> Iterator[str]:
    yield "| scanner | version | licence | languages | CPU | memory, limit | deadline |"
    yield "|---|---|---|---|---|---|---|"
    for scanner in scanners:
        cost = scanner.resources
        memory = f"{cost.memory_bytes // _MIB} MiB, {cost.memory_limit_bytes // _MIB} MiB"
        yield (
            f"| [{scanner.name}](#{scanner.name}) | {scanner.version} | {scanner.licence} "
            f"| {', '.join(scanner.languages)} | {cost.cpu_millis} m | {memory} "
            f"| {cost.deadline_seconds} s |"
        )


def _render_scanner(scanner: Scanner) -> Iterator[str]:
    yield f"## {scanner.name}"
    yield ""
    yield f"{scanner.title}, <{scanner.homepage}>."
    yield ""
    yield f"* Reads: {_code(scanner.files)}"
    yield f"* Leaves out: {_code(scanner.leaves_out) or 'nothing'}. {scanner.leaves_out_reason}"
    yield f"* Exit codes: {_render_exit_codes(scanner)}"
    marks = _code(item.mark for item in scanner.suppressions)
    yield f"* Comments that are overruled and recorded: {marks or 'none'}"
    if scanner.silencers:
        yield f"* Files that must not be in a tree: {_code(scanner.silencers)}"
    for note in scanner.notes:
        yield f"* {note}"
    yield ""
    yield "```"
    environment = [f"{name}={shlex.quote(t)}" for name, t in scanner.command.environment.items()]
    yield " ".join([*environment, *map(_quote, scanner.command.argv)])
    yield "```"
    yield ""
    yield f"Canary: {len(scanner.canary.expected)} findings, of which none may be missed."


def _render_exit_codes(scanner: Scanner) -> str:
    known = [f"{code}: {_MEANINGS[m]}" for code, m in sorted(scanner.command.exit_codes.items())]
    return "; ".join([*known, "any other: error"])


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _quote(word: str) -> str:
    return word if "{" in word and " " not in word else shlex.quote(word)


if __name__ == "__main__":
    sys.stdout.write(render_reference(load_scanners().values()))
