"""What a user of the trial stack may choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What a user may choose.

    :param airflow_port: wanted for Airflow's UI; another is taken when it is in use.
    :param nodes: a YAML file of the embedded cluster's nodes.
    :param scanner_env: the virtual environment that stands for the scanner image.
    :param variables: further NIGHTSHIFT_* settings for Airflow's processes.
    :param kubeconfig: of the user's own cluster; None starts the embedded one.
    :param database_address: an address of this machine that pods of that cluster reach; PostgreSQL
        listens there too. "" for loopback only, which pods of the embedded cluster use.
    """

    airflow_port: int
    nodes: Path
    scanner_env: Path
    variables: Mapping[str, str]
    kubeconfig: Path | None = None
    database_address: str = ""
