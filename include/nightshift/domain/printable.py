"""Strangers' text, made safe to store and to show.

PostgreSQL takes neither NUL nor lone surrogates; terminals and pages must not meet control or
bidirectional characters (Trojan Source, CVE-2021-42574). Escaped, they stay visible.
"""

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def printable(text: str, max_chars: int) -> str:
    r"""Escape what is unsafe and cut to ``max_chars``; tabs and line feeds stay.

    >>> printable("a\u202eb\x00c", 20)
    'a\\u202eb\ufffdc'
    """
    return _UNSAFE.sub(_escape, text[:max_chars].replace("\r\n", "\n"))[:max_chars]


def printable_line(text: str, max_chars: int) -> str:
    """Do the same for text that must stay on one line: white space runs become one space."""
    return printable(" ".join(text[: 4 * max_chars].split()), max_chars)


def printable_path(path: str) -> str:
    r"""Escape a path for storing; equal paths stay equal. Not cut: the volume bounds paths.

    A byte that is not UTF-8 (a lone surrogate, as ``os.fsdecode`` gives) keeps its value.

    >>> printable_path("caf\udce9\n")
    'caf\\udce9\\x0a'
    """
    if path.isprintable():
        return path
    return "".join(c if c.isprintable() or c == "\u3000" else _code(c) for c in path)


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if char == "\x00" or "\ud800" <= char <= "\udfff":
        return "\ufffd"
    return _code(char)


def _code(char: str) -> str:
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
