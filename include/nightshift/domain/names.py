"""Names that Kubernetes accepts, made from any text, without collisions.

A name that is fine already stays as it is. Otherwise it becomes ``slug---hash``: what could be
kept, then ten hex digits of the SHA-256 of the original. A text with ``---`` inside is always
hashed, so no plain name equals a hashed one, and two texts share a name only if 40 bits of their
hashes agree.
"""

import hashlib
import re

MAX_LENGTH = 63
"""Of a DNS-1123 label and of a label's value."""

_HASH_LENGTH = 10
_MARK = "---"
_JOINT = "--"
_SHORTEST = _HASH_LENGTH + len(_MARK) + 1

_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?")


def object_name(*parts: str, limit: int = MAX_LENGTH) -> str:
    """Name a pod, volume claim or ConfigMap after ``parts``, joined by ``--``: a DNS-1123 label.

    Different parts give different names, so ``("a-b", "c")`` is not ``("a", "b-c")``.

    :param limit: the longest allowed; less than 63 where something is appended later.
    :raises ValueError: without parts, or if ``limit`` leaves no room for the hash.

    >>> object_name("ws", "acme-corp", "7")
    'ws--acme-corp--7'
    """
    if not parts or not _SHORTEST <= limit <= MAX_LENGTH:
        raise ValueError(f"a name needs parts and a limit from {_SHORTEST} to {MAX_LENGTH}")
    joined = _JOINT.join(parts)
    if len(joined) <= limit and all(_DNS_LABEL.fullmatch(p) and _JOINT not in p for p in parts):
        return joined
    slug = re.sub(r"[^a-z0-9]+", "-", joined.lower())
    return _marked(slug, repr(parts), limit)


def label_value(text: str, limit: int = MAX_LENGTH) -> str:
    """Make a label's value of ``text``; case, dots and underscores are kept, empty stays empty.

    :raises ValueError: if ``limit`` leaves no room for the hash.

    >>> label_value("main"), label_value("feature/login")
    ('main', 'feature-login---df7c7aeb35')
    """
    if not _SHORTEST <= limit <= MAX_LENGTH:
        raise ValueError(f"a label's value needs a limit from {_SHORTEST} to {MAX_LENGTH}")
    if len(text) <= limit and _LABEL_VALUE.fullmatch(text) and _MARK not in text:
        return text
    return _marked(re.sub(r"[^A-Za-z0-9._]+", "-", text), text, limit)


def _marked(slug: str, original: str, limit: int) -> str:
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    kept = slug.strip("._-")[: limit - len(_MARK) - _HASH_LENGTH].rstrip("._-") or "x"
    return f"{kept}{_MARK}{digest}"
