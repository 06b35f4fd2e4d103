"""What all scans of one pod share: the volume, the sandbox, the canaries, the last manifest."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nightshift.clock import Clock
from nightshift.domain.ids import RepositoryName, ScannerName
from nightshift.domain.worklists import ManifestEntry, ScanItem, ScanStatus, ScanWorkList
from nightshift.runner.manifests import read_manifest
from nightshift.runner.scan_canaries import CanaryResult, run_canary
from nightshift.runner.scan_execution import Executor
from nightshift.runner.scan_outcomes import Verdict, end_status
from nightshift.runner.scan_status import format_time, write_status
from nightshift.runner.workspace import Workspace
from nightshift.scanners.definitions import Scanner


class Interrupted(Exception):
    """The pod was asked to end while a scan ran; the scan can be resumed."""


@dataclass(slots=True)
class ScanPod:
    """What all scans of one pod share.

    :param count_oom_kills: reads the container's counter of kills for memory.
    """

    work_list: ScanWorkList
    workspace: Workspace
    executor: Executor
    clock: Clock
    count_oom_kills: Callable[[], int]
    canaries: dict[ScannerName, CanaryResult] = field(default_factory=dict)
    _manifest: tuple[RepositoryName, tuple[ManifestEntry, ...]] | None = None

    def folder(self, item: ScanItem) -> Path:
        """Folder of a scan's files."""
        return self.workspace.scan(self.work_list.shard, item.scan)

    def end(self, item: ScanItem, started: ScanStatus, verdict: Verdict) -> ScanStatus:
        """Write down that a scan has ended without a run.

        :raises VolumeFull: if there is no room.
        """
        return self.finish(item, end_status(started, verdict))

    def finish(self, item: ScanItem, status: ScanStatus) -> ScanStatus:
        """Write a final status.

        :raises VolumeFull: if there is no room.
        """
        ended = dataclasses.replace(status, finished_at=format_time(self.clock()))
        write_status(self.folder(item), ended)
        return ended

    def canary(self, scanner: Scanner) -> CanaryResult:
        """Run the scanner's canary, once a pod.

        :raises ConfinementRefused: if it could not be confined.
        :raises Interrupted: if the pod was asked to end meanwhile.
        """
        if scanner.name not in self.canaries:
            result = run_canary(self.executor, scanner)
            if result.interrupted:
                raise Interrupted
            self.canaries[scanner.name] = result
        return self.canaries[scanner.name]

    def manifest(self, repository: RepositoryName) -> tuple[ManifestEntry, ...]:
        """Read a tree's manifest; the last one is kept, since a tree's scans follow each other.

        :raises NotFound: if there is none.
        :raises ConfigError: if it is not one.
        """
        if self._manifest is None or self._manifest[0] != repository:
            entries = read_manifest(self.workspace.manifest(repository))
            self._manifest = (repository, entries)
        return self._manifest[1]
