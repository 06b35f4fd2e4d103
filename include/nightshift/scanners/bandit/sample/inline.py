import subprocess

subprocess.call("ls " + input(), shell=True)  # nosec
subprocess.call("ls " + input(), shell=True)  # nosec B602
subprocess.call("ls " + input(), shell=True)  # noqa  #nosec
