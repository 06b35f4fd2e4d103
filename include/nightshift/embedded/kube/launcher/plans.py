"""What the kubelet hands to the launcher: plain values that ``marshal`` writes.

The launcher is run by the same interpreter as the kubelet, which is what marshal asks for.
"""

from typing import TypedDict


class Bind(TypedDict):
    """One mount.

    :param source: a host folder (a volume's root) or file.
    :param inside: path below ``source`` to show instead of all of it, "" for all; its symbolic
        links are resolved already, and any that is there now is refused.
    :param target: absolute path in the container.
    """

    source: str
    inside: str
    target: str
    read_only: bool


class Plan(TypedDict):
    """One container's process, or a command beside it.

    :param join: process whose namespaces to enter (exec into a container), 0 to make our own.
    :param namespaces: user, mount and UTS namespaces and a private root.
    :param pid_namespace: PID namespace and a fresh /proc as well.
    :param root: an empty host folder to build the private root on.
    :param binds: volumes and writable folders, outer targets before inner ones.
    :param hidden: host folders that look empty inside.
    :param rewritten: the real paths behind mount paths that were replaced in the text below.
    :param argv: empty for a probe, which ends with 0 once everything before exec has worked.
    :param controlling_terminal: make standard input the session's terminal.
    """

    join: int
    namespaces: bool
    pid_namespace: bool
    root: str
    binds: list[Bind]
    hidden: list[str]
    rewritten: dict[str, str]
    hostname: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    no_new_privileges: bool
    controlling_terminal: bool
