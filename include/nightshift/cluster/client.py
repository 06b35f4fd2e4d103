"""One connection to one Kubernetes API server: plain JSON in and out, our errors, no global state.

``Cluster.api_client`` also serves the generated classes, as in ``CoreV1Api(cluster.api_client)``:
timeouts and errors are the same, as both live below them.
"""
# ruff: noqa: ANN401 - Kubernetes objects are JSON; domain functions check them

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.config import ConfigException

from nightshift.cluster.errors import from_api_exception, from_transport_error, read_retry_after
from nightshift.errors import ClusterUnavailable, ConfigError, NightshiftError, PermanentError
from nightshift.settings import Settings

Object = dict[str, Any]
"""A Kubernetes object as JSON, camelCase."""

_CONNECT_SECONDS = 10
_PAGE = 500
_MAX_PAGES = 2_000
_MERGE_PATCH = "application/merge-patch+json"


class _TranslatingClient(client.ApiClient):  # type: ignore[misc]  # the client ships no types
    """The client with a time limit on every call and with our errors."""

    def __init__(self, configuration: client.Configuration, read_seconds: float) -> None:
        super().__init__(configuration)
        self._limits = (_CONNECT_SECONDS, read_seconds)

    def request(
        self, method: str, url: str, *args: Any, _request_timeout: Any = None, **kwargs: Any
    ) -> Any:
        """Make one HTTP call.

        :raises NightshiftError: see nightshift.cluster.errors.
        """
        limits, doing = _request_timeout or self._limits, f"{method} {urlsplit(url).path}"
        try:
            return super().request(method, url, *args, _request_timeout=limits, **kwargs)
        except client.ApiException as error:
            raise from_api_exception(error, doing, self.configuration.host) from error
        except urllib3.exceptions.HTTPError as error:
            raise from_transport_error(error, doing, self.configuration.host) from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call came back with, for callers to whom a refusal is an answer like any other.

    :param status: HTTP.
    :param body: its JSON; empty if it is none.
    """

    status: int
    body: Object = field(default_factory=dict)
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """An API server and the namespace that is ours.

    :param namespace: where our pods, volumes, ConfigMaps and Jobs live.
    """

    api_client: client.ApiClient
    namespace: str

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.api_client.configuration.host)

    def path(
        self, plural: str, name: str = "", *, group: str = "api/v1", namespace: str = ""
    ) -> str:
        """Give the path of a kind, or of one object, in a namespace.

        :param group: ``api/v1`` or ``apis/<group>/<version>``.
        :param namespace: "" is ours.
        """
        tail = f"/{quote(name, safe='')}" if name else ""
        where = quote(namespace or self.namespace, safe="")
        return f"/{group}/namespaces/{where}/{plural}{tail}"

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        """Make one call and read the JSON of its answer.

        :raises NightshiftError: see nightshift.cluster.errors.
        """
        headers = {"Accept": "application/json", "Content-Type": content_type}
        data = self._send(method, path, query or {}, headers, body)
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise self._strange_answer(path) from error
        if not isinstance(answer, dict):
            raise self._strange_answer(path)
        return answer

    def ask(self, method: str, path: str, body: Object) -> Answer:
        """Make one call and give its answer, whatever its HTTP status.

        :raises ClusterUnavailable: if no answer came.
        :raises ConfigError: if the server's certificate is not trusted.
        """
        try:
            return Answer(200, self.call(method, path, body=body))
        except NightshiftError as error:
            refusal = error.__cause__
            if not isinstance(refusal, client.ApiException) or not refusal.status:
                raise
        body = _json_object(refusal.body)
        return Answer(refusal.status, body, read_retry_after(refusal.headers, body))

    def get(self, path: str, **query: str | int) -> Object:
        """Read one object or list."""
        return self.call("GET", path, query=query)

    def create(self, path: str, body: Object) -> Object:
        """Add an object.

        :raises Conflict: if one of that name is there already.
        """
        return self.call("POST", path, body=body)

    def patch(self, path: str, body: Object, *, manager: str = "") -> Object:
        """Merge ``body`` into an object (RFC 7396).

        :param manager: who ``metadata.managedFields`` shall say it was; "" is the client's name.
        :raises Conflict: if ``body`` has a resourceVersion and the object is at another.
        """
        query = {"fieldManager": manager} if manager else {}
        return self.call("PATCH", path, query=query, body=body, content_type=_MERGE_PATCH)

    def delete(self, path: str, *, grace_seconds: int | None = None) -> Object:
        """Ask for an object's deletion; what it owns is deleted in the background.

        :raises NotFound: if it is not there.
        """
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        options["propagationPolicy"] = "Background"
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return self.call("DELETE", path, body=options)

    def iterate(self, path: str, **query: str | int) -> Iterator[Object]:
        """Give every object of a list, page by page.

        :raises Conflict: if the list took so long that the server has dropped its version.
        :raises PermanentError: if it does not end.
        """
        follow = ""
        for _ in range(_MAX_PAGES):
            paging: dict[str, str | int] = {"limit": _PAGE}
            if follow:
                paging["continue"] = follow
            page = self.call("GET", path, query={**query, **paging})
            yield from _items(page)
            follow = str((page.get("metadata") or {}).get("continue") or "")
            if not follow:
                return
        raise PermanentError(
            f"{path} at {self.server} has more than {_MAX_PAGES * _PAGE:,} objects"
        )

    def read_text(self, path: str, **query: str | int) -> str:
        """Read an answer that is no JSON, such as a log."""
        data = self._send("GET", path, query, {"Accept": "*/*"}, None)
        return data.decode("utf-8", "replace")

    def close(self) -> None:
        """Close the connections."""
        self.api_client.last_response = None  # it would keep its connection open
        self.api_client.rest_client.pool_manager.clear()

    def _send(
        self, method: str, path: str, query: Mapping[str, Any], headers: dict[str, str], body: Any
    ) -> bytes:
        response = self.api_client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
        )
        try:
            return bytes(response.data)
        except urllib3.exceptions.HTTPError as error:  # the connection broke amid the answer
            raise from_transport_error(error, f"{method} {path}", self.server) from error
        finally:
            response.release_conn()

    def _strange_answer(self, path: str) -> ClusterUnavailable:
        return ClusterUnavailable(
            f"{self.server} answered {path} with something that is not Kubernetes JSON: check that "
            "the kubeconfig names an API server, and that no proxy answers in its place"
        )


def connect(settings: Settings) -> Cluster:
    """Prepare the connection that the settings ask for; nothing is sent yet.

    A kubeconfig or context that is set wins; else a pod's own service account; else ~/.kube/config.

    :raises ConfigError: if none of them can be read.
    """
    configuration = type.__call__(
        client.Configuration
    )  # a fresh one: Configuration() may be global
    if settings.kubeconfig or settings.kube_context or not _load_service_account(configuration):
        _load_kubeconfig(configuration, settings.kubeconfig, settings.kube_context)
    configuration.retries = urllib3.Retry(
        total=2, backoff_factor=0.2, status=0, redirect=0, respect_retry_after_header=False
    )
    return Cluster(
        _TranslatingClient(configuration, settings.api_timeout_seconds), settings.namespace
    )


def _load_service_account(configuration: client.Configuration) -> bool:
    try:
        config.load_incluster_config(configuration)
    except ConfigException:
        return False  # not inside a pod
    return True


def _load_kubeconfig(configuration: client.Configuration, path: str, context: str) -> None:
    where = path or "~/.kube/config"
    try:
        config.load_kube_config(
            config_file=where,
            context=context or None,
            client_configuration=configuration,
            persist_config=False,
        )
    except (ConfigException, OSError, yaml.YAMLError) as error:
        raise ConfigError(where, _kubeconfig_problem(str(error), context)) from error
    except (TypeError, KeyError, AttributeError, ValueError) as error:  # its parser on odd shapes
        raise ConfigError(where, f"is not a kubeconfig: {error!r}") from error


def _kubeconfig_problem(detail: str, context: str) -> str:
    detail = " ".join(detail.split())
    advice = "set NIGHTSHIFT_KUBECONFIG or KUBECONFIG to a file that `kubectl cluster-info` accepts"
    if context and context in detail:
        advice = f"is NIGHTSHIFT_KUBE_CONTEXT={context} one of `kubectl config get-contexts`?"
    return f"no cluster can be reached with it: {detail}; {advice}"


def _json_object(text: object) -> Object:
    """Read the body of a refusal; proxies send other things than JSON."""
    with suppress(ValueError, RecursionError):
        found = json.loads(text) if isinstance(text, str | bytes) else {}
        return found if isinstance(found, dict) else {}
    return {}


def _items(page: Object) -> list[Object]:
    """Give a list's items; the API leaves out each item's kind, which nobody here needs."""
    items = page.get("items") or []
    return [item for item in items if isinstance(item, dict)]
