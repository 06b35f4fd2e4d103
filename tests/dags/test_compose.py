"""docker-compose.yaml, Dockerfile and deploy/ say what the code reads; nobody runs them here."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from nightshift.orchestration.pods import CONNECTION, Stage, read_pod_template
from nightshift.settings import Settings, describe_settings

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW_SERVICES = ("apiserver", "scheduler", "dag-processor", "triggerer")

NEEDED_EVERYWHERE = {
    "AIRFLOW__CORE__EXECUTOR",
    "AIRFLOW__CORE__AUTH_MANAGER",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API_AUTH__JWT_ISSUER",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
    found: dict[str, Any] = compose["services"]
    return found


@pytest.mark.parametrize("name", AIRFLOW_SERVICES)
def test_every_airflow_process_has_the_same_settings(services: dict[str, Any], name: str) -> None:
    environment = services[f"airflow-{name}"]["environment"]
    assert set(environment) >= NEEDED_EVERYWHERE
    assert environment == services["airflow-apiserver"]["environment"]
    assert services[f"airflow-{name}"]["command"] == [name.replace("apiserver", "api-server")]


def test_every_nightshift_variable_is_one_that_the_code_reads(services: dict[str, Any]) -> None:
    known = {one.variable for one in describe_settings()}
    for name, service in services.items():
        ours = {v for v in service.get("environment", {}) if v.startswith("NIGHTSHIFT_")}
        assert ours <= known, name


def test_the_settings_of_compose_are_accepted(services: dict[str, Any]) -> None:
    raw = services["airflow-scheduler"]["environment"]
    plain = {k: re.sub(r"\$\{[A-Z_]+(:-([^}]*))?[^}]*\}", r"\2", str(v)) for k, v in raw.items()}
    settings = Settings.from_env(plain)
    assert settings.database_url.startswith("postgresql+psycopg://nightshift")
    assert "replica" in settings.reader_database_url
    assert f"AIRFLOW_CONN_{CONNECTION.upper()}" in plain


def test_passwords_come_from_the_environment_and_ports_stay_on_loopback(
    services: dict[str, Any],
) -> None:
    text = (ROOT / "docker-compose.yaml").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|SECRET_KEY|JWT_SECRET|FERNET_KEY): ", line):
            assert "${" in line, line
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_image_has_a_fixed_tag(services: dict[str, Any]) -> None:
    for service in services.values():
        assert re.search(r":v?\d", service["image"]), service["image"]


def test_the_airflow_image_installs_what_is_pinned_and_compiles_it() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert "--require-hashes --compile -r requirements.txt" in text
    assert "compileall" in text
    assert "USER airflow" in text


@pytest.mark.parametrize("stage", list(Stage))
def test_network_policies_select_the_pods_of_the_templates(stage: Stage) -> None:
    text = (ROOT / "deploy/base/network-policies.yaml").read_text()
    policies = list(yaml.safe_load_all(text))
    labels = read_pod_template(stage, Settings.from_env({}))["metadata"]["labels"]
    component = labels["app.kubernetes.io/component"]
    egress = [
        policy["spec"].get("egress")
        for policy in policies
        if policy["spec"]["podSelector"].get("matchLabels", {}).get("app.kubernetes.io/component")
        == component
    ]
    assert bool(egress) == (stage is not Stage.SCAN), "scan pods, and only they, reach nothing"
    everyone = [policy for policy in policies if policy["spec"]["podSelector"] == {}]
    assert everyone[0]["spec"]["policyTypes"] == ["Ingress", "Egress"]
