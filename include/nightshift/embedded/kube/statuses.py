"""Kubernetes' answers other than 2xx, in its own words.

Source: k8s.io/apimachinery/pkg/api/errors, whose texts clients and people know.
"""

from http import HTTPStatus

from nightshift.embedded.kube.interfaces import Object, StatusError


def status_object(error: StatusError) -> Object:
    """Build the Status object that a client gets for ``error``."""
    status: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
    }
    if error.reason:
        status["reason"] = error.reason
    if error.details:
        status["details"] = error.details
    return {**status, "code": error.code}


def success(details: Object | None = None) -> Object:
    """Build the Status object of a call that has nothing else to give."""
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return {**status, "details": details} if details else status


def _about(key: str, name: str) -> Object:
    plural, _, group = key.partition(".")
    details = {"name": name, "group": group, "kind": plural}
    return {field: value for field, value in details.items() if value}


def not_found(key: str, name: str) -> StatusError:
    """``pods "x" not found``."""
    return StatusError(
        HTTPStatus.NOT_FOUND, "NotFound", f'{key} "{name}" not found', _about(key, name)
    )


def already_exists(key: str, name: str) -> StatusError:
    """``pods "x" already exists``."""
    return StatusError(
        HTTPStatus.CONFLICT, "AlreadyExists", f'{key} "{name}" already exists', _about(key, name)
    )


def conflict(key: str, name: str, why: str) -> StatusError:
    """Someone else changed the object, or a precondition does not hold."""
    return StatusError(
        HTTPStatus.CONFLICT,
        "Conflict",
        f'Operation cannot be fulfilled on {key} "{name}": {why}',
        _about(key, name),
    )


def modified(key: str, name: str) -> StatusError:
    """Refuse an update whose resourceVersion is not the current one."""
    return conflict(
        key,
        name,
        "the object has been modified; please apply your changes to the latest version and try"
        " again",
    )


def bad_request(message: str) -> StatusError:
    """Refuse a request that makes no sense in itself."""
    return StatusError(HTTPStatus.BAD_REQUEST, "BadRequest", message)


def forbidden(key: str, name: str, why: str, details: Object | None = None) -> StatusError:
    """``pods "x" is forbidden: why``."""
    about = _about(key, name) | (details or {})
    message = f'{key} "{name}" is forbidden: {why}'
    return StatusError(HTTPStatus.FORBIDDEN, "Forbidden", message, about)


def invalid(kind: str, group: str, name: str, causes: list[tuple[str, str, str]]) -> StatusError:
    """``Pod "x" is invalid: field: text``.

    :param causes: (reason, field, text); the text as Kubernetes writes it after the field's name.
    """
    listed = [f"{path}: {text}" for _, path, text in causes]
    summary = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    details: Object = {
        **({"name": name} if name else {}),
        **({"group": group} if group else {}),
        "kind": kind,
        "causes": [
            {"reason": reason, "message": text, "field": path} for reason, path, text in causes
        ],
    }
    full_kind = f"{kind}.{group}" if group else kind
    return StatusError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "Invalid",
        f'{full_kind} "{name}" is invalid: {summary}',
        details,
    )


def unprocessable(message: str) -> StatusError:
    """Refuse a well-formed request that does not fit the object."""
    return StatusError(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message)


def expired(message: str) -> StatusError:
    """Say that the history that was asked for is no longer kept."""
    return StatusError(HTTPStatus.GONE, "Expired", message)


def too_many_requests(message: str, retry_after_seconds: int) -> StatusError:
    """Ask the client to come back later."""
    return StatusError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "TooManyRequests",
        message,
        {"retryAfterSeconds": retry_after_seconds},
    )


def unauthorized() -> StatusError:
    """No token, or a wrong one."""
    return StatusError(HTTPStatus.UNAUTHORIZED, "Unauthorized", "Unauthorized")


def path_not_found() -> StatusError:
    """Nothing is served under this path."""
    return StatusError(
        HTTPStatus.NOT_FOUND, "NotFound", "the server could not find the requested resource"
    )


def method_not_allowed() -> StatusError:
    """Say that the path exists, but not the verb."""
    return StatusError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )


def not_acceptable(offered: str) -> StatusError:
    """Refuse a client that takes none of the formats that are spoken here."""
    return StatusError(
        HTTPStatus.NOT_ACCEPTABLE,
        "NotAcceptable",
        f"only the following media types are accepted: {offered}",
    )


def unsupported_media_type(got: str, offered: str) -> StatusError:
    """Refuse a body in a format that is not read here."""
    return StatusError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include:"
        f" {offered} (got {got!r})",
    )


def service_unavailable(message: str) -> StatusError:
    """Say that a part of the cluster is not there."""
    return StatusError(HTTPStatus.SERVICE_UNAVAILABLE, "ServiceUnavailable", message)


def internal_error(message: str) -> StatusError:
    """Admit that the server failed."""
    return StatusError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "InternalError",
        f"Internal error occurred: {message}",
        {"causes": [{"message": message}]},
    )
