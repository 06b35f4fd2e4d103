"""The command line that all parts of the runner share; a part may add its own options."""

import argparse
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


def build_parser(part: str, summary: str) -> RunnerParser:
    """Build the parser of one part, with what every part is given.

    :param part: clone, scan or ingest.
    """
    parser = RunnerParser(prog=f"nightshift.runner {part}", description=summary)
    parser.add_argument("--root", type=Path, required=True, help="the workspace's root directory")
    parser.add_argument("--work-list", type=Path, required=True, help="the JSON of what to do")
    parser.add_argument("--sha256", required=True, help="SHA-256 of the work list's bytes, in hex")
    parser.add_argument("--attempt", type=int, default=1, help="1 for the pod's first try")
    parser.add_argument("--last-attempt", action="store_true", help="no retry follows this one")
    return parser
