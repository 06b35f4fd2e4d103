"""What the runner knows of a scan between two attempts: its status file."""

import datetime as dt
from pathlib import Path

from nightshift.domain.jsonvalues import dump, load
from nightshift.domain.worklists import Phase, ScanItem, ScanStatus
from nightshift.errors import ConfigError, NotFound
from nightshift.runner.files import read_bounded, write_atomically

_STATUS_BYTES = 4 * 1024 * 1024
STATUS, RESULT, LOG = "status.json", "result.sarif", "log"
"""The files of a scan's folder."""


def read_status(folder: Path, item: ScanItem) -> ScanStatus | None:
    """Read what an earlier attempt left; None if there is nothing that counts.

    A torn or foreign file counts as nothing: the scan then runs again, which is always right.
    """
    try:
        status = load(ScanStatus, read_bounded(folder / STATUS, _STATUS_BYTES).decode())
    except (NotFound, ConfigError, ValueError):
        return None
    same = status.scan == item.scan and status.cache_key == item.cache_key
    return status if same else None


def write_status(folder: Path, status: ScanStatus) -> None:
    """Replace the status file; a crash leaves the old one or the new one.

    :raises VolumeFull: if there is no room.
    """
    write_atomically(folder / STATUS, dump(status))


def start_status(item: ScanItem, attempt: int, now: dt.datetime) -> ScanStatus:
    """Build the status of a scan that is about to run.

    :param attempt: how often this scan was started and neither ended nor was stopped in good order.
    """
    return ScanStatus(
        scan=item.scan,
        attempt=attempt,
        phase=Phase.RUNNING,
        cache_key=item.cache_key,
        started_at=format_time(now),
    )


def format_time(now: dt.datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return now.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
