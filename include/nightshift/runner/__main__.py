"""``python -m nightshift.runner clone|scan|ingest``: what pods run.

Each part is a module with ``main(argv: Sequence[str]) -> ExitCode`` and is imported only when it
is asked for: clone and scan pods must work without the store's libraries.
"""

import importlib
import sys
import traceback
from collections.abc import Sequence

from nightshift.errors import (
    ConfigError,
    ConfigErrors,
    NightshiftError,
    NotFound,
    RetryableError,
    VolumeFull,
)
from nightshift.runner.exit_codes import ExitCode

PARTS = {
    "clone": "fetch repositories into the workspace (network and git credentials)",
    "scan": "run scanners over the workspace (no network, no credentials)",
    "ingest": "read results from the workspace into the store (database only)",
}


def main(argv: Sequence[str]) -> ExitCode:
    """Run one part and say how it ended; errors are one line on stderr.

    :param argv: the part's name, then its arguments.
    """
    if not argv or argv[0] not in PARTS:
        return _show_usage(asked=bool(argv) and argv[0] in {"-h", "--help"})
    try:
        part = importlib.import_module(f"nightshift.runner.{argv[0]}")
        return ExitCode(part.main(argv[1:]))
    except NightshiftError as error:
        sys.stderr.write(f"nightshift.runner {argv[0]}: {error}\n")
        return exit_code_of(error)
    except Exception:  # noqa: BLE001 - the process's edge: nothing is hidden, the code says whose fault
        traceback.print_exc()
        return ExitCode.INTERNAL


def exit_code_of(error: NightshiftError) -> ExitCode:
    """Say what an error that ended the whole part means to Kubernetes."""
    match error:
        case VolumeFull():
            return ExitCode.VOLUME_FULL
        case ConfigError() | ConfigErrors() | NotFound():
            return ExitCode.BAD_WORK_LIST
        case RetryableError():
            return ExitCode.TEMPORARY
        case _:
            return ExitCode.INTERNAL


def _show_usage(*, asked: bool) -> ExitCode:
    lines = ["usage: python -m nightshift.runner PART [options]", ""]
    lines += [f"  {name:7} {summary}" for name, summary in PARTS.items()]
    stream = sys.stdout if asked else sys.stderr
    stream.write("\n".join([*lines, "", "PART --help lists its options", ""]))
    return ExitCode.DONE if asked else ExitCode.BAD_WORK_LIST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
