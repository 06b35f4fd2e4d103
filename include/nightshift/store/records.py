"""What goes into the store, as values: plans, and what pods and the cluster said."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NewType

from nightshift.domain.batches import ScanNeeds
from nightshift.domain.ids import (
    AccountName,
    CommitSha,
    RepositoryName,
    ScanName,
    ScannerName,
    ShardName,
)
from nightshift.domain.scans import Outcome, Reason, check_outcome

BatchId = NewType("BatchId", int)
PLANNED = "planned"
"""The state of a scan and of a checkout that have not ended; else it is the outcome."""


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as configured.

    :param weight: its share of the night against other accounts.
    :param secret_ref: the name of the Kubernetes secret with its git credentials; never a secret.
    """

    name: AccountName
    provider: str = "git"
    weight: int = 1
    max_pods: int | None = None
    max_bytes: int | None = None
    secret_ref: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class RepositoryRecord:
    """A repository as configured; ``ref`` is "" for the remote's HEAD."""

    account: AccountName
    name: RepositoryName
    remote: str
    ref: str = ""


@dataclass(frozen=True, slots=True)
class ScannerRecord:
    """One version of a scanner with its rules; another digest is another scanner."""

    name: ScannerName
    version: str
    rules_digest: str = ""
    image_digest: str = ""
    finds_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scan that may be unnecessary: equal cache keys give equal results."""

    account: AccountName
    repository: RepositoryName
    scanner: ScannerName
    cache_key: str


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """One scan of a batch.

    :param scanner_id: from ``sync_scanners``.
    :param commit: None for a repository whose head could not be read.
    :param needs: what the user asks for it; empty leaves it to the scanner.
    """

    scan: ScanName
    account: AccountName
    repository: RepositoryName
    scanner: ScannerName
    scanner_id: int
    commit: CommitSha | None = None
    cache_key: str = ""
    needs: ScanNeeds = field(default_factory=ScanNeeds)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a scan ended without having been ingested."""

    outcome: Outcome
    reason: Reason
    message: str = ""

    def __post_init__(self) -> None:
        """Refuse a reason that does not go with the outcome."""
        check_outcome(self.outcome, self.reason)


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """A planned shard. A clone shard has repositories and no scans.

    :param planned_node: the node that its pod prefers most; "" if it has no preference.
    :param plan: why, as JSON: what the placement chose from and how it ranked.
    """

    name: ShardName
    account: AccountName
    repositories: tuple[RepositoryName, ...]
    scans: tuple[ScanName, ...] = ()
    planned_node: str = ""
    expected_seconds: float = 0.0
    plan: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodRecord:
    """What became of a shard's pod, from the cluster.

    :param terminated_reason: of its container or of the pod: Completed, Error, OOMKilled, Evicted,
        DeadlineExceeded, NodeLost; "" while it runs.
    :param outcome: more about how it was placed, as JSON; added to what is known already.
    """

    pod: str
    node: str = ""
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    terminated_reason: str = ""
    outcome: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A shard's stored plan.

    :param pod: the last pod that is known of it; "" before its first one.
    :param ended: its pods have done their work, or used up their tries.
    :param plan: as it was saved, with what has been added since.
    """

    name: ShardName
    account: AccountName
    pod: str
    ended: bool
    plan: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OpenScan:
    """A scan as the store knows it, with what helps to plan it.

    :param state: planned, or the outcome.
    :param checkout_state: planned, ready or not_run.
    :param last_seconds: the median wall time of its last ten successes; None if there is none.
    :param last_peak_bytes: the largest memory peak of these.
    :param last_bytes: the size of the tree when it was last fetched; 0 if it never was.
    :param account_weight: its account's share of the night against other accounts.
    :param waiting_since: when the first of the latest nights was opened that ended before its turn
        came; None if the last one got to it.
    """

    scan: ScanName
    account: AccountName
    repository: RepositoryName
    repository_id: int
    remote: str
    commit: str
    scanner: ScannerName
    scanner_id: int
    finds_secrets: bool
    cache_key: str
    shard: str
    state: str
    reason: str
    checkout_state: str
    last_seconds: float | None
    last_peak_bytes: int
    last_bytes: int
    account_weight: int = 1
    needs: ScanNeeds = field(default_factory=ScanNeeds)
    waiting_since: dt.datetime | None = None
