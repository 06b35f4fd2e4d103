"""The openb trace of a GPU cluster, CPU and memory only: 1,523 nodes and 8,152 pods.

Not part of this repository: take one ``openb_node_list_*.csv`` and one ``openb_pod_list_*.csv``
from the folder data/csv of hkust-adsl/kubernetes-scheduler-simulator.
"""

import csv
from pathlib import Path

from nightshift.domain.ids import NodeName, ShardName
from nightshift.domain.nodes import Node
from nightshift.domain.placement.affinity import HOSTNAME_LABEL
from nightshift.domain.placement.plans import ShardDemand
from nightshift.domain.resources import Resources

_MIB = 1024**2


def read_openb(folder: Path) -> tuple[list[Node], list[ShardDemand]]:
    """Read the nodes, all of them empty, and the pods in the order of the trace.

    :raises ValueError: naming the file and the line that cannot be read, or the file that is not
        there.
    """
    nodes = [
        Node(NodeName(name), room, labels={HOSTNAME_LABEL: name})
        for name, room in _read(folder, "openb_node_list_*.csv", "sn")
    ]
    batch = [
        ShardDemand(ShardName(name), need)
        for name, need in _read(folder, "openb_pod_list_*.csv", "name")
    ]
    return nodes, batch


def _read(folder: Path, pattern: str, key: str) -> list[tuple[str, Resources]]:
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise ValueError(f"{folder}: there is no {pattern}")
    found = []
    with paths[0].open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                amounts = Resources(int(row["cpu_milli"]), int(row["memory_mib"]) * _MIB)
                found.append((row[key], amounts))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{paths[0]}: line {number}: {error!r}") from error
    return found
