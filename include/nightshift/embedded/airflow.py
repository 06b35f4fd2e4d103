"""Airflow's four processes on loopback: their settings, and a small client of its REST API.

Why these settings: design facts measured on two cores. SQLite falls over under parallel tasks, so
the metadata database is PostgreSQL; 32 parallel task processes time out on a small machine, so
parallelism follows the cores; log servers would listen on all interfaces, so they stay off.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from nightshift.embedded.components import Component
from nightshift.embedded.layout import Layout, Ports, Secrets, write_private
from nightshift.errors import Forbidden, NightshiftError, RetryableError

ADMIN = "admin"
PASSED_ON = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ", "USER")
"""What of the caller's environment the stack's processes see; everything else is set here."""


def airflow_environment(
    layout: Layout, ports: Ports, secrets: Secrets, database_url: str, kubeconfig: Path
) -> dict[str, str]:
    """Build the environment of every Airflow process of the trial stack.

    :param database_url: Airflow's own database, ``postgresql+psycopg://user:password@host:port/airflow``.
    :param kubeconfig: of the cluster that runs the pods.
    """
    home = layout.airflow_home
    return {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        "PYTHONPATH": str(layout.project / "include"),
        "AIRFLOW_HOME": str(home),
        "SPT_NOENV": "1",  # process titles must not overwrite the environment, which has our marker
        "AIRFLOW__CORE__DAGS_FOLDER": str(layout.project / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(layout.project / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(2 * (os.cpu_count() or 2)),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "120",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
        "AIRFLOW__CORE__FERNET_KEY": secrets.fernet_key,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{ports.airflow}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": database_url.replace(
            "+psycopg:", "+psycopg_async:"
        ),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports.airflow),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{ports.airflow}",
        "AIRFLOW__API__SECRET_KEY": secrets.api_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.jwt_secret,
        "AIRFLOW__API_AUTH__JWT_ISSUER": "nightshift",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
        # A killed scheduler's tasks are found in seconds here, in minutes by default.
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "15",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({
            "conn_type": "kubernetes",
            "extra": {"kube_config_path": str(kubeconfig), "namespace": "nightshift"},
        }),
    }


def airflow_components(
    layout: Layout, ports: Ports, environment: Mapping[str, str]
) -> list[Component]:
    """List the four processes: API server, scheduler, Dag processor, triggerer."""
    api = AirflowApi(ports.airflow)
    commands = {
        "api-server": ("api-server",),
        "scheduler": ("scheduler", "--skip-serve-logs"),
        "dag-processor": ("dag-processor",),
        "triggerer": ("triggerer", "--skip-serve-logs"),
    }
    health_names = {"api-server": "metadatabase", "dag-processor": "dag_processor"}
    return [
        Component(
            name=name,
            argv=airflow_command(*arguments),
            env=environment,
            is_ready=partial(api.is_healthy, health_names.get(name, name)),
            cwd=layout.project,
        )
        for name, arguments in commands.items()
    ]


def airflow_command(*arguments: str) -> tuple[str, ...]:
    """Build an ``airflow`` command that runs in this very Python environment."""
    return (sys.executable, "-m", "airflow", *arguments)


def write_password_file(environment: Mapping[str, str], secrets: Secrets) -> None:
    """Give the admin user its password before the API server would make one up."""
    path = Path(environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    write_private(path, json.dumps({ADMIN: secrets.admin_password}))


@dataclass(slots=True)
class AirflowApi:
    """Airflow's public REST API, as any user's script would call it.

    Errors: RetryableError when Airflow does not answer or answers 5xx, Forbidden on 401 and 403,
    NightshiftError with Airflow's own words otherwise.
    """

    port: int
    password: str = ""
    _token: str = ""

    @property
    def url(self) -> str:
        """Where a browser finds Airflow."""
        return f"http://127.0.0.1:{self.port}"

    def is_healthy(self, part: str) -> bool:
        """Tell whether metadatabase, scheduler, dag_processor or triggerer says it is healthy."""
        try:
            reply = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5)
            return bool(reply.json()[part]["status"] == "healthy")
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False

    def get(self, path: str, **params: str | int) -> Any:  # noqa: ANN401 - Airflow's JSON
        """GET below /api/v2."""
        return self._call("GET", path, params=params)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Airflow's JSON
        """POST below /api/v2."""
        return self._call("POST", path, json=dict(body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Airflow's JSON
        """PATCH below /api/v2."""
        return self._call("PATCH", path, json=dict(body))

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> str:
        """Start a Dag run and return its id; waits up to a minute for a Dag not yet parsed."""
        deadline = time.monotonic() + 60
        while True:
            try:
                run = self.post(f"/dags/{dag_id}/dagRuns", {"logical_date": None, "conf": conf})
                return str(run["dag_run_id"])
            except NightshiftError as error:
                if "404" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Create the pool, or set its slots; deferred tasks count too."""
        body = {
            "name": name,
            "slots": slots,
            "include_deferred": True,
            "description": description,
        }
        try:
            self.patch(f"/pools/{name}", body)
        except NightshiftError as error:
            if "404" not in str(error):
                raise
            self.post("/pools", body)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401 - see get
        for last in (False, True):
            try:
                headers = {"authorization": f"Bearer {self._token or self._log_in()}"}
                reply = httpx.request(
                    method, f"{self.url}/api/v2{path}", headers=headers, timeout=30, **arguments
                )
            except httpx.HTTPError as error:
                raise RetryableError(f"Airflow at {self.url} does not answer: {error}") from error
            if reply.status_code != httpx.codes.UNAUTHORIZED or last:
                return _read_reply(reply)
            self._token = ""  # expired, or Airflow started anew with another secret
        raise AssertionError("unreachable")

    def _log_in(self) -> str:
        reply = httpx.post(
            f"{self.url}/auth/token",
            json={"username": ADMIN, "password": self.password},
            timeout=30,
        )
        self._token = str(_read_reply(reply)["access_token"])
        return self._token


def _read_reply(reply: httpx.Response) -> Any:  # noqa: ANN401 - Airflow's JSON
    if reply.is_success:
        return reply.json()
    text = f"Airflow answered {reply.status_code} to {reply.request.url.path}: {reply.text[:500]}"
    if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        raise Forbidden(text)
    if reply.is_server_error:
        raise RetryableError(text)
    raise NightshiftError(text)
