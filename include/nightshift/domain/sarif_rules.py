"""Reads what a SARIF file says of its rules, and the pieces that rules and results share.

SARIF 2.1.0, sections 3.49 (reportingDescriptor), 3.11 (message) and 3.27.23 (suppressions).
"""
# ruff: noqa: ANN401 - JSON is untyped until it has been checked

import math
import re
from collections.abc import Mapping
from typing import Any

from nightshift.domain.printable import printable_line
from nightshift.domain.sarif_values import Level, SarifRule

_CWE = re.compile(r"(?i)\bcwe[-_:/ ]?(\d{1,5})\b")
_PLACEHOLDER = re.compile(r"\{(\d{1,2})\}")
_MAX_LINE = 2**31 - 1
_LEVELS = {level.value: level for level in Level}


def build_rule(rule_id: str, raw: dict[str, Any]) -> SarifRule:
    """Read a reportingDescriptor."""
    properties = dict_of(raw.get("properties"))
    title = read_message(raw.get("shortDescription"), {}) or text_of(raw.get("name"))
    uri = text_of(raw.get("helpUri"))
    return SarifRule(
        id=rule_id,
        title=printable_line(title, 300),
        cwe=_cwe_of(raw, properties),
        level=read_level(dict_of(raw.get("defaultConfiguration")).get("level"), Level.WARNING),
        security_severity=_score(properties.get("security-severity")),
        help_uri=printable_line(uri, 500) if uri.startswith(("https://", "http://")) else "",
    )


def _cwe_of(raw: dict[str, Any], properties: dict[str, Any]) -> tuple[str, ...]:
    tags = properties.get("tags")
    said = [*tags] if isinstance(tags, list) else []
    cwe = properties.get("cwe")
    said += cwe if isinstance(cwe, list) else [cwe]
    said += [dict_of(r.get("target")).get("id") for r in dicts_of(raw.get("relationships"))]
    found = (_CWE.search(text[:200]) for text in said[:100] if isinstance(text, str))
    numbers = sorted({int(match.group(1)) for match in found if match})
    return tuple(f"CWE-{number}" for number in numbers[:20])


def read_message(raw: Any, rule: Mapping[str, Any]) -> str:
    """Read a message object: its text, or the rule's message string that it names (3.11)."""
    message = dict_of(raw)
    text = text_of(message.get("text")) or text_of(message.get("markdown"))
    if not text:
        strings = dict_of(rule.get("messageStrings"))
        text = text_of(dict_of(strings.get(text_of(message.get("id")))).get("text"))
    arguments = message.get("arguments")
    if isinstance(arguments, list) and arguments:
        words = [text_of(a)[:300] for a in arguments[:20]]
        text = _PLACEHOLDER.sub(lambda m: words[n] if (n := int(m[1])) < len(words) else m[0], text)
    return text


def is_suppressed(raw: Any) -> bool:
    """SARIF 3.27.23: suppressed if any suppression is accepted, or has no status."""
    return any(s.get("status", "accepted") == "accepted" for s in dicts_of(raw))


def _score(raw: Any) -> float | None:
    try:
        score = float(raw)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if math.isfinite(score) and 0 <= score <= 10 else None


def read_level(raw: Any, default: Level) -> Level:
    """Read a level; anything unknown is ``default``."""
    return _LEVELS.get(raw, default) if isinstance(raw, str) else default


def read_line(raw: Any) -> int:
    """Read a line or a column, counted from 1; 0 where there is none that makes sense."""
    return raw if type(raw) is int and 0 < raw <= _MAX_LINE else 0


def text_of(raw: Any) -> str:
    """Give a string, or an empty one for anything else."""
    return raw if isinstance(raw, str) else ""


def dict_of(raw: Any) -> dict[str, Any]:
    """Give an object, or an empty one for anything else."""
    return raw if isinstance(raw, dict) else {}


def dicts_of(raw: Any) -> list[dict[str, Any]]:
    """Give the objects of a list; anything else is left out."""
    return [item for item in raw if isinstance(item, dict)] if isinstance(raw, list) else []
