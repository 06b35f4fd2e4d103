"""Find and read the policy that a Dag or a command is about."""

import datetime as dt
from pathlib import Path

from nightshift.config.capacity_policies import read_capacity_policy
from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.errors import ConfigError
from nightshift.settings import Settings

FOLDER = "policies"


def load_policy(
    settings: Settings, wanted: str, now: dt.datetime, *, needed: bool
) -> CapacityPolicy | None:
    """Read a policy by its name in the configuration's folder, or by its file.

    :param wanted: a name such as ``weekend``, or a path that ends in ``.yaml``.
    :returns: None if there is none of that name and it is not needed.
    :raises ConfigError: if it is needed and not there.
    :raises ConfigErrors: with every fault of the file.
    """
    path = Path(wanted)
    if path.suffix not in {".yaml", ".yml"}:
        path = settings.config_dir / FOLDER / f"{wanted}.yaml"
        if not needed and not path.is_file():
            return None
    if not path.is_file():
        raise ConfigError(str(path), "is not there; write a policy, or name one with --policy")
    return read_capacity_policy(path, now.date())
