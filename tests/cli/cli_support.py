"""Call the command line as a user does, and stand in for the scan image."""

import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nightshift.cli import main
from nightshift.cli.shell import Shell
from nightshift.cluster.client import Cluster
from nightshift.embedded.kube.background import BackgroundCluster

SUCCEEDING = """
case "$*" in
  *"runner scan"*) echo 'noise {' ;
    echo '{"scan": "1-flask-ruff", "scanner": "ruff", "outcome": "succeeded", "reason": "ok"}' ;;
esac
"""
"""What the scan image says when all is well, among other lines."""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Local:
    """A cluster, our client of it, the environment of a user, and the image's ``python``."""

    server: BackgroundCluster
    cluster: Cluster
    environ: dict[str, str]
    program: Path

    def image_does(self, script: str) -> None:
        """Let containers run a shell script in place of the runner."""
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)


class Terminal(Console):
    """A console that writes to memory, and presses Ctrl-C after a certain text."""

    def __init__(self, interrupt_after: str = "") -> None:
        super().__init__(file=io.StringIO(), width=200, soft_wrap=True, emoji=False)
        self._interrupt_after = interrupt_after

    @property
    def text(self) -> str:
        """Everything that was written."""
        file = self.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*objects, **options)
        if self._interrupt_after and self._interrupt_after in " ".join(map(str, objects)):
            self._interrupt_after = ""
            raise KeyboardInterrupt


def call(
    *arguments: str, environ: Mapping[str, str], stdin: bytes = b"", interrupt_after: str = ""
) -> Result:
    """Run one command in this process."""
    out, err = Terminal(), Terminal(interrupt_after)
    shell = Shell(environ, out, err, io.BytesIO(stdin), look_seconds=0.1)
    code = main(arguments, shell)
    return Result(code, out.text, err.text)


def job(**changes: Any) -> dict[str, Any]:
    """A sound job of a batch file."""
    sound = {
        "name": "flask",
        "repository": "https://github.com/pallets/flask",
        "ref": "f" * 40,
        "scanners": ["ruff"],
        "cpu": "500m",
        "memory": "3.5G",
    }
    return {**sound, **changes}


def write_batch(folder: Path, *jobs: dict[str, Any]) -> str:
    """Write a batch file; gives its path."""
    path = folder / "batchJob.json"
    path.write_text(json.dumps({"jobs": jobs}))
    return str(path)


def make_repository(folder: Path, files: Mapping[str, str]) -> str:
    """Make a git repository with one commit; gives its URL."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-qm", "x")):
        subprocess.run(("git", *words), cwd=folder, check=True, env={"PATH": "/usr/bin:/bin"})
    return folder.as_uri()
