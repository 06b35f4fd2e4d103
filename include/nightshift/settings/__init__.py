"""What an operator may set: one ``NIGHTSHIFT_*`` variable a setting, all read in one place.

Each field of ``Settings`` carries its kind, its default and its help; the code, ``nightshift
settings`` and docs/settings.md all come from these fields. Nothing is read at import.
"""

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightshift.errors import ConfigError, ConfigErrors
from nightshift.settings.kinds import (
    BOOLEAN,
    CRON,
    DATABASE_URL,
    DNS_NAME,
    DNS_NAME_OR_NONE,
    HOSTS,
    HTTP_URL,
    IMAGE,
    LOG_LEVEL,
    NAME_PREFIX,
    PROTOCOLS,
    PULL_POLICY,
    QUANTITY,
    STEERING,
    TEXT,
    TIME_ZONE,
    VOLUME_ACCESS,
    WAVE_ORDER,
    Kind,
    whole_number,
)

PREFIX = "NIGHTSHIFT_"
CONFIG_DIR = Path(__file__).resolve().parents[2] / "config"
"""The reviewed files that ship beside the package (``include/config``)."""


_PATH = Kind("path", lambda text: Path(text) if text else CONFIG_DIR)


def _setting(kind: Kind, default: str, help_: str, *, also: str = "") -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare one setting; ``default`` is text, read as if it had been set.

    :param also: another variable to read when ours is not set.
    """
    metadata = {"kind": kind, "help": help_, "also": also, "default": default}
    return field(default_factory=lambda: kind.parse(default), metadata=metadata)


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Every setting, checked. Make it with ``Settings.from_env(os.environ)``."""

    database_url: str = _setting(
        DATABASE_URL,
        "",
        "The primary PostgreSQL, as postgresql+psycopg://user:password@host:5432/database.",
    )
    reader_database_url: str = _setting(
        DATABASE_URL, "", "A streaming replica for reads. Empty: reads go to the primary too."
    )
    namespace: str = _setting(DNS_NAME, "nightshift", "The namespace of our pods and volumes.")
    kubeconfig: str = _setting(
        TEXT,
        "",
        "A kubeconfig file. Empty: the pod's own service account inside a cluster, else "
        "~/.kube/config.",
        also="KUBECONFIG",
    )
    kube_context: str = _setting(
        TEXT, "", "The context in the kubeconfig. Empty: its current context."
    )
    scan_image: str = _setting(
        IMAGE,
        "nightshift-scanner:0.1.0",
        "The image of clone, scan and ingest pods, with a fixed tag or a digest.",
    )
    scanners_dir: str = _setting(
        TEXT,
        "",
        "A folder with definitions of your own scanners, at the same path in the scan image and "
        "for Airflow. Empty: those that ship.",
    )
    image_pull_policy: str = _setting(
        PULL_POLICY, "IfNotPresent", "When kubelets pull the image: Always, IfNotPresent or Never."
    )
    time_zone: str = _setting(
        TIME_ZONE, "UTC", "The time zone of schedules and windows, such as Europe/Berlin."
    )
    nightly_schedule: str = _setting(
        CRON,
        "0 1 * * *",
        "When nightly scans start, as cron in time_zone. Avoid 02:00 to 03:00, which daylight "
        "saving skips or repeats. none: only by hand.",
    )
    config_dir: Path = _setting(  # noqa: RUF009 - _setting gives a field, not a value
        _PATH,
        "",
        "The folder with repositories.yaml, policies and the job template. Empty: include/config, "
        "which ships beside the package.",
    )
    git_protocols: tuple[str, ...] = _setting(
        PROTOCOLS,
        "https",
        "Protocols that remotes may use, by comma: https, ssh; file is for trials on one machine.",
    )
    git_hosts_allowed: tuple[str, ...] = _setting(
        HOSTS,
        "",
        "Hosts that remotes may name although they look private, by comma, such as "
        "git.corp.internal. Public hosts need no entry.",
    )
    git_secret_prefix: str = _setting(
        NAME_PREFIX,
        "nightshift-git-",
        "An account's git credentials are the Kubernetes secret named by this prefix and the "
        "account.",
    )
    git_credentials_dir: str = _setting(
        TEXT,
        "",
        "Where Airflow's workers find git credentials, to ask remotes for their heads: one folder "
        "an account, with the keys of its secret as files. Empty: public repositories only.",
    )
    database_secret: str = _setting(
        DNS_NAME,
        "nightshift-database",
        "The Kubernetes secret whose key `url` gives ingest pods the primary's URL.",
    )
    workspace_storage_class: str = _setting(
        DNS_NAME_OR_NONE,
        "",
        "The storage class of workspace volumes. Empty: the cluster's default class.",
    )
    workspace_size: str = _setting(
        QUANTITY, "20Gi", "The size of one account's workspace volume for one batch."
    )
    workspace_access_mode: str = _setting(
        VOLUME_ACCESS,
        "ReadWriteMany",
        "ReadWriteMany, or ReadWriteOnce: then an account's pods share one node.",
    )
    pool: str = _setting(TEXT, "scans", "The Airflow pool that bounds pods at work.")
    strategy: str = _setting(
        DNS_NAME, "pack", "How pods are placed: pack, ratio, ratio-walk, spread or none."
    )
    steering: str = _setting(
        STEERING,
        "auto",
        "How firmly pods are led to their planned nodes: auto, soft, names, nominate, pool or "
        "pool+nominate. auto is soft below 100 nodes, then the strongest that is allowed.",
    )
    wave_order: str = _setting(
        WAVE_ORDER,
        "fifo",
        "Which pods of an account start first when not all fit at once: fifo, shortest or longest.",
    )
    late_seconds: int = _setting(
        whole_number(5, 3600),
        "30",
        "A scan pod that waits longer for a node has the rest of the night planned again.",
    )
    watch_seconds: int = _setting(
        whole_number(1, 300), "10", "How often scan pods are looked at while they run."
    )
    brake_pods: int = _setting(
        whole_number(1, 10_000),
        "20",
        "No scan pod is made while so many wait for a node, until half of them have one.",
    )
    max_shards: int = _setting(
        whole_number(1, 1000), "300", "Shards (mapped tasks) a run; Airflow itself ends at 1,024."
    )
    max_pods: int = _setting(
        whole_number(1, 1000), "40", "Scan pods of one run that are at work at the same time."
    )
    shard_target_seconds: int = _setting(
        whole_number(30, 14_400), "300", "How long a shard should take; a shard costs a pod start."
    )
    deferrable: bool = _setting(
        BOOLEAN, "false", "Wait for pods in the triggerer. Worth it above about 32 pods at once."
    )
    require_confinement: bool = _setting(
        BOOLEAN, "true", "Refuse to scan on a kernel without Landlock or seccomp."
    )
    pod_service_account: str = _setting(
        DNS_NAME, "default", "The service account of our pods; its token is never mounted."
    )
    priority_class: str = _setting(
        DNS_NAME_OR_NONE,
        "",
        "The PriorityClass of our pods; it should rank below your services and have "
        "preemptionPolicy Never. Empty: none.",
    )
    schedule_timeout_seconds: int = _setting(
        whole_number(10, 86_400), "1800", "How long a pod may wait for a node."
    )
    startup_timeout_seconds: int = _setting(
        whole_number(10, 86_400),
        "600",
        "How long a scheduled pod may take to start; covers the image pull.",
    )
    startup_check_seconds: int = _setting(
        whole_number(1, 600), "10", "How often a starting pod is looked at."
    )
    retry_seconds: int = _setting(
        whole_number(1, 3600), "60", "The wait before a pod's second try; it doubles after that."
    )
    poll_seconds: int = _setting(
        whole_number(1, 600), "20", "How often a running pod is looked at while deferred."
    )
    api_timeout_seconds: int = _setting(
        whole_number(1, 600), "60", "How long one call of the Kubernetes API may take."
    )
    capacity_schedule: str = _setting(
        CRON,
        "0,30 * * * *",
        "How often the weekend's Dags ask the policy (capacity.yaml in config_dir) what is due, "
        "as cron in time_zone. Only the policy decides; this is its alarm clock.",
    )
    capacity_pool: str = _setting(
        TEXT, "capacity", "The Airflow pool of one slot that the weekend's tasks take turns in."
    )
    airflow_api: str = _setting(
        HTTP_URL,
        "",
        "Airflow's API server with a user who may change pools, as "
        "https://user:password@host:8080. Empty: policies cannot lower Airflow's pools.",
    )
    log_level: str = _setting(LOG_LEVEL, "INFO", "DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from ``environ``; a variable that is absent or empty is the default.

        :raises ConfigErrors: with every fault, each naming its variable and what to do.
        """
        values: dict[str, Any] = {}
        faults: list[ConfigError] = []
        for one in describe_settings():
            try:
                values[one.name] = one.read(environ)
            except ValueError as error:
                faults.append(ConfigError(one.variable, str(error)))
        if faults:
            raise ConfigErrors("the settings have faults:", faults)
        return cls(**values)

    def writer_url(self) -> str:
        """Give the primary's URL to a part that cannot work without it.

        :raises ConfigError: if it is not set.
        """
        if not self.database_url:
            raise ConfigError(
                f"{PREFIX}DATABASE_URL",
                "is not set; give it the primary's URL, such as "
                "postgresql+psycopg://nightshift:PASSWORD@HOST:5432/nightshift",
            )
        return self.database_url

    def reader_url(self) -> str:
        """Give the replica's URL, or the primary's where there is no replica.

        :raises ConfigError: if neither is set.
        """
        return self.reader_database_url or self.writer_url()

    def shown(self) -> dict[str, str]:
        """Give every value as text that is safe to show: passwords are masked."""
        return {one.name: one.kind.show(getattr(self, one.name)) for one in describe_settings()}

    def __repr__(self) -> str:
        """Show the settings without their passwords."""
        inner = ", ".join(f"{name}={value!r}" for name, value in self.shown().items())
        return f"Settings({inner})"


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One row of the table of settings."""

    name: str
    kind: Kind
    default: str
    help: str
    also: str = ""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()

    def read(self, environ: Mapping[str, str]) -> Any:  # noqa: ANN401 - each setting has its own type
        """Read and check the value.

        :raises ValueError: with what the value should be.
        """
        return self.kind.parse(self._text(environ) or self.default)

    def is_set(self, environ: Mapping[str, str]) -> bool:
        """Tell whether the environment says anything."""
        return bool(self._text(environ))

    def _text(self, environ: Mapping[str, str]) -> str:
        own = environ.get(self.variable, "").strip()
        return own or (environ.get(self.also, "").strip() if self.also else "")


def describe_settings() -> Iterator[SettingDescription]:
    """List the settings in the order in which people should read them."""
    for one in dataclasses.fields(Settings):
        meta = one.metadata
        yield SettingDescription(
            one.name, meta["kind"], meta["default"], meta["help"], meta["also"]
        )


def list_misspelt(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """List (variable, the setting that was probably meant).

    Only near misses are listed: Kubernetes itself puts variables such as ``NIGHTSHIFT_WEB_PORT``
    into pods, so a strange name is no fault.
    """
    known = [one.variable for one in describe_settings()]
    strange = sorted(n for n in environ if n.startswith(PREFIX) and n not in known)
    guesses = [(n, difflib.get_close_matches(n, known, n=1, cutoff=0.88)) for n in strange]
    return [(name, close[0]) for name, close in guesses if close]
