"""Batch files (``batchJob.json``): what to scan in one batch, written by a user or a tool."""

from pathlib import Path
from typing import Any

from nightshift.config.documents import MEGABYTE, parse_json, read_text
from nightshift.config.entries import Allowed, read_name, read_ref, read_remote, read_scanners
from nightshift.config.faults import Faults
from nightshift.config.schemas import find_faults
from nightshift.domain.batches import DEFAULT_ACCOUNT, BatchFile, BatchJob
from nightshift.domain.ids import AccountName, RepositoryName, parse_account_name
from nightshift.domain.quantities import cpu_millis, memory_bytes
from nightshift.domain.resources import Resources

MAX_BYTES = 10 * MEGABYTE
LEAST_MEMORY = 16 * 1024 * 1024
"""Less is a unit that was forgotten: the runner alone needs more."""


def read_batch_file(path: Path, allowed: Allowed) -> BatchFile:
    """Read and check a batch file.

    :raises ConfigError: if it cannot be read or is no JSON, with the line and column.
    :raises ConfigErrors: with every other fault of the file and its path.
    """
    return parse_batch_file(read_text(path, max_bytes=MAX_BYTES), allowed, path.name)


def parse_batch_file(text: str, allowed: Allowed, source: str = "batchJob.json") -> BatchFile:
    """Check the text of a batch file.

    :param source: what messages call it.
    :raises ConfigError: if it is no JSON, with the line and column.
    :raises ConfigErrors: with every other fault and its path, such as ``jobs[3].cpu``.
    """
    document, faults = parse_json(text, source), Faults(source)
    for path, problem in find_faults("batchJob", document):
        faults.add(path, problem)
    entries = document.get("jobs") if isinstance(document, dict) else None
    jobs: dict[tuple[AccountName, RepositoryName], tuple[int, BatchJob]] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if faults.is_sound(("jobs", index)):
            job = _read_job(entry, index, allowed, faults)
            if job is not None:
                _add_unique(jobs, index, job, faults)
    faults.raise_if_any()
    return BatchFile(tuple(job for _, job in jobs.values()), source)


def _read_job(
    entry: dict[str, Any], index: int, allowed: Allowed, faults: Faults
) -> BatchJob | None:
    at = ("jobs", index)
    remote = read_remote(entry["repository"], (*at, "repository"), allowed, faults)
    ref = read_ref(entry, at, faults)
    name = read_name(entry, at, remote, faults)
    account = faults.collect(
        (*at, "account"), lambda: parse_account_name(entry.get("account", DEFAULT_ACCOUNT))
    )
    scanners = read_scanners(entry["scanners"], (*at, "scanners"), allowed, faults)
    cpu = faults.collect((*at, "cpu"), lambda: _read_cpu(entry["cpu"]))
    memory = faults.collect((*at, "memory"), lambda: _read_memory(entry["memory"]))
    if remote is None or name is None or account is None or cpu is None or memory is None:
        return None
    return BatchJob(
        name=name,
        remote=remote,
        scanners=scanners,
        request=Resources(cpu, memory),
        account=account,
        ref=ref,
        time_limit_seconds=entry.get("time_limit"),
        priority=entry.get("priority", 0),
    )


def _add_unique(
    jobs: dict[tuple[AccountName, RepositoryName], tuple[int, BatchJob]],
    index: int,
    job: BatchJob,
    faults: Faults,
) -> None:
    first = jobs.setdefault(job.key, (index, job))[0]
    if first != index:
        faults.add(
            ("jobs", index, "name"),
            f"{job.name} of account {job.account} is jobs[{first}] already; name one differently",
        )


def _read_cpu(value: str | int | float) -> int:
    millis = cpu_millis(value)
    if not 1 <= millis <= 1_000_000:
        raise ValueError(f"{value} is not from 1m to 1000 cores")
    return millis


def _read_memory(value: str | int | float) -> int:
    amount = memory_bytes(value)
    if not LEAST_MEMORY <= amount <= 10**14:
        raise ValueError(f"{value} is not from 16Mi to 100T; is its unit missing (Mi, Gi, M, G)?")
    return amount
