"""How the fetch of a repository ended."""

import datetime as dt

from sqlalchemy import Connection, select, update

from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import CheckoutStatus
from nightshift.errors import NotFound
from nightshift.store.batches import end_scans
from nightshift.store.models import Checkout, Repository, Scan
from nightshift.store.records import PLANNED, BatchId, Ending
from nightshift.store.values import as_json

READY = "ready"


def record_checkout(
    connection: Connection,
    batch: BatchId,
    repository_id: int,
    status: CheckoutStatus,
    now: dt.datetime,
) -> None:
    """Store what a clone pod says; if there is no tree, the repository's open scans end with it.

    :raises NotFound: if the batch does not have this repository.
    """
    values = {
        "state": READY if status.state == READY else Outcome.NOT_RUN.value,
        "reason": status.reason.value,
        "message": status.message[:2_000],
        "bytes": status.bytes,
        "files": status.files,
        "seconds": status.seconds,
        "left_out": as_json(status.left_out[:1_000]),
        "left_out_count": status.left_out_count,
        "tampering": as_json(status.tampering[:1_000]),
    }
    done = connection.execute(
        update(Checkout)
        .where(Checkout.batch_id == batch, Checkout.repository_id == repository_id)
        .values(**values)
    )
    if done.rowcount == 0:
        raise NotFound(f"batch {batch} has no repository {status.repository}")
    if status.state == READY:
        sizes = {"seen_commit": status.commit, "size_bytes": status.bytes, "files": status.files}
        connection.execute(update(Repository).where(Repository.id == repository_id).values(**sizes))
        return
    ending = ending_of_checkout(status)
    end_scans(connection, batch, ending, now, Scan.repository_id == repository_id)


def record_lost_checkouts(
    connection: Connection, batch: BatchId, ending: Ending, now: dt.datetime
) -> int:
    """End the scans of every repository whose clone pod left no word; give their count."""
    lost = select(Checkout.repository_id).where(
        Checkout.batch_id == batch, Checkout.state == PLANNED
    )
    count = end_scans(connection, batch, ending, now, Scan.repository_id.in_(lost))
    connection.execute(
        update(Checkout)
        .where(Checkout.batch_id == batch, Checkout.state == PLANNED)
        .values(
            state=Outcome.NOT_RUN.value, reason=ending.reason.value, message=ending.message[:2_000]
        )
    )
    return count


def ending_of_checkout(status: CheckoutStatus) -> Ending:
    """Say how the scans of a repository without a tree end."""
    if status.reason is Reason.EMPTY_REPOSITORY:
        return Ending(Outcome.NOT_APPLICABLE, status.reason, status.message)
    return Ending(Outcome.NOT_RUN, status.reason, status.message)
