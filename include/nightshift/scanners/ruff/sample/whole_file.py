# ruff: noqa
# flake8: noqa
# ruff: file-ignore[S602]
import subprocess

subprocess.call("ls " + input(), shell=True)
