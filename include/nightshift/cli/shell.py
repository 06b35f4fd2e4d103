"""What a command may touch: passed in, so that tests replace it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from rich.console import Console

from nightshift.settings import PREFIX, Settings


@dataclass(frozen=True, slots=True)
class Shell:
    """The environment, the place for results (``out``) and the place for progress (``err``).

    :param look_seconds: between two looks at the cluster while something is followed.
    """

    environ: Mapping[str, str]
    out: Console = field(default_factory=lambda: _console())
    err: Console = field(default_factory=lambda: _console(stderr=True))
    stdin: BinaryIO = field(default_factory=lambda: sys.stdin.buffer)
    look_seconds: float = 2.0

    def settings(self, *, namespace: str = "") -> Settings:
        """Read the settings.

        :param namespace: an option that wins over the variable; "" if it was not given.
        :raises ConfigErrors: with every fault.
        """
        option = {f"{PREFIX}NAMESPACE": namespace} if namespace else {}
        return Settings.from_env({**self.environ, **option})

    def print_table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write columns as wide as they need; a pipe gets the same as a terminal."""
        widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
        for row in (header, *rows):
            cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
            self.print_text("  ".join(cells).rstrip())

    def print_text(self, text: str) -> None:
        """Write a result as it is: no markup, no emoji, no wrapping, no colour."""
        self.out.out(text, highlight=False)

    def say(self, text: str) -> None:
        """Write what is no result, such as progress or a refusal, as it is."""
        self.err.out(text, highlight=False)


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)
