"""One request on its way through the API server."""

from dataclasses import dataclass

from aiohttp import web

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import Query, Target, parse_object

_JSON_BODIES = frozenset({"", "application/json", "application/octet-stream"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose place in the API is known."""

    api: Api
    request: web.Request
    target: Target
    query: Query

    @property
    def accept(self) -> str:
        """The Accept header."""
        return self.request.headers.get("Accept", "")

    async def read_object(self) -> Object:
        """Read the body as an object.

        :raises StatusError: 400, 413, 415.
        """
        if self.request.headers.get("Content-Type", "").partition(";")[0] not in _JSON_BODIES:
            raise statuses.unsupported_media_type(self.request.content_type, "application/json")
        return parse_object(await self.request.read())
