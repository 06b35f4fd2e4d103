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
    """

    airflow_port: int
    nodes: Path
    scanner_env: Path
    variables: Mapping[str, str]
