"""Who a finding is, from night to night: its rule, its file, and the text of its line.

Line numbers do not count, so code that moves keeps its findings. The scanner's own fingerprints do
not count either: tools leave them empty, constant, or change them between versions. Hashes are
BLAKE2b (RFC 7693), over fields led by their length so that no two lists of fields collide.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SCHEME = 1
"""Stored with each fingerprint; a new way to compute them gets a new number."""

_TEXT_CHARS = 400
_PIECE_BYTES = 4
_AROUND = 2
CONTEXT_BYTES = _PIECE_BYTES * (2 * _AROUND + 1)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a place in a file is recognised by.

    :param fingerprint: 16 bytes of rule, path and line text.
    :param context: a short hash of each of the five lines around, its own in the middle.
    """

    fingerprint: bytes
    context: bytes

    @property
    def own_line(self) -> bytes:
        """The hash of the line itself, which a renamed file keeps."""
        return own_line(self.context)


def identify(
    rule: str, path: str, lines: Sequence[str], line: int, *, key: bytes = b""
) -> Identity:
    """Compute the identity of a result.

    :param path: as stored.
    :param lines: the file's lines; empty if it cannot be read.
    :param line: counted from 1; 0 or beyond the end is a result without text.
    :param key: for rules that find secrets: without it nobody can confirm a guessed secret.
    """
    around = range(line - 1 - _AROUND, line + _AROUND)
    texts = [compact(lines[i]) if line and 0 <= i < len(lines) else "" for i in around]
    return Identity(
        fingerprint=_digest((str(SCHEME), rule, path, texts[_AROUND]), 16, key),
        context=b"".join(_digest((text,), _PIECE_BYTES, key) for text in texts),
    )


def compact(text: str) -> str:
    """Drop white space, so that re-indenting is no change, and cut at 400 characters.

    >>> compact("  if a  == b:")
    'ifa==b:'
    """
    return "".join(text[: 16 * _TEXT_CHARS].split())[:_TEXT_CHARS]


def own_line(context: bytes) -> bytes:
    """Take the middle line's hash out of a context."""
    start = _PIECE_BYTES * _AROUND
    return context[start : start + _PIECE_BYTES]


def likeness(a: bytes, b: bytes) -> int:
    """Count the lines that two contexts share, wherever they stand: 0 to 5."""
    return sum((Counter(_pieces(a)) & Counter(_pieces(b))).values())


def _pieces(context: bytes) -> list[bytes]:
    return [context[i : i + _PIECE_BYTES] for i in range(0, len(context), _PIECE_BYTES)]


def _digest(fields: Sequence[str], size: int, key: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=size, key=key[:64])
    for text in fields:
        data = text.encode("utf-8", errors="surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()
