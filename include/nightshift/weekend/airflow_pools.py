"""Airflow's pools over its REST API: slots are a target like replicas are.

Tasks cannot reach Airflow's database, and its SDK knows no pools, so this is the door that is left.
The API has no conditional write: a pool is read again just before it is written, and compared. Its
lease lies in its description, as pools have no annotations.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from nightshift.domain.capacity.targets import (
    FieldName,
    LiveStatus,
    LiveTarget,
    ObjectKind,
    Patch,
    TargetId,
)
from nightshift.errors import (
    ClusterUnavailable,
    Conflict,
    Forbidden,
    Invalid,
    NightshiftError,
    NotFound,
    TooManyRequests,
)

_MARK = "\n[nightshift] "
"""What stands between a person's words and ours in a pool's description."""
_PAGE = 100
_MOST_PAGES = 100


@dataclass(slots=True)
class RestPools:
    """The pools of one Airflow.

    :param http: knows the address; a token is fetched when it is first needed.
    """

    http: httpx.Client
    user: str
    password: str
    token: str = ""

    def read(self, name: str) -> LiveTarget | None:
        """Read one pool; None if there is none of that name."""
        try:
            return _parse(self._call("GET", f"/api/v2/pools/{quote(name, safe='')}"))
        except NotFound:
            return None

    def list(self) -> list[LiveTarget]:
        """Read every pool."""
        found: list[LiveTarget] = []
        for page in range(_MOST_PAGES):
            query = f"limit={_PAGE}&offset={page * _PAGE}&order_by=id"
            body = self._call("GET", f"/api/v2/pools?{query}")
            pools = body.get("pools") or []
            found.extend(_parse(one) for one in pools)
            if len(pools) < _PAGE:
                break
        return found

    def patch(self, name: str, patch: Patch) -> LiveTarget:
        """Write slots and description, if the pool is still as it was read.

        :raises Conflict: if it is not.
        :raises NotFound: if it is gone.
        """
        path = f"/api/v2/pools/{quote(name, safe='')}"
        there = self._call("GET", path)
        live = _parse(there)
        if live.resource_version != patch.resource_version:
            raise Conflict(f"the Airflow pool {name} has changed since it was read")
        body: dict[str, Any] = {}
        if FieldName.SLOTS in patch.fields:
            body["slots"] = patch.fields[FieldName.SLOTS]
        if patch.annotations:
            merged = {**live.annotations, **patch.annotations}
            kept = {key: value for key, value in merged.items() if value is not None}
            body["description"] = _describe(str(there.get("description") or ""), kept)
        mask = "&".join(f"update_mask={key}" for key in body)
        kept_as_is = {key: there.get(key) for key in ("slots", "description", "include_deferred")}
        whole = {"pool": name, **kept_as_is, **body}  # 3.3 refuses a body that lacks one of these
        return _parse(self._call("PATCH", f"{path}?{mask}", whole))

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Make one call; a token that has expired is fetched anew, once."""
        for fresh in (False, True):
            if fresh or not self.token:
                self.token = self._fetch_token()
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = self._send(method, path, body, headers)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                break
        if answer.is_success:
            return _json(answer)
        raise _error(answer, f"{method} {path}")

    def _fetch_token(self) -> str:
        login = {"username": self.user, "password": self.password}
        answer = self._send("POST", "/auth/token", login, {})
        if not answer.is_success:
            raise Forbidden(
                f"Airflow at {self.http.base_url} refuses our user (HTTP {answer.status_code}): "
                "check NIGHTSHIFT_AIRFLOW_API"
            )
        return str(_json(answer).get("access_token") or "")

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:  # noqa: ANN401 - JSON
        try:
            return self.http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ClusterUnavailable(
                f"Airflow at {self.http.base_url} does not answer ({type(error).__name__}): check "
                "NIGHTSHIFT_AIRFLOW_API and that its API server is up"
            ) from error


def rest_pools(url: str, timeout_seconds: float = 30.0) -> RestPools:
    """Prepare the way to an Airflow; nothing is sent yet.

    :param url: ``https://user:password@host:8080``, checked by the settings.
    """
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    base = f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"
    http = httpx.Client(base_url=base, timeout=timeout_seconds)
    return RestPools(http, unquote(parts.username or ""), unquote(parts.password or ""))


def _parse(pool: Mapping[str, Any]) -> LiveTarget:
    name, slots = str(pool.get("name")), pool.get("slots")
    if not isinstance(slots, int):
        raise Invalid(f"Airflow sent the pool {name} without slots")
    description = str(pool.get("description") or "")
    return LiveTarget(
        id=TargetId(ObjectKind.AIRFLOW_POOL, "", name),
        resource_version=hashlib.sha256(f"{slots}\n{description}".encode()).hexdigest(),
        fields={FieldName.SLOTS: slots},
        annotations=_annotations(description),
        status=LiveStatus(replicas=int(pool.get("occupied_slots") or 0)),
    )


def _annotations(description: str) -> Mapping[str, str]:
    _, mark, text = description.rpartition(_MARK)
    if not mark:
        return {}
    try:
        raw = json.loads(text)
    except ValueError:
        return {}  # somebody wrote over it: then the store alone knows of the lease
    return {str(key): str(value) for key, value in raw.items()} if isinstance(raw, dict) else {}


def _describe(description: str, annotations: Mapping[str, str]) -> str:
    before, mark, _ = description.rpartition(_MARK)
    words = before if mark else description
    if not annotations:
        return words
    return f"{words}{_MARK}{json.dumps(annotations, sort_keys=True, separators=(',', ':'))}"


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError as error:
        raise ClusterUnavailable(f"{answer.url} did not answer with JSON") from error
    return body if isinstance(body, dict) else {}


def _error(answer: httpx.Response, doing: str) -> NightshiftError:
    said = " ".join(answer.text.split())[:300]
    text = f"Airflow answered {doing} with HTTP {answer.status_code}: {said}"
    match answer.status_code:
        case 401 | 403:
            return Forbidden(f"{text}; its user must be allowed to read and change pools")
        case 404:
            return NotFound(text)
        case 409:
            return Conflict(text)
        case 429:
            return TooManyRequests(text)
        case code if code >= 500:
            return ClusterUnavailable(text)
        case _:
            return Invalid(text)
