"""``python -m nightshift.embedded.kube``: a local cluster until it is told to end."""

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from nightshift.embedded.kube.cluster import ClusterOptions, LocalCluster
from nightshift.embedded.kube.kubelet import Image, KubeletOptions
from nightshift.embedded.kube.nodespecs import NodeSpec, parse_node_options, read_node_file
from nightshift.errors import ConfigError, NightshiftError

DEFAULT_NODES = ("node-1=4,16Gi", "node-2=4,16Gi", "node-3=8,16Gi")
DEFAULT_PRETEND_SECONDS = 5.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def serve(
    data: Annotated[Path, typer.Option(help="Folder for kubeconfig, keys and pods' files.")],
    nodes: Annotated[Path | None, typer.Option(help="YAML list of nodes.")] = None,
    node: Annotated[
        list[str] | None, typer.Option(help="A node: name=cpu,memory[,label=value..].")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    image: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DIR: containers of this image find DIR/bin first on PATH."),
    ] = None,
    visible: Annotated[
        list[Path] | None,
        typer.Option(help="A folder that pods see read-only wherever it is, even below /tmp."),
    ] = None,
    hidden: Annotated[
        list[Path] | None, typer.Option(help="A folder that looks empty inside pods.")
    ] = None,
    pretend_pods: Annotated[
        bool, typer.Option("--pretend-pods", help="Pods run nothing and succeed after a while.")
    ] = False,
    pretend_seconds: Annotated[
        float, typer.Option(min=0, help="How long pretended pods run.")
    ] = DEFAULT_PRETEND_SECONDS,
) -> None:
    """Serve a Kubernetes API on the loopback; pods run as processes of this user.

    Prints one line when ready, writes DIR/kubeconfig, and ends with all pods at SIGTERM or Ctrl-C.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        options = ClusterOptions(
            data_dir=data.resolve(),
            nodes=_nodes(nodes, node or []),
            port=port,
            kubelet=KubeletOptions(
                data.resolve() / "kubelet",
                images=dict(_parse_image(text) for text in image or []),
                visible_paths=tuple(path.resolve() for path in visible or []),
                hidden_paths=tuple(path.resolve() for path in hidden or []),
                pretend_seconds=pretend_seconds if pretend_pods else None,
            ),
        )
        asyncio.run(_serve(options))
    except NightshiftError as error:
        sys.stderr.write(f"nightshift: {error}\n")
        raise typer.Exit(1) from error


def _nodes(file: Path | None, options: list[str]) -> tuple[NodeSpec, ...]:
    if file is not None and options:
        raise ConfigError("--nodes and --node", "give one of them, not both")
    if file is not None:
        return read_node_file(file)
    return parse_node_options(options or list(DEFAULT_NODES))


def _parse_image(text: str) -> tuple[str, Image]:
    name, _, folder = text.partition("=")
    environment = Path(folder).resolve()
    programs = environment / "bin"
    if not name or not folder or not programs.is_dir():
        raise ConfigError(f"--image {text}", "write NAME=DIR, with a folder DIR/bin")
    return name, Image(path_dirs=(programs,), visible=(environment,), host=True)


async def _serve(options: ClusterOptions) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with LocalCluster(options) as cluster:
        sys.stdout.write(f"ready: {cluster.url} KUBECONFIG={cluster.kubeconfig}\n")
        sys.stdout.flush()
        await cluster.run_until(stop)


if __name__ == "__main__":
    app()
