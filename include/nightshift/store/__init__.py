"""The store in PostgreSQL: what the nights did and what they found.

Open an engine once (``writer_engine`` or ``reader_engine``), then ``with transaction(engine) as
connection:`` and call these functions with it. All may be called again after a crash.
"""

from nightshift.store.batches import (
    abort_batch,
    add_scans,
    find_batch,
    find_unchanged,
    finish_open_scans,
    list_open_batches,
    open_batch,
    record_ended,
    seal_batch,
    verify_unchanged,
)
from nightshift.store.capacity_models import CapacityRun as _CapacityRun  # registers the tables
from nightshift.store.checkouts import record_checkout, record_lost_checkouts
from nightshift.store.engines import reader_engine, transaction, writer_engine
from nightshift.store.faults import OpenScans
from nightshift.store.ingest import IngestResult, ScanEnd, ScanFindings, ingest_scan
from nightshift.store.listings import FindingFilter, FindingRow, list_findings
from nightshift.store.records import (
    AccountRecord,
    BatchId,
    Candidate,
    Ending,
    OpenScan,
    PlannedScan,
    PodRecord,
    RepositoryRecord,
    ScannerRecord,
    ShardRecord,
)
from nightshift.store.registry import sync_repositories, sync_scanners
from nightshift.store.scans import list_scans, list_scans_of_shards
from nightshift.store.shards import record_pod, save_clone_shards, save_shards
from nightshift.store.summaries import (
    BatchProgress,
    BatchSummary,
    read_batch_progress,
    read_batch_summary,
)
from nightshift.store.values import as_json
from nightshift.store.workspaces import (
    beat,
    lease_workspace,
    list_releasable,
    mark_deleted,
    release_workspace,
)

__all__ = [
    "AccountRecord",
    "BatchId",
    "BatchProgress",
    "BatchSummary",
    "Candidate",
    "Ending",
    "FindingFilter",
    "FindingRow",
    "IngestResult",
    "OpenScan",
    "OpenScans",
    "PlannedScan",
    "PodRecord",
    "RepositoryRecord",
    "ScanEnd",
    "ScanFindings",
    "ScannerRecord",
    "ShardRecord",
    "_CapacityRun",
    "abort_batch",
    "add_scans",
    "as_json",
    "beat",
    "find_batch",
    "find_unchanged",
    "finish_open_scans",
    "ingest_scan",
    "lease_workspace",
    "list_findings",
    "list_open_batches",
    "list_releasable",
    "list_scans",
    "list_scans_of_shards",
    "mark_deleted",
    "open_batch",
    "read_batch_progress",
    "read_batch_summary",
    "reader_engine",
    "record_checkout",
    "record_ended",
    "record_lost_checkouts",
    "record_pod",
    "release_workspace",
    "save_clone_shards",
    "save_shards",
    "seal_batch",
    "sync_repositories",
    "sync_scanners",
    "transaction",
    "verify_unchanged",
    "writer_engine",
]
