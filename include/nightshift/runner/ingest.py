"""``python -m nightshift.runner ingest``: read a shard's results from the volume into the store.

It may run again at any time, also while or after another one did: each scan is one transaction, and
a scan that has ended stays as it is. What cannot be ingested now stays on the volume. The database
and the key for secrets come from NIGHTSHIFT_DATABASE_URL and NIGHTSHIFT_FINGERPRINT_KEY.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nightshift.clock import monotonic_seconds, utc_now
from nightshift.domain.ids import parse_account_name, parse_shard_name
from nightshift.errors import ConfigError
from nightshift.runner.arguments import RunnerParser
from nightshift.runner.exit_codes import ExitCode
from nightshift.runner.ingest_shards import IngestJob, ScanNote, ingest_shards
from nightshift.runner.patience import Patience
from nightshift.runner.workspace import Workspace
from nightshift.store.engines import writer_engine
from nightshift.store.records import BatchId

DATABASE_URL = "NIGHTSHIFT_DATABASE_URL"
FINGERPRINT_KEY = "NIGHTSHIFT_FINGERPRINT_KEY"
_MIN_KEY_BYTES = 16


def main(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> ExitCode:
    """Run the ingest part.

    :returns: TEMPORARY while scans are open whose pods may still answer.
    :raises ConfigError: for wrong arguments or a missing variable.
    :raises StoreBusy: if the database could not be reached for a minute.
    """
    job, url = read_job(argv, environment)
    engine = writer_engine(url, name="nightshift-ingest", pool_size=1)
    try:
        notes = ingest_shards(job, engine, Patience(monotonic_seconds), utc_now, say=_say)
    finally:
        engine.dispose()
    return ExitCode.TEMPORARY if any(note.is_open for note in notes) else ExitCode.DONE


def read_job(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[IngestJob, str]:
    """Read what to do, and the database's URL.

    :raises ConfigError: naming the argument or the variable.
    """
    parser = RunnerParser(prog="nightshift.runner ingest", description=__doc__)
    parser.add_argument("--batch", type=int, required=True, help="the batch's number")
    parser.add_argument("--account", required=True, help="whose workspace it is")
    parser.add_argument("--shard", action="append", required=True, help="may be given again")
    parser.add_argument("--workspace", type=Path, default=Path("/workspace"))
    parser.add_argument("--last-attempt", action="store_true", help="end what has no result")
    options = parser.parse_args(argv)
    key = environment.get(FINGERPRINT_KEY, "").encode()
    if len(key) < _MIN_KEY_BYTES:
        raise ConfigError(FINGERPRINT_KEY, f"must be set to at least {_MIN_KEY_BYTES} characters")
    if not environment.get(DATABASE_URL):
        raise ConfigError(DATABASE_URL, "must be set to the store's postgresql:// URL")
    try:
        account = parse_account_name(options.account)
        shards = tuple(parse_shard_name(name) for name in dict.fromkeys(options.shard))
    except ValueError as error:
        raise ConfigError("arguments", str(error)) from error
    workspace = Workspace(options.workspace)
    job = IngestJob(
        BatchId(options.batch), account, shards, workspace, key, last_attempt=options.last_attempt
    )
    return job, environment[DATABASE_URL]


def _say(note: ScanNote) -> None:
    sys.stdout.write(json.dumps(note.as_line(), sort_keys=True) + "\n")
    sys.stdout.flush()
