"""One run of one scanner over one tree: the private folder, the command, and what came out."""

import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nightshift.errors import ConfigError, NotFound
from nightshift.runner.files import read_bounded
from nightshift.runner.sandbox import ConfinedCommand, ProcessLimits, Sandbox, default_cpu_limit
from nightshift.runner.scan_process import Ended, WatchLimits, run_watched
from nightshift.runner.scan_toolchain import Toolchain, fill
from nightshift.scanners.definitions import OutputFrom, Scanner, WorkingDirectory

ROOM_BYTES = 256 * 1024 * 1024
"""What a scanner may hold in its private folder besides its output."""
_FOLDERS = ("empty", "home", "tmp", "out")
_OUTPUT = "out/result.sarif"


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may take.

    :param output_bytes: of its result, and of any file that it writes.
    """

    deadline_seconds: int
    memory_bytes: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Execution:
    """What a run gave.

    :param output: its result; None if there is none, or if it is at the limit.
    :param output_bytes: the result's size, None if there is none.
    """

    ended: Ended
    output: bytes | None
    output_bytes: int | None


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs scanners in this pod.

    :param scratch: an existing folder for the private folders of runs.
    :param should_stop: true once the pod is asked to end.
    """

    sandbox: Sandbox
    toolchain: Toolchain
    scratch: Path
    should_stop: Callable[[], bool]

    def run(self, scanner: Scanner, source: Path, limits: RunLimits) -> Execution:
        """Run a scanner over a tree to its end.

        :raises ConfinementRefused: if it could not be confined.
        """
        with self.private_folder() as folder:
            words = self._words(scanner, source, folder)
            to_stdout = scanner.command.output is OutputFrom.STDOUT
            ended = run_watched(
                self.sandbox,
                self._command(scanner, words, limits),
                WatchLimits(
                    deadline_seconds=limits.deadline_seconds,
                    memory_bytes=limits.memory_bytes,
                    room_bytes=limits.output_bytes + ROOM_BYTES,
                ),
                self.should_stop,
                stdout=folder / _OUTPUT if to_stdout else None,
            )
            output, size = _read_output(folder / _OUTPUT, limits.output_bytes)
        return Execution(ended, output, size)

    @contextmanager
    def private_folder(self) -> Iterator[Path]:
        """Make a folder that one run may write, and delete it whatever it became."""
        folder = Path(tempfile.mkdtemp(prefix="scan-", dir=self.scratch)).resolve()
        try:
            for name in _FOLDERS:
                (folder / name).mkdir(mode=0o700)
            yield folder
        finally:
            _remove(folder)

    def _words(self, scanner: Scanner, source: Path, folder: Path) -> Mapping[str, str]:
        return {
            **self.toolchain.words(),
            "tool_dir": str(scanner.folder),
            "source": str(source),
            "output": str(folder / _OUTPUT),
            "scratch": str(folder),
        }

    def _command(
        self, scanner: Scanner, words: Mapping[str, str], limits: RunLimits
    ) -> ConfinedCommand:
        command, scratch = scanner.command, Path(words["scratch"])
        in_source = command.working_directory is WorkingDirectory.SOURCE
        given = {name: fill(text, words) for name, text in command.environment.items()}
        return ConfinedCommand(
            argv=[fill(text, words) for text in command.argv],
            environment={**clean_environment(scratch), **given},
            directory=Path(words["source"]) if in_source else scratch / "empty",
            limits=ProcessLimits(
                file_bytes=limits.output_bytes,
                cpu_seconds=default_cpu_limit(limits.deadline_seconds),
            ),
            run=self.toolchain.run,
            read=(*self.toolchain.read, scanner.folder, Path(words["source"])),
            write=(scratch,),
        )


def clean_environment(scratch: Path) -> dict[str, str]:
    """Give all that a scanner knows of its surroundings: empty folders of its own."""
    home = scratch / "home"
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PATH": "",
        "TMPDIR": str(scratch / "tmp"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
    }


def _read_output(path: Path, limit_bytes: int) -> tuple[bytes | None, int | None]:
    """Read a result that the scanner, or what took it over, put there: maybe a link or a pipe."""
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return None, None
        data = read_bounded(path, limit_bytes - 1)
    except (FileNotFoundError, NotFound):
        return None, None
    except ConfigError:
        return None, found.st_size
    return data, len(data)


def _remove(folder: Path) -> None:
    """Delete a private folder; what a hostile tree makes impossible stays for the pod's end."""
    shutil.rmtree(folder, ignore_errors=True)
