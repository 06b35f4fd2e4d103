from pathlib import Path

import pytest

from nightshift.errors import ConfigError, ConfigErrors
from nightshift.settings import CONFIG_DIR, Settings, describe_settings, list_misspelt

URL = "postgresql+psycopg://nightshift:hunter2@db.example.org:5432/nightshift"


def test_nothing_set_gives_the_documented_defaults() -> None:
    settings = Settings.from_env({})
    assert settings == Settings()
    assert settings.namespace == "nightshift"
    assert settings.git_protocols == ("https",)
    assert settings.workspace_size == "20Gi"
    assert settings.nightly_schedule == "0 1 * * *"
    assert settings.require_confinement is True
    assert settings.config_dir == CONFIG_DIR
    assert (CONFIG_DIR / "job-template.yaml").is_file()


def test_every_setting_is_read_from_its_variable() -> None:
    changed = {
        "NIGHTSHIFT_DATABASE_URL": URL,
        "NIGHTSHIFT_READER_DATABASE_URL": URL.replace("db.", "replica."),
        "NIGHTSHIFT_NAMESPACE": "scans",
        "NIGHTSHIFT_KUBECONFIG": "/etc/kube/config",
        "NIGHTSHIFT_KUBE_CONTEXT": "prod",
        "NIGHTSHIFT_SCAN_IMAGE": "registry.example.org:5000/team/scanner:2",
        "NIGHTSHIFT_SCANNERS_DIR": "/scanners",
        "NIGHTSHIFT_IMAGE_PULL_POLICY": "Always",
        "NIGHTSHIFT_TIME_ZONE": "Europe/Berlin",
        "NIGHTSHIFT_NIGHTLY_SCHEDULE": "30 0 * * 1-5",
        "NIGHTSHIFT_CONFIG_DIR": "/etc/nightshift",
        "NIGHTSHIFT_GIT_PROTOCOLS": "https, ssh",
        "NIGHTSHIFT_GIT_HOSTS_ALLOWED": "git.corp.internal",
        "NIGHTSHIFT_GIT_SECRET_PREFIX": "git-",
        "NIGHTSHIFT_GIT_CREDENTIALS_DIR": "/credentials",
        "NIGHTSHIFT_DATABASE_SECRET": "primary",
        "NIGHTSHIFT_WORKSPACE_STORAGE_CLASS": "cephfs",
        "NIGHTSHIFT_WORKSPACE_SIZE": "100Gi",
        "NIGHTSHIFT_WORKSPACE_ACCESS_MODE": "ReadWriteOnce",
        "NIGHTSHIFT_POOL": "night",
        "NIGHTSHIFT_STRATEGY": "spread",
        "NIGHTSHIFT_STEERING": "nominate",
        "NIGHTSHIFT_WAVE_ORDER": "longest",
        "NIGHTSHIFT_LATE_SECONDS": "60",
        "NIGHTSHIFT_WATCH_SECONDS": "5",
        "NIGHTSHIFT_BRAKE_PODS": "40",
        "NIGHTSHIFT_MAX_SHARDS": "1000",
        "NIGHTSHIFT_MAX_PODS": "8",
        "NIGHTSHIFT_SHARD_TARGET_SECONDS": "600",
        "NIGHTSHIFT_DEFERRABLE": "yes",
        "NIGHTSHIFT_REQUIRE_CONFINEMENT": "0",
        "NIGHTSHIFT_POD_SERVICE_ACCOUNT": "pods",
        "NIGHTSHIFT_PRIORITY_CLASS": "low",
        "NIGHTSHIFT_SCHEDULE_TIMEOUT_SECONDS": "60",
        "NIGHTSHIFT_STARTUP_TIMEOUT_SECONDS": "61",
        "NIGHTSHIFT_STARTUP_CHECK_SECONDS": "1",
        "NIGHTSHIFT_RETRY_SECONDS": "3",
        "NIGHTSHIFT_POLL_SECONDS": "2",
        "NIGHTSHIFT_API_TIMEOUT_SECONDS": "5",
        "NIGHTSHIFT_CAPACITY_SCHEDULE": "15 * * * *",
        "NIGHTSHIFT_CAPACITY_POOL": "weekend",
        "NIGHTSHIFT_AIRFLOW_API": "https://vera:secret@airflow:8080",
        "NIGHTSHIFT_LOG_LEVEL": "DEBUG",
    }
    settings, defaults = Settings.from_env(changed), Settings()
    unchanged = [
        one.name
        for one in describe_settings()
        if getattr(settings, one.name) == getattr(defaults, one.name)
    ]
    assert unchanged == []
    assert {one.variable for one in describe_settings()} == set(changed)
    assert settings.git_protocols == ("https", "ssh")
    assert settings.config_dir == Path("/etc/nightshift")
    assert settings.deferrable is True
    assert settings.require_confinement is False


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        pytest.param("NAMESPACE", "Upper", "1 to 63 of a-z", id="capital letters in a namespace"),
        pytest.param("SCAN_IMAGE", "scanner", "fixed tag", id="an image without a tag"),
        pytest.param("SCAN_IMAGE", "host:5000/scanner", "fixed tag", id="a port is no tag"),
        pytest.param("SCAN_IMAGE", "scanner:latest", "can change under us", id="latest"),
        pytest.param("SCAN_IMAGE", "scanner:1 --x", "not an image", id="an image with a space"),
        pytest.param("IMAGE_PULL_POLICY", "always", "none of Always", id="wrong case"),
        pytest.param("TIME_ZONE", "Europe/Atlantis", "IANA time zone", id="unknown zone"),
        pytest.param("TIME_ZONE", "../../etc/passwd", "IANA time zone", id="a path as zone"),
        pytest.param("NIGHTLY_SCHEDULE", "61 * * * *", "is not cron", id="minute 61"),
        pytest.param("NIGHTLY_SCHEDULE", "0 1 * * * *", "is not cron", id="six fields"),
        pytest.param("GIT_PROTOCOLS", "https,ext", "none of https, ssh", id="unknown protocol"),
        pytest.param("GIT_PROTOCOLS", ",", "names no protocol", id="no protocol at all"),
        pytest.param("GIT_HOSTS_ALLOWED", "a b", "not a host name", id="a host with a space"),
        pytest.param("WORKSPACE_SIZE", "20", "a size such as 20Gi", id="bytes by mistake"),
        pytest.param("WORKSPACE_SIZE", "20Gib", "a size such as 20Gi", id="unknown unit"),
        pytest.param("WORKSPACE_ACCESS_MODE", "RWX", "none of ReadWriteMany", id="short mode"),
        pytest.param("MAX_SHARDS", "0", "from 1 to 1,000", id="no shards"),
        pytest.param("MAX_SHARDS", "1001", "from 1 to 1,000", id="more than Airflow maps"),
        pytest.param("MAX_SHARDS", "٣", "from 1 to 1,000", id="digits of another script"),
        pytest.param("DEFERRABLE", "maybe", "neither true nor false", id="neither yes nor no"),
        pytest.param("LOG_LEVEL", "LOUD", "none of DEBUG", id="unknown level"),
        pytest.param("DATABASE_URL", "mysql://h/d", "postgresql+psycopg", id="another database"),
        pytest.param("DATABASE_URL", "postgresql+psycopg://h", "is not a URL", id="no database"),
        pytest.param("DATABASE_URL", "postgresql+psycopg://h:x/d", "is not a URL", id="bad port"),
    ],
)
def test_a_bad_value_is_refused_with_the_rule(variable: str, value: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        Settings.from_env({f"NIGHTSHIFT_{variable}": value})
    (fault,) = caught.value.exceptions
    assert isinstance(fault, ConfigError)
    assert fault.where == f"NIGHTSHIFT_{variable}"
    assert said in fault.problem


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        Settings.from_env({"NIGHTSHIFT_MAX_PODS": "x", "NIGHTSHIFT_TIME_ZONE": "Mars"})
    text = str(caught.value)
    assert "NIGHTSHIFT_MAX_PODS" in text
    assert "NIGHTSHIFT_TIME_ZONE" in text


@pytest.mark.parametrize(
    "url",
    [
        URL,
        URL.replace("postgresql+psycopg", "mysql"),
        "postgresql+psycopg://nightshift:hunter2@[bad/db",
        "postgresql+psycopg://h.example.org/db?password=hunter2",
    ],
    ids=["a good URL", "another database", "no URL at all", "a password in the query"],
)
def test_a_password_never_shows(url: str) -> None:
    try:
        settings = Settings.from_env({"NIGHTSHIFT_DATABASE_URL": url})
        text = f"{settings!r} {settings} {settings.shown()}"
    except ConfigErrors as refusal:
        text = str(refusal)
    assert "hunter2" not in text
    assert "DATABASE_URL" in text.upper()


def test_empty_and_blank_variables_are_the_default() -> None:
    environ = {"NIGHTSHIFT_NAMESPACE": "", "NIGHTSHIFT_MAX_PODS": "  "}
    assert Settings.from_env(environ) == Settings()


def test_kubeconfig_falls_back_to_the_variable_that_kubectl_reads() -> None:
    assert Settings.from_env({"KUBECONFIG": "/k"}).kubeconfig == "/k"
    both = {"KUBECONFIG": "/k", "NIGHTSHIFT_KUBECONFIG": "/n"}
    assert Settings.from_env(both).kubeconfig == "/n"


def test_a_part_that_needs_the_database_says_which_variable_is_missing() -> None:
    with pytest.raises(ConfigError, match="NIGHTSHIFT_DATABASE_URL: is not set"):
        Settings().reader_url()


def test_reads_go_to_the_primary_where_there_is_no_replica() -> None:
    assert Settings(database_url=URL).reader_url() == URL
    replica = URL.replace("db.", "replica.")
    settings = Settings(database_url=URL, reader_database_url=replica)
    assert (settings.writer_url(), settings.reader_url()) == (URL, replica)


def test_a_socket_in_the_query_is_a_place_too() -> None:
    url = "postgresql+psycopg://postgres@/nightshift?host=/run/postgresql"
    assert Settings.from_env({"NIGHTSHIFT_DATABASE_URL": url}).database_url == url


def test_near_misses_are_pointed_out_and_kubernetes_own_variables_are_not() -> None:
    environ = {
        "NIGHTSHIFT_NAMESPCE": "x",
        "NIGHTSHIFT_WEB_SERVICE_HOST": "10.0.0.1",
        "NIGHTSHIFT_POOL": "scans",
        "HOME": "/",
    }
    assert list_misspelt(environ) == [("NIGHTSHIFT_NAMESPCE", "NIGHTSHIFT_NAMESPACE")]
