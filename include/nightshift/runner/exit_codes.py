"""How a runner's process ends: the only word a pod says to Kubernetes.

Numbers follow sysexits.h where it has one, and stay below 126, where shells and signals begin.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Why the runner stopped. Single repositories and scans fail in their status files instead."""

    DONE = 0  # every item has a final status; some may say that they failed
    VOLUME_FULL = 28  # the workspace has no room left (ENOSPC's number)
    BAD_WORK_LIST = (
        64  # wrong arguments or an altered, unreadable work list: a retry gives the same
    )
    INTERNAL = 70  # a fault of ours
    TEMPORARY = 75  # some items failed for reasons that a retry may mend
    NOTHING_TO_DO = 99  # the work list has no items; Airflow's skip_on_exit_code
