"""What a cluster says of itself in its data directory: how it was started, and how far it got."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tests.kube.control_plane import Place, Ports
from tests.kube.errors import HarnessError
from tests.kube.layout import Layout
from tests.kube.options import Options

STARTING, READY = "starting", "ready"


@dataclass(frozen=True, slots=True)
class State:
    """One start of a cluster.

    :param phase: "starting" or "ready"; a cluster that was killed may say either.
    :param version: of Kubernetes: "v1.36.3".
    :param images: the archives that its nodes were given.
    """

    phase: str
    options: Options
    place: Place
    version: str
    images: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the form of the state file."""
        place = self.place
        return {
            "phase": self.phase,
            "version": self.version,
            "images": list(self.images),
            "options": self.options.to_json(),
            "address": str(place.address),
            "advertised": str(place.advertised),
            "services": str(place.services),
            "ports": {name: getattr(place.ports, name) for name in Ports.__slots__},
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "State":
        """Read what ``to_json`` gave."""
        place = Place(
            IPv4Address(plain["address"]),
            IPv4Address(plain["advertised"]),
            IPv4Network(plain["services"]),
            Ports(**plain["ports"]),
        )
        options = Options.from_json(plain["options"])
        images = tuple(plain["images"])
        return cls(plain["phase"], options, place, plain["version"], images)


def write_state(layout: Layout, state: State) -> None:
    """Write the state file whole or not at all."""
    draft = layout.state_file.with_suffix(".draft")
    draft.write_text(json.dumps(state.to_json(), indent=1))
    draft.replace(layout.state_file)


def read_state(layout: Layout) -> State | None:
    """Read the state file; None if there is none.

    :raises HarnessError: if it cannot be read, as after a change of its form.
    """
    try:
        return State.from_json(json.loads(layout.state_file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"{layout.state_file} is of another checkout or damaged ({error!r}): take it down"
        ) from error
