"""From a container's spec to the launcher's plan, with a private root or with rewritten paths."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.capabilities import Capabilities
from nightshift.embedded.kube.kubelet.environments import Lookup, build_environment, expand
from nightshift.embedded.kube.kubelet.faults import ContainerFault
from nightshift.embedded.kube.kubelet.mounts import (
    HOME,
    SCRATCH,
    Layer,
    Mount,
    find_covered,
    plan_mounts,
    program_folders,
    token_mount,
)
from nightshift.embedded.kube.kubelet.options import Image, KubeletOptions
from nightshift.embedded.kube.kubelet.rewriting import PathRewriter
from nightshift.embedded.kube.kubelet.volumes import PreparedVolume
from nightshift.embedded.kube.launcher.plans import Bind, Plan

_LONGEST_HOSTNAME = 63


@dataclass(frozen=True, slots=True)
class Ground:
    """What a container stands on.

    :param layer: the folders of this run, made already.
    """

    image: Image
    volumes: Mapping[str, PreparedVolume]
    layer: Layer
    options: KubeletOptions
    capabilities: Capabilities


def plan_container(pod: Object, container: Object, ground: Ground, lookup: Lookup) -> Plan:
    """Compute everything the launcher needs.

    :raises ContainerFault: the container cannot be started as its spec asks.
    """
    env = build_environment(container, pod, _base_environment(pod, ground.image), lookup)
    mounts = plan_mounts(container, ground.volumes, env, ground.image, ground.layer)
    if pod["spec"].get("automountServiceAccountToken") is True:
        namespace = pod["metadata"].get("namespace", "")
        mounts.append(token_mount(ground.layer.folder / "account", namespace))
    plan = _plan_process(pod, container, env, ground.image)
    plan["root"] = str(ground.layer.root)
    if ground.capabilities.namespaces:
        return _with_private_root(plan, mounts, ground)
    return _with_rewritten_paths(plan, mounts, ground.layer)


def plan_beside(plan: Plan, init_pid: int, command: Sequence[str], *, tty: bool) -> Plan:
    """Compute the plan of a command beside a container that runs by ``plan``."""
    rewriter = PathRewriter(plan["rewritten"])
    return {
        **plan,
        "join": init_pid,
        "argv": [rewriter.rewrite(word) for word in command],
        "controlling_terminal": tty,
    }


def _base_environment(pod: Object, image: Image) -> dict[str, str]:
    return {"PATH": image.search_path, "HOME": HOME, **image.env, "HOSTNAME": _hostname(pod)}


def _hostname(pod: Object) -> str:
    name = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return str(name)[:_LONGEST_HOSTNAME].rstrip("-.")


def _plan_process(pod: Object, container: Object, env: Mapping[str, str], image: Image) -> Plan:
    security = container.get("securityContext") or {}
    return {
        "join": 0,
        "namespaces": False,
        "pid_namespace": False,
        "root": "",
        "binds": [],
        "hidden": [],
        "rewritten": {},
        "hostname": _hostname(pod),
        "argv": _build_argv(container, env, image),
        "env": dict(env),
        "cwd": container.get("workingDir") or "/",
        "no_new_privileges": security.get("allowPrivilegeEscalation") is False,
        "controlling_terminal": False,
    }


def _build_argv(container: Object, env: Mapping[str, str], image: Image) -> list[str]:
    """Combine command, args and the image's own, as Kubernetes does; expand $(VAR)."""
    command, args = container.get("command"), container.get("args")
    words = list(command or image.entrypoint)
    words += args or ([] if command else list(image.arguments))
    if not words:
        raise ContainerFault("no command specified")
    return [expand(str(word), env) for word in words]


def _with_private_root(plan: Plan, mounts: Sequence[Mount], ground: Ground) -> Plan:
    options = ground.options
    hidden = [os.path.realpath(path) for path in (options.data_dir, *options.hidden_paths)]
    visible = [*program_folders(ground.image), *options.visible_paths]
    covers = [*hidden, *(mount.target for mount in mounts)]
    shown_again = find_covered([path.resolve() for path in visible], covers)
    _make_places(shown_again, mounts)
    return {
        **plan,
        "namespaces": True,
        "pid_namespace": ground.capabilities.pid_namespace,
        "binds": [_as_bind(mount) for mount in [*mounts, *shown_again]],
        "hidden": hidden,
    }


def _make_places(shown_again: Sequence[Mount], mounts: Sequence[Mount]) -> None:
    """Make the mount points in our own /tmp now: inside, it may be read-only."""
    scratch = [mount for mount in mounts if mount.target in SCRATCH and not mount.inside]
    for shown in shown_again:
        for around in scratch:
            if Path(shown.target).is_relative_to(around.target):
                place = around.source / Path(shown.target).relative_to(around.target)
                place.mkdir(parents=True, exist_ok=True)


def _as_bind(mount: Mount) -> Bind:
    return {
        "source": str(mount.source),
        "inside": mount.inside,
        "target": mount.target,
        "read_only": mount.read_only,
    }


def _with_rewritten_paths(plan: Plan, mounts: Sequence[Mount], layer: Layer) -> Plan:
    """Name real folders in the text; /tmp stays the host's unless a volume is mounted there."""
    own = {layer.scratch(path) for path in SCRATCH}
    places = {m.target: str(m.place) for m in mounts if m.place not in own}
    scratch = places.get(SCRATCH[0], str(layer.scratch(SCRATCH[0])))
    rewriter = PathRewriter(places)
    env = {name: rewriter.rewrite(value) for name, value in plan["env"].items()}
    return {
        **plan,
        "argv": [rewriter.rewrite(word) for word in plan["argv"]],
        "env": {"TMPDIR": scratch, **env},
        "cwd": rewriter.rewrite(plan["cwd"]),
        "rewritten": places,
    }
