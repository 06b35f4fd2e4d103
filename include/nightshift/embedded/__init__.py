"""The trial stack: PostgreSQL, a local cluster and Airflow, started with one command."""
