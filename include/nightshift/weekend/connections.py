"""What a policy's ``conn_id`` means: in a task Airflow's connection, elsewhere ``AIRFLOW_CONN_*``.

Both are the same variables: Airflow reads ``AIRFLOW_CONN_<ID>`` too, as JSON or as a URI.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from nightshift.errors import ConfigError

PREFIX = "AIRFLOW_CONN_"


@dataclass(frozen=True, slots=True, repr=False)
class ConnectionFacts:
    """An Airflow connection; never printed, as it holds a password.

    :param type: ``conn_type``.
    """

    type: str
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = ""
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def url(self) -> str:
        """Give its address for HTTP, without login."""
        if self.host.startswith(("http://", "https://")):
            base = self.host.rstrip("/")
        else:
            base = f"{self.schema or self.type or 'http'}://{self.host}"
        return f"{base}:{self.port}" if self.port else base


Connections = Callable[[str], ConnectionFacts]
"""Gives the connection of an id, or raises ConfigError."""


def connections_from(environ: Mapping[str, str]) -> Connections:
    """Read connections from ``AIRFLOW_CONN_*``, where no Airflow runs."""

    def read(conn_id: str) -> ConnectionFacts:
        name = PREFIX + conn_id.upper()
        text = environ.get(name, "").strip()
        if not text:
            raise ConfigError(name, "is not set, and the policy names this connection")
        return _parse(text, name)

    return read


def _parse(text: str, where: str) -> ConnectionFacts:
    try:
        return _parse_json(json.loads(text)) if text.startswith("{") else _parse_uri(text)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(where, "is neither JSON nor a URI as Airflow takes them") from error


def _parse_json(raw: Mapping[str, Any]) -> ConnectionFacts:
    extra = raw.get("extra") or {}
    return ConnectionFacts(
        type=str(raw.get("conn_type") or ""),
        host=str(raw.get("host") or ""),
        port=int(raw["port"]) if raw.get("port") else None,
        login=str(raw.get("login") or ""),
        password=str(raw.get("password") or ""),
        schema=str(raw.get("schema") or ""),
        extra=json.loads(extra) if isinstance(extra, str) else dict(extra),
    )


def _parse_uri(text: str) -> ConnectionFacts:
    parts = urlsplit(text)
    extra = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = json.loads(extra["__extra__"])
    return ConnectionFacts(
        type=parts.scheme.replace("-", "_"),
        host=unquote(parts.hostname or ""),
        port=parts.port,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        schema=unquote(parts.path.lstrip("/")),
        extra=extra,
    )
