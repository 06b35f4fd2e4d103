"""GET .../exec: a command in a running container, over WebSocket.

Every message starts with a byte that names its channel: 0 stdin, 1 stdout, 2 stderr, 3 the
final Status, 4 the terminal's size (ignored). Source: KEP-4006; protocols v4 and v5, of which
only v5 can close stdin.
"""

import asyncio
import json

from aiohttp import WSMsgType, web

from nightshift.embedded.kube import statuses
from nightshift.embedded.kube.calls import Call
from nightshift.embedded.kube.interfaces import ExecProcess, Object
from nightshift.embedded.kube.podlogs import choose_container

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STATUS, _CLOSE = 0, 3, 255


async def run_command(call: Call) -> web.StreamResponse:
    """Run the command of the query and carry its streams.

    :raises StatusError: 400 without a WebSocket, a common protocol or a command; 404; 500 without
        a running container.
    """
    pod = call.api.store.get(*call.target.place)
    container = choose_container(pod, call.query.text("container"))
    command = call.query.texts("command")
    if not command:
        raise statuses.bad_request("you must specify a command")
    socket = web.WebSocketResponse(protocols=PROTOCOLS, heartbeat=30.0)
    if not socket.can_prepare(call.request).ok:
        raise statuses.bad_request("Upgrade request required: exec is served over WebSocket")
    if socket.can_prepare(call.request).protocol is None:
        raise statuses.bad_request(f"exec speaks only {' and '.join(PROTOCOLS)}")
    if call.api.runtime is None:
        raise statuses.service_unavailable("this cluster runs no pods")
    process = await call.api.runtime.exec(
        pod, container, command, stdin=call.query.flag("stdin"), tty=call.query.flag("tty")
    )
    await socket.prepare(call.request)
    await _carry(socket, process)
    return socket


async def _carry(socket: web.WebSocketResponse, process: ExecProcess) -> None:
    feeding = asyncio.create_task(_feed(socket, process))
    try:
        async for channel, data in process.output():
            await socket.send_bytes(bytes([channel]) + data)
        status = json.dumps(_exit_status(await process.wait()))
        await socket.send_bytes(bytes([_STATUS]) + status.encode())
        await socket.close()
    finally:
        feeding.cancel()
        await process.kill()  # the client may have left in the middle


async def _feed(socket: web.WebSocketResponse, process: ExecProcess) -> None:
    async for message in socket:
        data = message.data.encode() if message.type is WSMsgType.TEXT else message.data
        if not isinstance(data, bytes) or not data:
            continue
        if data[0] == _STDIN and len(data) > 1:
            await process.write_stdin(data[1:])
        elif data[0] == _CLOSE and data[1:2] == bytes([_STDIN]):
            await process.write_stdin(b"")
    await process.write_stdin(b"")


def _exit_status(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
