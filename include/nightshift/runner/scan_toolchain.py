"""Where the scanners are installed, and what of the machine they need in order to run."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightshift.errors import ConfigError

_QUESTION = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "scripts": paths["scripts"],
    "packages": paths["purelib"],
    "folders": sorted({paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")}),
    "programs": [os.path.realpath(sys.executable), sys.executable],
    "library": os.path.join(sysconfig.get_config_var("LIBDIR") or "",
                            sysconfig.get_config_var("INSTSONAME") or ""),
    "settings": os.path.join(sys.prefix, "pyvenv.cfg"),
    "multiarch": sysconfig.get_config_var("MULTIARCH") or "",
}))
"""
_SYSTEM = (
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/lib64",
    "/usr/lib64",
    "/usr/lib/locale",
    "/usr/share/zoneinfo",
)


@dataclass(frozen=True, slots=True)
class Toolchain:
    """One Python environment with scanners in it.

    :param python: its interpreter.
    :param scripts: folder of its programs.
    :param packages: folder of its packages.
    :param run: what a scanner may read and execute.
    :param read: what a scanner may read.
    """

    python: Path
    scripts: Path
    packages: Path
    run: tuple[Path, ...]
    read: tuple[Path, ...]

    def words(self) -> Mapping[str, str]:
        """Give what this environment puts for placeholders in a scanner's command."""
        return {
            "python": str(self.python),
            "scripts": str(self.scripts),
            "packages": str(self.packages),
        }


def read_toolchain(python: Path) -> Toolchain:
    """Ask an interpreter where its environment lies.

    :param python: the environment's own ``bin/python``; a link to the base one is fine.
    :raises ConfigError: if it does not answer.
    """
    argv = [str(python), "-I", "-c", _QUESTION]
    try:
        done = subprocess.run(argv, capture_output=True, check=True, timeout=60)
        answer = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError("--toolchain", f"{python} is no working Python: {error}") from error
    scripts, packages = Path(answer["scripts"]), Path(answer["packages"])
    libraries = _library_folders(answer["multiarch"])
    return Toolchain(
        python=python,
        scripts=scripts,
        packages=packages,
        run=_existing([scripts, packages, *map(Path, answer["programs"]), *libraries]),
        read=_existing([
            *map(Path, answer["folders"]),
            Path(answer["library"]),
            Path(answer["settings"]),
            *map(Path, _SYSTEM),
        ]),
    )


def fill(text: str, words: Mapping[str, str]) -> str:
    """Put words for placeholders; a word that holds braces is not looked at again."""
    head, brace, rest = text.partition("{")
    if not brace:
        return text
    name, end, tail = rest.partition("}")
    if not end or name not in words:
        return head + brace + fill(rest, words)
    return head + words[name] + fill(tail, words)


def _library_folders(multiarch: str) -> list[Path]:
    """List where the C library and its loader lie: Debian's folder, or all of lib elsewhere."""
    narrow = [Path("/lib") / multiarch, Path("/usr/lib") / multiarch] if multiarch else []
    found = [path for path in narrow if path.is_dir()]
    return [*(found or [Path("/lib"), Path("/usr/lib")]), Path("/lib64"), Path("/usr/lib64")]


def _existing(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Drop what is not there, and what comes twice; order kept."""
    return tuple(dict.fromkeys(path for path in paths if path.exists()))
