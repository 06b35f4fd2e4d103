"""Reads a scanner's SARIF 2.1.0 into small values. The input is hostile until proved otherwise.

Left out on purpose: fingerprints, ``baselineState``, the tool's version, code flows, and results
whose ``kind`` is not ``fail``: the store has its own identity and history, and tools do not agree.
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, NoReturn

from nightshift.domain.printable import printable, printable_line
from nightshift.domain.sarif_locations import SourceTree, resolve_bases
from nightshift.domain.sarif_rules import (
    build_rule,
    dict_of,
    dicts_of,
    is_suppressed,
    read_level,
    read_line,
    read_message,
    text_of,
)
from nightshift.domain.sarif_values import (
    Level,
    SarifLimits,
    SarifReport,
    SarifResult,
    SarifRule,
    Severity,
    severity_of,
)
from nightshift.errors import InvalidSarif

__all__ = [
    "UNSCANNED_RULES",
    "Level",
    "SarifLimits",
    "SarifReport",
    "SarifResult",
    "SarifRule",
    "Severity",
    "SourceTree",
    "parse_sarif",
    "severity_of",
]

UNSCANNED_RULES = frozenset({"invalid-syntax", "syntax-error"})
"""Results with these rule ids say that a file could not be parsed; ruff reports it so."""

_ORDER = attrgetter(
    "path", "line", "column", "rule_id", "message", "level", "severity", "author_ignores"
)
_PATH_TOKEN = re.compile(r"[^\s'\"`()\[\],;]+")


def parse_sarif(
    data: bytes, tree: SourceTree | None = None, limits: SarifLimits | None = None
) -> SarifReport:
    """Read a SARIF file.

    :param tree: the tree that was scanned; without it, paths are taken as relative to its root.
    :raises InvalidSarif: not JSON, not SARIF 2.1, or over a limit that leaves nothing to trust.
    """
    limits = limits or SarifLimits()
    runs = _parse_runs(data, limits)
    reading = _Reading(tree or SourceTree(), limits)
    for run in runs[: limits.runs]:
        reading.read_run(run)
    reading.truncated |= len(runs) > limits.runs
    return reading.report()


def _parse_runs(data: bytes, limits: SarifLimits) -> list[Any]:
    if len(data) > limits.file_bytes:
        raise InvalidSarif(f"{len(data)} bytes of SARIF; at most {limits.file_bytes} are read")
    values = data.count(b",") + data.count(b"{") + data.count(b"[")
    if values > limits.values:
        raise InvalidSarif(f"about {values} JSON values; at most {limits.values} are read")
    try:
        text = data.decode("utf-8-sig", errors="replace")
        raw = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidSarif(f"not JSON: {str(error)[:200]}") from error
    if not isinstance(raw, dict) or not str(raw.get("version", "")).startswith("2.1"):
        raise InvalidSarif("not SARIF 2.1: no object with a version of 2.1.0")
    runs = raw.get("runs")
    if not isinstance(runs, list):
        raise InvalidSarif("not SARIF 2.1: it has no list of runs")
    return runs


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


@dataclass(slots=True)
class _Reading:
    """What has been read of one file so far."""

    tree: SourceTree
    limits: SarifLimits
    results: set[SarifResult] = field(default_factory=set)
    rules: dict[str, SarifRule] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    unscanned: dict[str, None] = field(default_factory=dict)
    unplaced_errors: list[str] = field(default_factory=list)
    foreign_results: int = 0
    other_kinds: int = 0
    malformed: int = 0
    truncated: bool = False
    ran: bool = True

    def read_run(self, run: Any) -> None:
        tool = dict_of(dict_of(run).get("tool"))
        for extension in dicts_of(tool.get("extensions"))[: self.limits.runs]:
            self._read_rules(extension)
        by_index = self._read_rules(dict_of(tool.get("driver")))
        bases = resolve_bases(dict_of(run).get("originalUriBaseIds"))
        context = _RunContext(by_index, bases)
        for invocation in dicts_of(dict_of(run).get("invocations")):
            self._read_invocation(invocation, context)
        results = dict_of(run).get("results")
        if not isinstance(results, list):  # SARIF 3.14.23: absent or null means it did not scan
            self.ran = False
            return
        for raw in results:
            self._read_result(dict_of(raw), context)

    def report(self) -> SarifReport:
        kept: Iterable[SarifResult] = self.results
        if len(self.results) > self.limits.results:
            self.truncated = True
            kept = sorted(sorted(kept, key=_ORDER), key=lambda r: -r.severity)
            kept = kept[: self.limits.results]
        results = tuple(sorted(kept, key=_ORDER))
        used = {result.rule_id for result in results}
        return SarifReport(
            results=results,
            rules={i: r for i, r in self.rules.items() if i in used or i in self.listed},
            unscanned=tuple(sorted(self.unscanned)),
            unplaced_errors=tuple(self.unplaced_errors),
            foreign_results=self.foreign_results,
            other_kinds=self.other_kinds,
            malformed=self.malformed,
            truncated=self.truncated,
            ran=self.ran,
        )

    def _read_rules(self, component: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Read the rules of a tool or of its extension; results refer to them by their index."""
        raw = component.get("rules")
        rules = raw if isinstance(raw, list) else []
        room = self.limits.rules - len(self.listed)
        self.truncated |= len(rules) > room
        found = []
        for rule in (dict_of(raw_rule) for raw_rule in rules[:room]):
            rule_id = printable_line(text_of(rule.get("id")), self.limits.rule_id_chars)
            if rule_id:
                self.rules[rule_id] = build_rule(rule_id, rule)
                self.listed.add(rule_id)
            found.append((rule_id, rule))
        return found

    def _read_result(self, raw: dict[str, Any], context: "_RunContext") -> None:
        if not isinstance(raw.get("message"), dict):  # SARIF 3.27.11: required
            self.malformed += 1
            return
        if raw.get("kind", "fail") != "fail":
            self.other_kinds += 1
            return
        rule_id, rule_raw = context.find_rule(raw, self.limits.rule_id_chars)
        place = self._find_place(raw.get("locations"), context)
        if not rule_id:
            self.malformed += 1
        elif place is None:
            self.foreign_results += 1
        elif rule_id in UNSCANNED_RULES:
            self.unscanned[place[0]] = None
        else:
            self._add_result(raw, self._rule(rule_id), rule_raw, place)

    def _add_result(
        self,
        raw: dict[str, Any],
        rule: SarifRule,
        rule_raw: Mapping[str, Any],
        place: tuple[str, int, int],
    ) -> None:
        level = read_level(raw.get("level"), rule.level)
        message = read_message(raw["message"], rule_raw) or rule.title or rule.id
        path, line, column = place
        result = SarifResult(
            path=path,
            line=line,
            column=column,
            rule_id=rule.id,
            message=printable(self.tree.shorten(message), self.limits.message_chars),
            level=level,
            severity=severity_of(level, rule.security_severity),
            author_ignores=is_suppressed(raw.get("suppressions")),
        )
        self.results.add(result)

    def _rule(self, rule_id: str) -> SarifRule:
        """Find the rule; ``CA1000/part`` falls back to what is said of ``CA1000`` (3.52.4)."""
        if rule_id not in self.rules:
            parent = self.rules.get(rule_id.split("/")[0], SarifRule(rule_id))
            self.rules[rule_id] = replace(parent, id=rule_id)
        return self.rules[rule_id]

    def _find_place(self, raw: Any, context: "_RunContext") -> tuple[str, int, int] | None:
        for location in raw if isinstance(raw, list) else ():
            physical = dict_of(dict_of(location).get("physicalLocation"))
            path = self._find_path(dict_of(physical.get("artifactLocation")), context)
            if path is not None:
                region = dict_of(physical.get("region"))
                return (
                    path,
                    read_line(region.get("startLine")),
                    read_line(region.get("startColumn")),
                )
        return None

    def _find_path(self, artifact: dict[str, Any], context: "_RunContext") -> str | None:
        """Find a location's path; results of one file name it alike, so answers are kept."""
        place = text_of(artifact.get("uri")), text_of(artifact.get("uriBaseId"))
        if place not in context.paths:
            uri, base_id = place
            context.paths[place] = self.tree.find(uri, context.bases, base_id)
        return context.paths[place]

    def _read_invocation(self, raw: dict[str, Any], context: "_RunContext") -> None:
        if raw.get("executionSuccessful") is False:
            self.ran = False
        said = [
            *dicts_of(raw.get("toolExecutionNotifications")),
            *dicts_of(raw.get("toolConfigurationNotifications")),
        ]
        self.truncated |= len(said) > self.limits.notifications
        for notification in said[: self.limits.notifications]:
            self._read_notification(notification, context)

    def _read_notification(self, raw: dict[str, Any], context: "_RunContext") -> None:
        level = read_level(raw.get("level"), Level.WARNING)
        if level in {Level.NONE, Level.NOTE}:
            return
        text = read_message(raw.get("message"), {})
        place = self._find_place(raw.get("locations"), context)
        path = place[0] if place is not None else self._path_in_text(text)
        if path is not None:
            self.unscanned[path] = None
        elif level is Level.ERROR:
            self.unplaced_errors.append(printable(text, self.limits.message_chars))

    def _path_in_text(self, text: str) -> str | None:
        """Find a path that a message names in words: semgrep gives its parse errors no place."""
        if self.tree.known_paths is None:
            return None
        tokens = (match.group().rstrip(".:") for match in _PATH_TOKEN.finditer(text[:2_000]))
        found = (self.tree.find(re.sub(r"(:\d+)+$", "", token), {}) for token in tokens)
        return next((path for path in found if path is not None), None)


@dataclass(frozen=True, slots=True)
class _RunContext:
    """What a result may refer to in its run."""

    rules: list[tuple[str, dict[str, Any]]]
    bases: Mapping[str, str]
    paths: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def find_rule(self, raw: dict[str, Any], max_chars: int) -> tuple[str, dict[str, Any]]:
        reference = dict_of(raw.get("rule"))
        index = raw.get("ruleIndex", reference.get("index"))
        named = printable_line(text_of(raw.get("ruleId") or reference.get("id")), max_chars)
        if "toolComponent" not in reference and type(index) is int and 0 <= index < len(self.rules):
            indexed, rule = self.rules[index]
            if not named or named == indexed or named.startswith(f"{indexed}/"):
                return named or indexed, rule
        return named, {}
