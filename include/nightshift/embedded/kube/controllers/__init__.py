"""The controllers of the embedded cluster: each makes one kind of thing come true.

A controller is a pure plan (what to do about one object) and the loop that all share. Nothing here
knows of HTTP, and nothing outside needs more than ``run_controllers``.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from nightshift.clock import Clock, utc_now
from nightshift.embedded.kube.controllers import (
    autoscalers,
    budgets,
    cronjobs,
    daemonsets,
    deployments,
    expirations,
    garbage,
    jobs,
    namespaces,
    nodes,
    quotas,
    replicasets,
    statefulsets,
)
from nightshift.embedded.kube.controllers.directories import VolumeDirectories
from nightshift.embedded.kube.controllers.loops import Controller, keep_running
from nightshift.embedded.kube.controllers.volumes import build_controllers as build_volumes
from nightshift.embedded.kube.interfaces import EventRecorder, ObjectStore

__all__ = ["ControllerOptions", "build_controllers", "run_controllers"]


@dataclass(frozen=True, slots=True)
class ControllerOptions:
    """What the controllers need to know.

    :param volumes_dir: keeps the directories behind volumes; made when the first is needed.
    :param clock: tells the time.
    :param most_finished_pods: pods that have ended and are kept; the oldest go first. The default
        is kube-controller-manager's.
    """

    volumes_dir: Path
    clock: Clock = utc_now
    most_finished_pods: int = 12_500


def build_controllers(options: ControllerOptions) -> list[Controller]:
    """List every controller."""
    return [
        namespaces.CONTROLLER,
        nodes.CONTROLLER,
        *build_volumes(VolumeDirectories(options.volumes_dir)),
        deployments.CONTROLLER,
        replicasets.CONTROLLER,
        statefulsets.CONTROLLER,
        daemonsets.CONTROLLER,
        jobs.CONTROLLER,
        cronjobs.CONTROLLER,
        budgets.CONTROLLER,
        autoscalers.CONTROLLER,
        quotas.CONTROLLER,
        garbage.CONTROLLER,
        garbage.build_pod_collector(options.most_finished_pods),
        expirations.CONTROLLER,
    ]


async def run_controllers(
    store: ObjectStore, events: EventRecorder, options: ControllerOptions
) -> None:
    """Make what every cluster has, then run all controllers until cancelled.

    One that crashes is logged, recorded as an event in kube-system, and started again.
    """
    namespaces.bootstrap(store)
    async with asyncio.TaskGroup() as tasks:
        for controller in build_controllers(options):
            tasks.create_task(keep_running(controller, store, events, options.clock))
