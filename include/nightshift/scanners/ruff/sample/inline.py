import subprocess

subprocess.call("ls " + input(), shell=True)  # noqa
subprocess.call("ls " + input(), shell=True)  # noqa: S602
subprocess.call("ls " + input(), shell=True)  # ruff: ignore[S602]
subprocess.call("ls " + input(), shell=True)  # ruff: noqa: S602
# ruff: disable[S602]
subprocess.call("ls " + input(), shell=True)
# ruff: enable[S602]
# ruff: ignore[S602]
subprocess.call("ls " + input(), shell=True)
