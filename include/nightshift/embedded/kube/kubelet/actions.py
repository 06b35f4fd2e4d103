"""What probes and lifecycle hooks do: run a command, ask over HTTP, connect, sleep.

Pods share the host's network, so a port is one of 127.0.0.1. A ``grpc`` probe only connects.
"""

import asyncio
from collections.abc import Sequence

import aiohttp

from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.kubelet.execs import start_beside
from nightshift.embedded.kube.kubelet.runs import Run

_ADDRESS = "127.0.0.1"
_MOST_OUTPUT_BYTES = 1024
_GOOD_STATUS = range(200, 400)


async def perform(action: Object, container: Object, run: Run, timeout: float) -> str:
    """Do what a probe or hook says.

    :param timeout: seconds it may take.
    :returns: why it failed, "" if it did not.
    """
    try:
        async with asyncio.timeout(timeout):
            return await _perform(action, container, run)
    except TimeoutError:
        return f"timed out after {timeout:g}s"
    except (OSError, ValueError, aiohttp.ClientError, StatusError) as error:
        return str(error) or type(error).__name__


async def _perform(action: Object, container: Object, run: Run) -> str:
    if "exec" in action:
        return await _run_command(action["exec"].get("command") or [], run)
    if "httpGet" in action:
        return await _get(action["httpGet"], container)
    if "sleep" in action:
        await asyncio.sleep(float(action["sleep"].get("seconds", 0)))
        return ""
    target = action.get("tcpSocket") or action.get("grpc")
    if target is None:
        return "none of exec, httpGet, tcpSocket, grpc and sleep is given"
    host, port = target.get("host") or _ADDRESS, find_port(target.get("port"), container)
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return ""


async def _run_command(command: Sequence[str], run: Run) -> str:
    process = await start_beside(run, command)
    try:
        output = b""
        async for _, data in process.output():
            output = (output + data)[:_MOST_OUTPUT_BYTES]
        code = await process.wait()
    except asyncio.CancelledError:
        await process.kill()
        raise
    return "" if code == 0 else output.decode(errors="replace") or f"exit status {code}"


async def _get(target: Object, container: Object) -> str:
    host, port = target.get("host") or _ADDRESS, find_port(target.get("port"), container)
    scheme = str(target.get("scheme") or "HTTP").lower()
    path = "/" + str(target.get("path") or "/").lstrip("/")
    headers = {h["name"]: h["value"] for h in target.get("httpHeaders") or []}
    url = f"{scheme}://{host}:{port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers, ssl=False) as response,  # as Kubernetes: unverified
    ):
        if response.status in _GOOD_STATUS:
            return ""
        return f"HTTP probe failed with statuscode: {response.status}"


def find_port(port: int | str | None, container: Object) -> int:
    """Find a port by number, or by its name in the container.

    :raises ValueError: there is none of that name.
    """
    if isinstance(port, int):
        return port
    for entry in container.get("ports") or []:
        if entry.get("name") == port:
            return int(entry["containerPort"])
    return int(port or "")
