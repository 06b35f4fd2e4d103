#!/usr/bin/env bash
# A streaming replica: copies the primary the first time, then follows it.
set -euo pipefail
data=/var/lib/postgresql/18/docker
if [ ! -s "$data/PG_VERSION" ]; then
  mkdir -p "$data"
  chmod 700 "$data"
  pg_basebackup --host=postgres --username=replica --pgdata="$data" --write-recovery-conf \
    --wal-method=stream --slot=nightshift_replica --create-slot
fi
exec postgres -D "$data" -c hot_standby=on -c hot_standby_feedback=on
