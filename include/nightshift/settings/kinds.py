"""How the text of a setting is read, checked and shown. Pure: no environment, no clock."""

import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    :param name: what docs call it.
    :param parse: reads text; raises ValueError with what the value should be.
    :param show: writes a value so that it is safe to show.
    """

    name: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str


def _matching(name: str, pattern: str, rule: str, *, empty: bool = False) -> Kind:
    compiled = re.compile(pattern, re.ASCII)

    def parse(text: str) -> str:
        if (empty and not text) or compiled.fullmatch(text):
            return text
        raise ValueError(f"{text!r} is not {rule}")

    return Kind(name, parse)


def _one_of(name: str, *choices: str) -> Kind:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{text!r} is none of {', '.join(choices)}")
        return text

    return Kind(name, parse)


def whole_number(least: int, most: int) -> Kind:
    """Make the kind of whole numbers from ``least`` to ``most``."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a whole number from {least:,} to {most:,}")
        return int(text)

    return Kind(f"number, {least:,} to {most:,}", parse)


def hide_password(url: str) -> str:
    """Mask the password of a URL, and its query, where drivers take passwords too."""
    if not url:
        return ""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    query = "***" if parts.query else ""
    return parts._replace(
        netloc=f"{user}{colon}{'***' if colon else ''}{at}{host}", query=query
    ).geturl()


def _parse_database_url(text: str) -> str:
    rule = "is not a URL such as postgresql+psycopg://user:password@host:5432/database"
    if not text:
        return text
    try:
        parts = urlsplit(text)
        somewhere = (
            bool(parts.hostname) or "host=" in parts.query
        )  # a query names a socket's folder
        complete = somewhere and len(parts.path) > 1 and (parts.port or 5432) > 0
    except ValueError:
        raise ValueError(f"the value {rule}") from None  # the text may hold a password
    if not complete or any(c.isspace() for c in text):
        raise ValueError(f"{hide_password(text)!r} {rule}")
    if parts.scheme != "postgresql+psycopg":
        raise ValueError(f"{hide_password(text)!r} {rule}: its scheme must be postgresql+psycopg")
    return text


def _parse_http_url(text: str) -> str:
    rule = "is not a URL such as https://user:password@host:8080"
    try:
        parts = urlsplit(text)
        complete = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 80) > 0
    except ValueError:
        raise ValueError(f"the value {rule}") from None  # the text may hold a password
    if text and (not complete or any(c.isspace() for c in text)):
        raise ValueError(f"{hide_password(text)!r} {rule}")
    return text


def _parse_time_zone(text: str) -> str:
    try:
        zoneinfo.ZoneInfo(text)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise ValueError(f"{text!r} is not an IANA time zone such as Europe/Berlin") from error
    return text


NEVER = "none"
"""A schedule that never starts anything: runs are triggered by hand."""


def _parse_cron(text: str) -> str:
    from croniter import croniter  # type: ignore[import-untyped]  # ships no types; late: it is slow

    if text == NEVER:
        return text
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(
            f"{text!r} is not cron: minute hour day month weekday, such as 0 1 * * *; or {NEVER}"
        )
    return text


def _parse_boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise ValueError(f"{text!r} is neither true nor false")
    return words[text.lower()]


def _list_of(name: str, one: Callable[[str], str]) -> Kind:
    def parse(text: str) -> tuple[str, ...]:
        words = [word.strip().lower() for word in text.split(",")]
        return tuple(dict.fromkeys(one(word) for word in words if word))

    return Kind(name, parse, ", ".join)


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DNS_RULE = "1 to 63 of a-z, 0-9 and -, with no - at either end"
_HOST = _matching("host", rf"({_LABEL}\.)*{_LABEL}", "a host name such as git.example.org")
_PROTOCOL = _one_of("protocol", "https", "ssh", "file")


def _parse_protocols(text: str) -> tuple[str, ...]:
    found: tuple[str, ...] = _list_of("", _PROTOCOL.parse).parse(text)
    if not found:
        raise ValueError("names no protocol; give it https, or https,ssh")
    return found


def _parse_image(text: str) -> str:
    tail = text.rpartition("/")[2]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,510}", text):
        raise ValueError(f"{text!r} is not an image such as host/team/nightshift-scanner:0.1.0")
    if "@sha256:" not in text and (":" not in tail or tail.endswith(":latest")):
        raise ValueError(f"{text!r} can change under us: give it a fixed tag or a @sha256: digest")
    return text


TEXT = Kind("text", str)
BOOLEAN = Kind("true or false", _parse_boolean, lambda value: "true" if value else "false")
CRON = Kind("cron", _parse_cron)
TIME_ZONE = Kind("IANA time zone", _parse_time_zone)
DATABASE_URL = Kind("URL, secret", _parse_database_url, hide_password)
HTTP_URL = Kind("URL, secret", _parse_http_url, hide_password)
IMAGE = Kind("image", _parse_image)
DNS_NAME = _matching("name", _LABEL, _DNS_RULE)
DNS_NAME_OR_NONE = _matching(
    "name or empty", rf"{_LABEL}(\.{_LABEL})*", "a name of a-z, 0-9, - and .", empty=True
)
NAME_PREFIX = _matching("name prefix", r"[a-z0-9][a-z0-9-]{0,22}", "1 to 23 of a-z, 0-9 and -")
QUANTITY = _matching(
    "quantity", r"[1-9][0-9]{0,5}(Mi|Gi|Ti|M|G|T)", "a size such as 20Gi: a number and Mi, Gi or Ti"
)
HOSTS = _list_of("hosts by comma", _HOST.parse)
PROTOCOLS = Kind("protocols by comma", _parse_protocols, ", ".join)
PULL_POLICY = _one_of("Always, IfNotPresent, Never", "Always", "IfNotPresent", "Never")
VOLUME_ACCESS = _one_of("ReadWriteMany, ReadWriteOnce", "ReadWriteMany", "ReadWriteOnce")
STEERING = _one_of("steering level", "auto", "soft", "names", "nominate", "pool", "pool+nominate")
WAVE_ORDER = _one_of("fifo, shortest, longest", "fifo", "shortest", "longest")
LOG_LEVEL = _one_of("log level", "DEBUG", "INFO", "WARNING", "ERROR")
