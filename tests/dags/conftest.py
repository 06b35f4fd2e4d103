"""Airflow for tests of Dags: a home of its own, no database, no example Dags."""

import os
import tempfile

# Airflow reads these when it is first imported, which happens while tests are collected.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="nightshift-airflow-"))
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "true"
