"""The sandbox inside user, mount and process namespaces: as uid 0 of a pod without privilege."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runner.scan_support import PROJECT

_INSIDE = """
import json, os, subprocess, sys
from pathlib import Path
from nightshift.runner.sandbox import ConfinedCommand, ProcessLimits, Streams, detect_sandbox
from nightshift.runner.scan_toolchain import read_toolchain

folder = Path(sys.argv[1])
toolchain = read_toolchain(Path(sys.executable))
code = '''
import errno, json, os, socket
def attempt(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
print(json.dumps([
    os.getuid(), attempt(os.listdir, "/"), attempt(socket.socket), attempt(os.kill, 1, 0),
    attempt(open, "new", "w"),
]))
'''
command = ConfinedCommand(
    argv=[str(toolchain.python), "-I", "-c", code],
    environment={},
    directory=folder,
    limits=ProcessLimits(1 << 20, 30),
    run=toolchain.run,
    read=toolchain.read,
    write=[folder],
)
process = detect_sandbox().start(command, Streams(subprocess.PIPE, None))
seen = json.loads(process.popen.communicate()[0])
print(json.dumps({"seen": seen, "in_force": process.in_force}))
"""


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--user", "--map-root-user", "--mount"], id="user and mount"),
        pytest.param(
            ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"],
            id="user, mount and pid",
        ),
    ],
)
def test_it_holds_uid_0_of_a_namespace(tmp_path: Path, flags: list[str]) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, *flags, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives no user namespaces to this user")

    done = subprocess.run(
        [unshare, *flags, sys.executable, "-c", _INSIDE, str(tmp_path)],
        env={"PYTHONPATH": str(PROJECT / "include"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["seen"] == [0, "EACCES", "EPERM", "EPERM", "done"]
    assert {"no_capabilities", "seccomp", "signal_scope"} <= set(answer["in_force"])
