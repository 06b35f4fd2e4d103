"""Collect every fault of one file, so that its author mends them in one go."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from nightshift.config.schemas import format_path
from nightshift.errors import ConfigError, ConfigErrors, NightshiftError

T = TypeVar("T")
Path = tuple[str | int, ...]
"""The steps from a document's root to a value: keys and indexes."""

MAX_FAULTS = 50
"""A file with more of them has one cause; the rest is counted."""


class Faults:
    """The faults of one file.

    :param source: the file's name, which leads every message.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[tuple[Path, ConfigError]] = []
        self._paths: set[Path] = set()

    def add(self, path: Sequence[str | int], problem: str) -> None:
        """Note that ``problem`` is at ``path``; an empty path is the file itself."""
        self._paths.update(tuple(path[:length]) for length in range(len(path) + 1))
        where = f"{self.source}: {format_path(path)}" if path else self.source
        self._found.append((tuple(path), ConfigError(where, problem)))

    def is_sound(self, path: Sequence[str | int]) -> bool:
        """Tell whether nothing was found at ``path`` or below it."""
        return tuple(path) not in self._paths

    def collect(self, path: Sequence[str | int], make: Callable[[], T]) -> T | None:
        """Give what ``make`` gives; note its refusal (ValueError or ours) and give None."""
        try:
            return make()
        except (ValueError, NightshiftError) as error:
            self.add(path, error.problem if isinstance(error, ConfigError) else str(error))
            return None

    def raise_if_any(self) -> None:
        """End the check.

        :raises ConfigErrors: with what was found, in the order of the file's lists.
        """
        if not self._found:
            return
        ordered = sorted(self._found, key=lambda found: _file_order(found[0]))
        shown = [fault for _, fault in ordered[:MAX_FAULTS]]
        more = len(ordered) - len(shown)
        if more:
            shown = [*shown, ConfigError(self.source, f"and {more:,} more faults")]
        raise ConfigErrors(f"{self.source} has faults:", shown)


def _file_order(path: Path) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in path]
