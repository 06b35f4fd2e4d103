"""Nodes, pods and clusters in a few words, for the tests of the scheduler model."""

from dataclasses import replace
from typing import Any

from nightshift.domain.ids import NodeName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.scheduler_model import SchedulerModel
from nightshift.domain.pods import PodRequest
from nightshift.domain.resources import Resources

GIB = 1024**3
SIZE = Resources(4_000, 16 * GIB)


def node(name: str, **more: Any) -> Node:
    return replace(Node(NodeName(name), SIZE), **more)


def pod(key: str = "scans/p", cpu: int = 1_000, memory: int = GIB, **more: Any) -> PodRequest:
    need = more.pop("need", Resources(cpu, memory))
    return PodRequest(key, need, need, need, **more)


def cluster(count: int, **more: Any) -> SchedulerModel:
    return SchedulerModel([node(f"n{i}", **more) for i in range(count)])
