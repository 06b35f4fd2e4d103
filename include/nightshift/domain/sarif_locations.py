"""Which file of the source tree a SARIF location means.

Scanners write ``file://`` URIs, absolute paths, paths relative to the tree, to their working
directory, or to a ``uriBaseId``. SARIF 2.1.0, sections 3.4 and 3.14.14.
"""

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

_MAX_BASES = 8
_MAX_URI_CHARS = 8_192


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The tree that was scanned.

    :param root: its absolute path when it was scanned; "" if paths are relative to it. The last
        two folders are enough, because a volume may be mounted elsewhere in another pod.
    :param known_paths: the manifest's paths; None takes any path below the root.
    """

    root: str = ""
    known_paths: Container[str] | None = None

    def find(self, uri: str, bases: Mapping[str, str], base_id: str = "") -> str | None:
        """Give the path inside the tree, or None for a place outside it."""
        if not uri or len(uri) > _MAX_URI_CHARS:
            return None
        whole = uri if _is_absolute(uri) else bases.get(base_id, "") + uri
        path = _strip_scheme(whole)
        if path is None:
            return None
        for candidate in dict.fromkeys((unquote(path, errors="surrogateescape"), path)):
            for inside in self._below_root(candidate):
                if self.known_paths is None or inside in self.known_paths:
                    return inside
        return None

    def shorten(self, text: str) -> str:
        """Make paths in a message relative to the tree, so that it is the same every night."""
        tail = "/".join(self.root.rstrip("/").split("/")[-2:])
        if not tail or f"{tail}/" not in text:
            return text
        return re.sub(rf"(?<![^\s'\"`(\[=])[^\s'\"`(\[=]*{re.escape(tail)}/", "", text[:4_000])

    def _below_root(self, path: str) -> list[str]:
        """List the readings of ``path`` inside the tree, the likeliest first."""
        root = _normal(self.root)
        full = _normal(path)
        if full is None or root is None:
            return []
        tail = "/".join(root[-2:])
        text = "/".join(full)
        readings = [] if path.startswith("/") else [text]
        if root and full[: len(root)] == root:
            readings.insert(0, "/".join(full[len(root) :]))
        elif tail and f"/{tail}/" in f"/{text}":
            readings.append(f"/{text}".split(f"/{tail}/", 1)[1])
        elif not root and path.startswith("/"):
            readings.append(text)
        return [reading for reading in readings if reading]


def resolve_bases(raw: object) -> dict[str, str]:
    """Resolve a run's ``originalUriBaseIds``; one without a URI is the root of the tree."""
    if not isinstance(raw, dict):
        return {}
    return {name: _resolve_base(raw, name) for name in list(raw)[:100] if isinstance(name, str)}


def _resolve_base(raw: Mapping[str, object], name: str) -> str:
    path = ""
    for _ in range(_MAX_BASES):
        entry = raw.get(name)
        uri = entry.get("uri") if isinstance(entry, dict) else None
        if isinstance(uri, str) and len(uri) <= _MAX_URI_CHARS:
            path = (uri if uri.endswith("/") else uri + "/") + path
            if _is_absolute(uri):
                return path
        parent = entry.get("uriBaseId") if isinstance(entry, dict) else None
        if not isinstance(parent, str):
            return path
        name = parent
    return path


def _is_absolute(uri: str) -> bool:
    return uri.startswith("/") or ":" in uri.split("/", 1)[0]


def _strip_scheme(uri: str) -> str | None:
    """Give the path of a ``file:`` URI or of a plain path; None for any other scheme."""
    if uri[:5].lower() != "file:":
        return None if "://" in uri[:32] else uri
    rest = uri[5:]
    if not rest.startswith("//"):
        return rest
    slash = rest.find("/", 2)
    return rest[slash:] if slash >= 0 else None


def _normal(path: str) -> list[str] | None:
    """Split a path, without ``.`` and empty parts; None if it climbs above its start."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return parts
