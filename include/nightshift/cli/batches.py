"""Read the batch file that a command was given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from nightshift.cli.shell import Shell
from nightshift.config.batch_files import MAX_BYTES, parse_batch_file, read_batch_file
from nightshift.config.documents import decode
from nightshift.config.entries import Allowed
from nightshift.domain.batches import BatchFile
from nightshift.domain.ids import ScannerName
from nightshift.scanners import SHIPPED, Scanner, load_scanners
from nightshift.settings import Settings

FileOption = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="The batch file (JSON); - reads standard input. docs/batch-file.md tells its fields.",
    ),
]


def read_scanners(settings: Settings) -> Mapping[ScannerName, Scanner]:
    """Read the definitions of the scanners that the settings ask for.

    :raises ConfigErrors: with every fault of every definition.
    """
    return load_scanners(Path(settings.scanners_dir) if settings.scanners_dir else SHIPPED)


def allowed_by(settings: Settings) -> Allowed:
    """Say what files may name, by the settings and the scanners that there are."""
    return Allowed(
        scanners=tuple(read_scanners(settings)),
        protocols=settings.git_protocols,
        hosts=settings.git_hosts_allowed,
    )


def read_batch(shell: Shell, settings: Settings, path: Path) -> BatchFile:
    """Read the file, or standard input for ``-``.

    :raises ConfigError: if it cannot be read or parsed.
    :raises ConfigErrors: with every other fault.
    """
    allowed = allowed_by(settings)
    if path != Path("-"):
        return read_batch_file(path, allowed)
    data = shell.stdin.read(MAX_BYTES + 1)
    return parse_batch_file(decode(data, "<stdin>", max_bytes=MAX_BYTES), allowed, "<stdin>")
