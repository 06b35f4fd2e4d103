#!/usr/bin/env bash
# Runs before Airflow's processes: migrations of both databases, the admin's password, the pool.
set -euo pipefail
umask 077
python -c 'import json, os; print(json.dumps({"admin": os.environ["ADMIN_PASSWORD"]}))' \
  > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
python -m airflow db migrate
python -m nightshift migrate
python -m airflow pools set capacity 1 "tasks that change capacity take turns" --include-deferred
python -m airflow pools set scans "${NIGHTSHIFT_MAX_PODS:-8}" "pods at once" --include-deferred
python -m nightshift install
