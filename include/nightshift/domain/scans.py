"""How a scan can end, and why. A scan ends in exactly one outcome, always with a reason."""

from enum import StrEnum


class Outcome(StrEnum):
    """The terminal states of a scan."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    NOT_APPLICABLE = "not_applicable"
    NOT_RUN = "not_run"


class Reason(StrEnum):
    """Why a scan ended as it did; each belongs to the outcomes listed in REASONS."""

    OK = "ok"
    OK_PARTIAL = "ok_partial"  # some files could not be read or parsed; they are listed
    EXIT_CODE = "exit_code"
    NO_OUTPUT = "no_output"
    BAD_SARIF = "bad_sarif"
    OUTPUT_TOO_LARGE = "output_too_large"
    CANARY = "canary"  # the scanner missed a finding that we planted, so its silence proves nothing
    CONFINEMENT = (
        "confinement"  # the kernel could not confine the scanner and the settings refuse that
    )
    INTERNAL = "internal"
    EVICTED = "evicted"
    NODE_LOST = "node_lost"
    VOLUME_FULL = "volume_full"
    SCAN_DEADLINE = "scan"
    POD_DEADLINE = "pod"
    MEMORY_WATCHED = "watched"  # the runner saw the process group pass the scan's limit
    MEMORY_CONTAINER = "container"  # the kernel killed the container
    NO_FILES = "no_files"
    EMPTY_REPOSITORY = "empty_repository"
    CLONE_FAILED = "clone_failed"
    REMOTE_GONE = "remote_gone"
    REMOTE_MOVED = "remote_moved"
    AUTH_FAILED = "auth_failed"
    DNS = "dns"
    CONNECT = "connect"
    FORGE_5XX = "forge_5xx"
    RATE_LIMITED = "rate_limited"
    REF_NOT_FOUND = "ref_not_found"
    UNSAFE_REPOSITORY = "unsafe_repository"  # git's fsck refused its objects
    TOO_LARGE = "too_large"
    QUOTA = "quota"
    QUARANTINED = "quarantined"
    NIGHT_OVER = "night_over"
    CANCELLED = "cancelled"


REASONS: dict[Outcome, frozenset[Reason]] = {
    Outcome.SUCCEEDED: frozenset({Reason.OK, Reason.OK_PARTIAL}),
    Outcome.FAILED: frozenset({
        Reason.EXIT_CODE,
        Reason.NO_OUTPUT,
        Reason.BAD_SARIF,
        Reason.OUTPUT_TOO_LARGE,
        Reason.CANARY,
        Reason.CONFINEMENT,
        Reason.INTERNAL,
        Reason.EVICTED,
        Reason.NODE_LOST,
        Reason.VOLUME_FULL,
    }),
    Outcome.TIMED_OUT: frozenset({Reason.SCAN_DEADLINE, Reason.POD_DEADLINE}),
    Outcome.OUT_OF_MEMORY: frozenset({Reason.MEMORY_WATCHED, Reason.MEMORY_CONTAINER}),
    Outcome.NOT_APPLICABLE: frozenset({Reason.NO_FILES, Reason.EMPTY_REPOSITORY}),
    Outcome.NOT_RUN: frozenset({
        Reason.CLONE_FAILED,
        Reason.REMOTE_GONE,
        Reason.REMOTE_MOVED,
        Reason.AUTH_FAILED,
        Reason.DNS,
        Reason.CONNECT,
        Reason.FORGE_5XX,
        Reason.RATE_LIMITED,
        Reason.REF_NOT_FOUND,
        Reason.UNSAFE_REPOSITORY,
        Reason.TOO_LARGE,
        Reason.QUOTA,
        Reason.QUARANTINED,
        Reason.VOLUME_FULL,
        Reason.NIGHT_OVER,
        Reason.CANCELLED,
    }),
}
"""Which reasons go with which outcome; the store and the runner refuse any other pair."""


def check_outcome(outcome: Outcome, reason: Reason) -> None:
    """Refuse a pair that REASONS does not list.

    :raises ValueError: naming the pair.
    """
    if reason not in REASONS[outcome]:
        raise ValueError(f"a scan cannot be {outcome} because of {reason}")
