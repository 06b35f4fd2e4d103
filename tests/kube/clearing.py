"""Ends whatever there is of a cluster: the way down, and the way up after a crash."""

import shutil

from tests.kube.cgroups import list_cgroups, remove_cgroups
from tests.kube.layout import Layout
from tests.kube.networks import list_links, remove_links
from tests.kube.processes import Processes, find_processes


def clear(layout: Layout) -> bool:
    """Kill the processes, then remove cgroups, network devices and files; logs stay.

    :returns: whether there was anything.
    :raises HarnessError: if something does not go.
    """
    had = bool(list_leftovers(layout)) or layout.state_file.exists()
    Processes(layout).end_all()
    remove_cgroups(layout)
    remove_links(layout)
    for folder in layout.run_time_folders():
        if folder.exists():
            shutil.rmtree(folder)
    layout.kubeconfig.unlink(missing_ok=True)
    layout.state_file.unlink(missing_ok=True)
    return had


def list_leftovers(layout: Layout) -> list[str]:
    """List what the machine still has of a cluster: processes, cgroups, network devices."""
    return [
        *(f"process {process.pid}" for process in find_processes(layout)),
        *(f"cgroup {folder}" for folder in list_cgroups(layout)),
        *(f"network device {name}" for name in list_links(layout)),
    ]
