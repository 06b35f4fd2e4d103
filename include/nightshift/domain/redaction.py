"""Keeps secrets out of what is stored and shown. It is a net below the scanners' own redaction."""

import math
import re
from collections import Counter

from nightshift.domain.sarif_values import SarifRule

_SECRET_CWES = frozenset({"CWE-259", "CWE-321", "CWE-522", "CWE-798"})
_SECRET_WORDS = re.compile(
    r"(?i)passw|secret|credential|private[-_ ]?key|api[-_ ]?key|access[-_ ]?(key|token)|hardcoded"
)
_RUN = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}|[A-Za-z0-9+_=-]{16,}")
_PIECE = re.compile(r"[A-Za-z0-9]{16,}")
_QUOTED = re.compile(r"'[^'\n]+'|\"[^\"\n]+\"|`[^`\n]+`")
_HEX = re.compile(r"[0-9a-fA-F]{32,}")
_MIN_ENTROPY = 3.0
_MIN_BASE64_ENTROPY = 4.0


def finds_secrets(rule: SarifRule) -> bool:
    """Tell whether a rule's lines may hold secrets; a wrong yes only costs the snippet."""
    if _SECRET_CWES.intersection(rule.cwe):
        return True
    return any(_SECRET_WORDS.search(text) for text in (rule.id, rule.title, rule.help_uri))


def mask_runs(text: str) -> str:
    """Mask long runs of letters and digits that look random.

    >>> mask_runs("uses AKIAV3RYS3CR3TK3YABC for s3")
    'uses [masked] for s3'
    >>> mask_runs("subprocess-popen-with-shell-equals-true")
    'subprocess-popen-with-shell-equals-true'
    """
    return _RUN.sub(lambda match: "[masked]" if _looks_random(match.group()) else match[0], text)


def mask_quoted(text: str) -> str:
    """Mask what a message quotes: tools quote the secret that they found.

    >>> mask_quoted("Possible hardcoded password: 'hunter2'")
    "Possible hardcoded password: '[masked]'"
    """
    return _QUOTED.sub(lambda match: f"{match[0][0]}[masked]{match[0][-1]}", mask_runs(text))


def _looks_random(run: str) -> bool:
    """Judge a run: words of an identifier or of a path are short, or have no digits."""
    if _HEX.fullmatch(run):
        return _entropy(run) >= _MIN_ENTROPY
    if any(_is_mixed(piece) and _entropy(piece) >= _MIN_ENTROPY for piece in _PIECE.findall(run)):
        return True
    capitals = sum(c.isupper() for c in run)
    return _is_mixed(run) and 5 * capitals >= len(run) and _entropy(run) >= _MIN_BASE64_ENTROPY


def _is_mixed(run: str) -> bool:
    """Tell whether digits stand between letters, and not only at the end, as in ``factory2``."""
    inner = run.rstrip("0123456789")
    return any(c.isdigit() for c in inner) and any(c.isalpha() for c in inner)


def _entropy(run: str) -> float:
    """Shannon entropy in bits a character."""
    total = len(run)
    return -sum(n / total * math.log2(n / total) for n in Counter(run).values())
