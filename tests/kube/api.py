"""The administrator's HTTP connection to the API server: JSON in, JSON out, no client library.

Kept apart from every client that the project has, so that a mistake of theirs cannot hide here.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any

import httpx

from tests.kube.certificates import Pair
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout

_SECONDS = 30.0
_STRATEGIC = "application/strategic-merge-patch+json"


@dataclass
class Api:
    """An API server's URL and the administrator's certificate.

    Requests raise HarnessError when the server refuses or does not answer.
    """

    url: str
    layout: Layout

    @cached_property
    def client(self) -> httpx.Client:
        """The connections, for requests that the methods here do not cover."""
        folder = self.layout.certificates
        pair = Pair(folder / "admin.crt", folder / "admin.key")
        context = ssl.create_default_context(cafile=folder / "ca.crt")
        context.load_cert_chain(pair.certificate, pair.key)
        return httpx.Client(base_url=self.url, verify=context, timeout=_SECONDS, trust_env=False)

    def __enter__(self) -> "Api":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()

    def is_ready(self) -> bool:
        """Tell whether the API server says that it is ready."""
        try:
            return self.client.get("/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> dict[str, Any]:
        """GET an object or a list."""
        return self._call("GET", path)

    def find(self, path: str) -> dict[str, Any] | None:
        """GET an object, or None if there is none."""
        reply = self._send("GET", path)
        return None if reply.status_code == httpx.codes.NOT_FOUND else _read(reply)

    def items(self, path: str) -> list[dict[str, Any]]:
        """GET a list's items."""
        found: list[dict[str, Any]] = self.get(path)["items"]
        return found

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST an object."""
        return self._call("POST", path, json=dict(body))

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH an object by a strategic merge."""
        return self._call("PATCH", path, json=dict(body), headers={"content-type": _STRATEGIC})

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE an object."""
        return self._call("DELETE", path)

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        return _read(self._send(method, path, **arguments))

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            return self.client.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise HarnessError(f"{self.url}{path} does not answer: {error!r}") from error


def _read(reply: httpx.Response) -> dict[str, Any]:
    if reply.is_error:
        request = reply.request
        raise HarnessError(
            f"{request.method} {request.url.path}: {reply.status_code} {reply.text[:500]}"
        )
    body: dict[str, Any] = reply.json()
    return body
