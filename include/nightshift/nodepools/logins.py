"""What a driver may be told by the Airflow connection that a policy names."""

from collections.abc import Mapping
from typing import Protocol


class Login(Protocol):
    """What a driver may need of a connection."""

    @property
    def login(self) -> str:
        """The user, or a key's id."""

    @property
    def password(self) -> str:
        """The secret that goes with it."""

    @property
    def extra(self) -> Mapping[str, object]:
        """The vendor's own settings."""
