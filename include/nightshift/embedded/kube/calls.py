"""One request on its way through the API server."""

from dataclasses import dataclass

from aiohttp import web

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.context import Api
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.requests import Query, Target, parse_object

PROTOBUF = "application/vnd.kubernetes.protobuf"
_PROTOBUF_HINT = (
    "; instead of 'kubectl create ..' use"
    " 'kubectl create .. --dry-run=client -o yaml | kubectl apply -f -'"
)
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
        media_type = self.request.headers.get("Content-Type", "").partition(";")[0]
        if media_type not in _JSON_BODIES:
            hint = _PROTOBUF_HINT if media_type == PROTOBUF else ""
            raise statuses.unsupported_media_type(media_type, f"application/json{hint}")
        return parse_object(await self.request.read())
