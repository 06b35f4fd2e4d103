"""Find and read the policy that a Dag or a command is about."""

import datetime as dt
from pathlib import Path

from nightshift.config.capacity_policies import POLICY, read_capacity_policy
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.settings import Settings


def policy_path(settings: Settings) -> Path:
    """Give the file that the weekend's Dags follow."""
    return settings.config_dir / POLICY


def load_policy(
    settings: Settings, file: Path | None, now: dt.datetime, *, needed: bool
) -> CapacityPolicy | None:
    """Read a policy.

    :param file: None is that of the configuration.
    :returns: None if there is none and it is not needed.
    :raises ConfigError: if it is needed and cannot be read.
    :raises ConfigErrors: with every fault of the file.
    """
    path = file or policy_path(settings)
    if not needed and not path.is_file():
        return None
    return read_capacity_policy(path, now.date())
