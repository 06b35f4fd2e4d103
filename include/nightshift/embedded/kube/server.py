"""The HTTPS server: who may talk to it, where requests go, and what becomes of errors.

It runs commands as the user who started it, so it listens on the loopback only, and answers
nothing but 401 without the token.
"""

import asyncio
import hmac
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from nightshift.embedded.kube import discovery, openapi, routes, statuses
from nightshift.embedded.kube.calls import Call
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.faults import Faults
from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.requests import MAX_BODY_BYTES, Query, parse_target
from nightshift.embedded.kube.responses import (
    encode,
    error_response,
    is_streaming,
    json_response,
    negotiate,
)

LOOPBACK = "127.0.0.1"
LAST_ANSWERS_SECONDS = 0.2
"""How long a stopping server lets requests finish; watches and followed logs are cut off then."""
_HEALTH_PATHS = frozenset({"/healthz", "/livez", "/readyz"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """How clients get in.

    :param ssl_context: of the server; its certificate names the loopback.
    :param token: what every request carries as its bearer.
    """

    ssl_context: ssl.SSLContext
    token: str


class KubeServer:
    """Serves an API on the loopback until it is stopped.

    :param faults: struck before the request is answered.
    """

    def __init__(self, api: Api, access: Access, faults: Faults) -> None:
        self._api = api
        self._access = access
        self._faults = faults
        self._answering: set[asyncio.Task[object]] = set()
        self._runner: web.AppRunner | None = None

    @property
    def open_requests(self) -> int:
        """How many requests are being answered now; watches and followed logs count."""
        return len(self._answering)

    async def start(self, port: int = 0) -> str:
        """Listen; port 0 takes a free one.

        :returns: the base URL.
        :raises OSError: when the port is taken.
        """
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=LAST_ANSWERS_SECONDS
        )
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, LOOPBACK, port, ssl_context=self._access.ssl_context, backlog=1024
        )
        await site.start()
        return f"https://{LOOPBACK}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """End open watches and logs, and listen no longer."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        connections = runner.server.connections if runner.server else ()
        transports = [connection.transport for connection in connections]
        await runner.cleanup()
        for transport in transports:  # a client that does not answer the end of TLS is cut off
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in a task
        self._answering.add(task)
        try:
            return await self._guarded(request)
        except web.HTTPException as error:
            return error_response(StatusError(error.status, _reason(error.reason), error.reason))
        except ConnectionError:
            raise  # the client has left in the middle of a stream
        except Exception as error:  # noqa: BLE001 - logged; one bad request must not end the server
            return self._refuse(request, error)
        finally:
            self._answering.discard(task)

    def _refuse(self, request: web.Request, error: Exception) -> web.Response:
        if not isinstance(error, StatusError):
            _log.error("%s %s failed", request.method, request.path, exc_info=error)
            error = statuses.internal_error(f"{type(error).__name__}: {error}")
        if is_streaming(request):
            raise ConnectionAbortedError(error.message) from error
        return error_response(error)

    async def _guarded(self, request: web.Request) -> web.StreamResponse:
        self._authenticate(request)
        fault = await self._faults.strike(request.method, request.path_qs)
        response = await self._route(request)
        if fault is not None and request.transport is not None:
            request.transport.abort()
        return response

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(token.strip().encode(), self._access.token.encode())
        if scheme.lower() != "bearer" or not known:
            raise statuses.unauthorized()

    async def _route(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path in _HEALTH_PATHS or path.startswith(tuple(f"{p}/" for p in _HEALTH_PATHS)):
            return web.Response(text="ok")
        document = self._document(path.rstrip("/") or "/", request)
        if document is not None:
            if request.method != "GET":
                raise statuses.method_not_allowed()
            return document
        target = parse_target(self._api.registry, path)
        pairs: dict[str, list[str]] = {}
        for name, value in request.query.items():
            pairs.setdefault(name, []).append(value)
        return await routes.answer(Call(self._api, request, target, Query(pairs)))

    def _document(self, path: str, request: web.Request) -> web.Response | None:
        """Answer what is no resource: versions and discovery; None for everything else."""
        registry = self._api.registry
        documents: dict[str, Callable[[], Object]] = {
            "/": lambda: {
                "paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/version"]
            },
            "/version": lambda: discovery.VERSION,
            "/api": discovery.core_versions,
            "/apis": lambda: discovery.group_list(registry),
            "/openapi/v3": lambda: openapi.index(registry),
        }
        accept = request.headers.get("Accept", "")
        if path in {"/api", "/apis"} and discovery.is_aggregated(
            negotiate(accept, discovery.AGGREGATED)
        ):
            body = encode(discovery.aggregated(registry, core=path == "/api"))
            return web.Response(body=body, headers={"Content-Type": discovery.AGGREGATED_TYPE})
        build = documents.get(path) or self._nested_document(path)
        return None if build is None else json_response(build())

    def _nested_document(self, path: str) -> Callable[[], Object] | None:
        registry, parts = self._api.registry, path.strip("/").split("/")
        match parts:
            case ["openapi", "v3", *place] if place:
                return lambda: openapi.document(registry, "/".join(place))
            case ["api", version]:
                return lambda: discovery.resource_list(registry, "", version)
            case ["apis", group]:
                return lambda: discovery.group(registry, group)
            case ["apis", group, version]:
                return lambda: discovery.resource_list(registry, group, version)
            case _:
                return None


def _reason(words: str) -> str:
    return words.title().replace(" ", "")
