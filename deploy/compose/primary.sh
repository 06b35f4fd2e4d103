#!/usr/bin/env bash
# Runs once, when the primary's volume is empty: roles, databases, replication access.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v password="$POSTGRES_PASSWORD" -U postgres <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'password';
CREATE DATABASE airflow OWNER airflow;
CREATE ROLE nightshift LOGIN PASSWORD :'password';
CREATE DATABASE nightshift OWNER nightshift;
CREATE ROLE replica LOGIN REPLICATION PASSWORD :'password';
SQL
echo "host replication replica all scram-sha-256" >> "$PGDATA/pg_hba.conf"
