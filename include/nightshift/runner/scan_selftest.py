"""``python -m nightshift.runner.scan_selftest``: prove that the image's scanners work, confined.

Runs each shipped scanner's version command and its canary; an image that fails is not built.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nightshift.runner.sandbox import ConfinementRefused, detect_sandbox
from nightshift.runner.scan_canaries import run_canary
from nightshift.runner.scan_execution import Executor
from nightshift.runner.scan_toolchain import Toolchain, fill, read_toolchain
from nightshift.runner.scan_tree import become_subreaper
from nightshift.scanners import Scanner, load_scanners

_VERSION_SECONDS = 60


def main(argv: Sequence[str]) -> int:
    """Check every scanner, say one line about each, and give 1 if any has a problem."""
    parser = argparse.ArgumentParser(prog="nightshift.runner.scan_selftest", description=__doc__)
    parser.add_argument("--toolchain", type=Path, default=Path(sys.executable))
    parser.add_argument(
        "--allow-unconfined",
        action="store_true",
        help="for image builds on kernels without Landlock; pods decide for themselves",
    )
    arguments = parser.parse_args(argv)
    become_subreaper()
    sandbox = detect_sandbox()
    failed = bool(sandbox.missing) and not arguments.allow_unconfined
    sys.stdout.write(f"sandbox: {' and '.join(sandbox.missing) or 'nothing'} missing\n")
    with tempfile.TemporaryDirectory() as scratch:
        toolchain = read_toolchain(arguments.toolchain)
        executor = Executor(sandbox, toolchain, Path(scratch).resolve(), lambda: False)
        for name, scanner in load_scanners().items():
            problem = find_version_problem(scanner, toolchain) or _find_canary_problem(
                executor, scanner
            )
            failed |= bool(problem)
            sys.stdout.write(f"{name} {scanner.version}: {problem or 'ok'}\n")
    return int(failed)


def find_version_problem(scanner: Scanner, toolchain: Toolchain) -> str:
    """Compare the installed version with the one that the definition names; "" if they agree."""
    argv = [fill(text, toolchain.words()) for text in scanner.command.version_argv]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=True, timeout=_VERSION_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"its version cannot be asked for: {error}"
    match = re.search(scanner.command.version_pattern, done.stdout, re.MULTILINE)
    said = match[1] if match else done.stdout[:100].strip()
    return "" if said == scanner.version else f"it says that it is {said}"


def _find_canary_problem(executor: Executor, scanner: Scanner) -> str:
    try:
        return run_canary(executor, scanner).problem
    except ConfinementRefused as error:
        return str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
