"""What a user asks for in a batch file: jobs, each a repository to scan with some scanners."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from nightshift.domain.ids import AccountName, RepositoryName, ScannerName
from nightshift.domain.repositories import RefName, Remote
from nightshift.domain.resources import Resources, sum_resources

DEFAULT_ACCOUNT = AccountName("default")


@dataclass(frozen=True, slots=True)
class ScanNeeds:
    """What a user asks for one repository's scans; zero leaves it to the scanner.

    :param request: what the pod asks the cluster for.
    :param time_limit_seconds: wall time.
    :param priority: higher starts first.
    """

    request: Resources = field(default_factory=Resources)
    time_limit_seconds: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One repository to scan, and what its pod asks for.

    :param name: unique in its account; also a folder name and part of Kubernetes names.
    :param ref: a branch, a tag or a full commit id; None is the remote's HEAD.
    :param request: what the pod asks the cluster for.
    :param time_limit_seconds: wall time of the whole job; None leaves it to the scanners' limits.
    :param priority: higher starts first; 0 is usual.
    """

    name: RepositoryName
    remote: Remote
    scanners: tuple[ScannerName, ...]
    request: Resources
    account: AccountName = DEFAULT_ACCOUNT
    ref: RefName | None = None
    time_limit_seconds: int | None = None
    priority: int = 0

    @property
    def key(self) -> tuple[AccountName, RepositoryName]:
        """What tells jobs of a batch apart."""
        return self.account, self.name

    @property
    def needs(self) -> ScanNeeds:
        """What each of its scans asks for when they run in pods that others share."""
        return ScanNeeds(self.request, self.time_limit_seconds or 0, self.priority)


@dataclass(frozen=True, slots=True)
class BatchFile:
    """One batch as a user wrote it: at least one job, no two of the same account and name.

    :param source: the file's name, for messages.
    """

    jobs: tuple[BatchJob, ...]
    source: str = "batchJob.json"

    @property
    def demand(self) -> Resources:
        """The sum of what all jobs ask for."""
        return sum_resources(job.request for job in self.jobs)

    @property
    def by_account(self) -> Mapping[AccountName, tuple[BatchJob, ...]]:
        """The jobs of each account, in the file's order."""
        grouped: dict[AccountName, list[BatchJob]] = {}
        for job in self.jobs:
            grouped.setdefault(job.account, []).append(job)
        return MappingProxyType({name: tuple(jobs) for name, jobs in grouped.items()})

    def in_starting_order(self) -> tuple[BatchJob, ...]:
        """Give the jobs by priority, highest first; equal ones stay in the file's order."""
        return tuple(sorted(self.jobs, key=lambda job: -job.priority))
