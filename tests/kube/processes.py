"""Long-running processes of a cluster: started in their own session, found again by a mark.

Each carries NIGHTSHIFT_KUBE=<identity>:<name> in its environment, and so does whatever it forks.
A record of process ids would miss what a killed ``up`` had started but not yet written down, and
could name a stranger that got the number later; the mark does neither.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.kube.commands import read_tail
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout

MARKER = "NIGHTSHIFT_KUBE"
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
_END_SECONDS = 20.0


@dataclass(slots=True)
class Processes:
    """Starts processes of one cluster and knows those that this Python process has started."""

    layout: Layout
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> int:
        """Start a process that outlives this one, and give its id; output goes to its log."""
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        passed = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in argv],
                env={**passed, **(environment or {}), MARKER: f"{self.layout.identity}:{name}"},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # It outlives this process, or is reaped in it, whoever ends it.
        threading.Thread(target=process.wait, daemon=True).start()
        self.children[name] = process
        return process.pid

    def log(self, name: str) -> Path:
        """Give a process's log."""
        return self.layout.logs / f"{name}.log"

    def check(self, name: str) -> None:
        """Look whether a process that was started here still runs.

        :raises HarnessError: if it has ended; with the end of its log.
        """
        code = self.children[name].poll()
        if code is not None:
            log = self.log(name)
            raise HarnessError(f"{name} ended with {code}; {log} ends with:\n{read_tail(log)}")

    def end_all(self) -> int:
        """Kill every process of the cluster, whoever started it, and give their number.

        SIGKILL at once: all state is thrown away, and so the way down is the way up after a crash.

        :raises HarnessError: if one does not end.
        """
        ended = 0
        deadline = time.monotonic() + _END_SECONDS
        while found := list(find_processes(self.layout)):
            ended += len(found)
            for process in found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            psutil.wait_procs(found, timeout=5)
            if time.monotonic() > deadline:
                pids = ", ".join(str(process.pid) for process in found)
                raise HarnessError(f"processes that do not end when killed: {pids}")
        for child in self.children.values():
            child.wait(_END_SECONDS)
        self.children.clear()
        return ended


def find_processes(layout: Layout) -> Iterator[psutil.Process]:
    """Find the living processes with the cluster's mark; never this one."""
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARKER, "")
        except psutil.Error:  # gone meanwhile, or somebody else's
            continue
        if mark.partition(":")[0] == layout.identity and process.pid != os.getpid():
            yield process


def list_names(layout: Layout) -> dict[str, int]:
    """Give each named process of the cluster, with the id of its first process."""
    found: dict[str, int] = {}
    for process in sorted(find_processes(layout), key=lambda process: process.pid):
        with contextlib.suppress(psutil.Error):
            found.setdefault(process.environ()[MARKER].partition(":")[2], process.pid)
    return found
