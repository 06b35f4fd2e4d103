"""What this kernel grants to containers, found out by trying."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from nightshift.embedded.kube.kubelet.launching import Streams, launch, open_null
from nightshift.embedded.kube.kubelet.options import MountMode
from nightshift.embedded.kube.launcher.plans import Plan
from nightshift.errors import PermanentError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How containers are run.

    :param namespaces: each has its own root with volumes mounted; else paths are rewritten.
    :param pid_namespace: each sees only its own processes, and its end ends them all for sure.
    :param reason: why something is not granted, "" if all is.
    """

    namespaces: bool
    pid_namespace: bool
    reason: str = ""

    def describe(self) -> str:
        """Say it in a line."""
        roots = "private roots" if self.namespaces else "rewritten mount paths"
        ids = "own process ids" if self.pid_namespace else "the host's process ids"
        return f"pods run with {roots} and {ids}" + (f" ({self.reason})" if self.reason else "")


async def find_capabilities(mode: MountMode) -> Capabilities:
    """Try what ``mode`` allows, most first.

    :raises PermanentError: namespaces are demanded and the kernel refuses.
    """
    if mode is MountMode.REWRITE:
        return Capabilities(False, False, "chosen by configuration")
    reasons: list[str] = []
    for pid_namespace in (True, False):
        reason = await _try(pid_namespace)
        if not reason:
            found = Capabilities(True, pid_namespace, "; ".join(reasons))
            break
        reasons.append(reason)
    else:
        found = Capabilities(False, False, "; ".join(dict.fromkeys(reasons)))
        if mode is MountMode.NAMESPACES:
            raise PermanentError(f"this kernel grants no mount namespaces: {found.reason}")
    _log.info("%s", found.describe())
    return found


async def _try(pid_namespace: bool) -> str:
    """Make namespaces and a root, run nothing; return why it failed, "" if it did not."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        process = launch(
            _probe(str(root), pid_namespace), Streams(*(open_null() for _ in range(3)))
        )
        failure = await process.wait_started()
        code = await process.wait()
        return failure or (f"exit code {code}" if code else "")


def _probe(root: str, pid_namespace: bool) -> Plan:
    return {
        "join": 0,
        "namespaces": True,
        "pid_namespace": pid_namespace,
        "root": root,
        "binds": [],
        "hidden": [],
        "rewritten": {},
        "hostname": "probe",
        "argv": [],
        "env": {},
        "cwd": "/",
        "no_new_privileges": False,
        "controlling_terminal": False,
    }
