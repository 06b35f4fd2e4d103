"""Asking many remotes at once, kindly: a few at a time and so many a second for each host."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field

from nightshift.domain.ids import AccountName
from nightshift.domain.repositories import Repository
from nightshift.domain.scans import Reason
from nightshift.git.commands import Git
from nightshift.git.failures import GitFailure
from nightshift.git.remotes import TIMEOUT_SECONDS, Head, read_head

PAUSE_SECONDS = 10.0
"""How long a host that said "too many requests" is left alone."""


@dataclass(frozen=True, slots=True)
class HeadResult:
    """What one remote answered: a head, or why there is none."""

    repository: Repository
    head: Head | None = None
    failure: GitFailure | None = None


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """How hard hosts may be asked.

    :param per_host: questions under way at once to one host.
    :param per_second: new questions a second to one host, evenly spread after a first ``per_host``.
    :param threads: questions under way at once to all hosts.
    """

    per_host: int = 8
    per_second: float = 25.0
    threads: int = 64
    timeout_seconds: float = TIMEOUT_SECONDS


@dataclass(slots=True)
class Pace:
    """A token bucket: says when the next question may be asked. Safe between threads.

    :param burst: how many may go at once after a rest.
    """

    per_second: float
    burst: int = 1
    _next: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, now: float) -> float:
        """Take the next free turn; gives the seconds to wait for it."""
        interval = 1.0 / self.per_second
        with self._lock:
            turn = max(self._next, now - (self.burst - 1) * interval)
            self._next = turn + interval
        return max(0.0, turn - now)

    def pause(self, now: float, seconds: float) -> None:
        """Give no turn before ``now + seconds``, and then one after the other."""
        with self._lock:
            self._next = max(self._next, now + seconds)


def read_heads(
    repositories: Sequence[Repository],
    git_of: Callable[[AccountName], Git],
    limits: AdmissionLimits | None = None,
    on_result: Callable[[HeadResult], None] | None = None,
) -> list[HeadResult]:
    """Ask the remotes of all repositories for their heads.

    One remote's failure is its own result. A host that says "too many requests" is left alone
    for a while, and those already under way may fail the same: they are worth a later retry.

    :param git_of: how to call git for an account: each has its own credentials.
    :param on_result: called in this thread with every answer as it comes.
    :returns: one result a repository, in the order that was given.
    """
    limits = limits or AdmissionLimits()
    everywhere = threading.BoundedSemaphore(limits.threads)
    sizes = Counter(repository.remote.authority for repository in repositories)
    with ExitStack() as stack:
        hosts = {
            name: _Host(
                limits,
                everywhere,
                Pace(limits.per_second, limits.per_host),
                stack.enter_context(ThreadPoolExecutor(min(limits.per_host, size))),
            )
            for name, size in sizes.items()
        }
        futures = [
            hosts[repository.remote.authority].submit(git_of(repository.account), repository)
            for repository in repositories
        ]
        for future in as_completed(futures):
            result = future.result()
            if on_result is not None:
                on_result(result)
    return [future.result() for future in futures]


@dataclass(frozen=True, slots=True)
class _Host:
    """One host's limits, shared by the threads that ask it."""

    limits: AdmissionLimits
    everywhere: threading.BoundedSemaphore
    pace: Pace
    pool: ThreadPoolExecutor

    def submit(self, git: Git, repository: Repository) -> Future[HeadResult]:
        return self.pool.submit(self._ask, git, repository)

    def _ask(self, git: Git, repository: Repository) -> HeadResult:
        time.sleep(self.pace.reserve(time.monotonic()))
        with self.everywhere:
            try:
                head = read_head(
                    git,
                    repository.remote,
                    repository.ref,
                    timeout_seconds=self.limits.timeout_seconds,
                )
            except GitFailure as failure:
                if failure.reason is Reason.RATE_LIMITED:
                    self.pace.pause(time.monotonic(), PAUSE_SECONDS)
                return HeadResult(repository, failure=failure)
        return HeadResult(repository, head=head)
