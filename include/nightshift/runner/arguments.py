"""The command line that all parts of the runner share; a part may add its own options."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nightshift.errors import ConfigError


class RunnerParser(argparse.ArgumentParser):
    """An argument parser whose refusal is our error, so that it ends with our exit code."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        :raises ConfigError: always.
        """
        raise ConfigError("arguments", f"{message}; see `{self.prog} --help`")


class PartParser(RunnerParser):
    """The parser of a part that is tried several times; made by ``build_parser``."""

    def parse_known_args(  # type: ignore[override]  # argparse's overloads add nothing here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as usual and say, as ``last_attempt``, whether no retry follows this try."""
        parsed, rest = super().parse_known_args(args, namespace)
        parsed.last_attempt = parsed.attempt >= parsed.max_attempts
        return parsed, rest


def build_parser(part: str, summary: str) -> PartParser:
    """Build the parser of one part, with what every part is given.

    :param part: clone, scan or ingest.
    """
    parser = PartParser(prog=f"nightshift.runner {part}", description=summary)
    parser.add_argument("--root", type=Path, required=True, help="the workspace's root directory")
    parser.add_argument("--work-list", type=Path, required=True, help="the JSON of what to do")
    parser.add_argument("--sha256", required=True, help="SHA-256 of the work list's bytes, in hex")
    parser.add_argument("--attempt", type=int, default=1, help="1 for the pod's first try")
    parser.add_argument(
        "--max-attempts", type=int, default=1, help="how often the pod is tried; no retry follows"
    )
    return parser
