"""Pods that fill an emptyDir beyond its sizeLimit are evicted.

Source: pkg/kubelet/eviction (emptyDirLimitEviction): looked at every ten seconds, ended at once.
"""

import asyncio
from collections.abc import Mapping

from nightshift.domain.quantities import memory_bytes
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.kubelet.folders import measure_tree
from nightshift.embedded.kube.kubelet.volumes import PreparedVolume


def find_limits(pod: Object) -> dict[str, str]:
    """List the limits of the pod's emptyDir volumes, by the volume's name."""
    volumes = pod["spec"].get("volumes") or []
    sized = {v["name"]: (v.get("emptyDir") or {}).get("sizeLimit") for v in volumes}
    return {name: str(limit) for name, limit in sized.items() if limit}


async def find_excess(
    limits: Mapping[str, str], volumes: Mapping[str, PreparedVolume], interval: float
) -> str:
    """Look at the volumes until one has grown too large; say which in Kubernetes' words.

    :param interval: seconds between two looks.
    """
    while True:
        await asyncio.sleep(interval)
        for name, limit in limits.items():
            used = await asyncio.to_thread(measure_tree, volumes[name].path)
            if used > memory_bytes(limit):
                return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
