"""Debian packages that nodes and control plane need; installed where they are missing."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kube.commands import Tell, run
from tests.kube.errors import HarnessError
from tests.kube.layout import cache_folder
from tests.kube.locks import locked

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
_INSTALL_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Package:
    """A package, known by a program that it brings (or a CNI plugin: ``cni:bridge``)."""

    name: str
    program: str


NODE = (
    Package("containerd", "containerd"),
    Package("runc", "runc"),
    Package("containernetworking-plugins", "cni:bridge"),
    Package("iproute2", "ip"),
    Package("util-linux", "unshare"),
)
IMAGES = (Package("mmdebstrap", "mmdebstrap"), Package("dpkg", "dpkg-deb"))


def ensure_packages(packages: Sequence[Package], tell: Tell) -> None:
    """Install what is missing.

    :raises HarnessError: if something is missing and cannot be installed from here.
    """
    missing = _missing(packages)
    if not missing:
        return
    names = " ".join(package.name for package in missing)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise HarnessError(
            f"missing: {names}. As root on Debian or Ubuntu: apt-get install {names}"
        )
    with locked(cache_folder(os.environ) / "apt.lock", "another installation", tell):
        if missing := _missing(packages):
            _install([package.name for package in missing], tell)
    if left := _missing(packages):
        programs = ", ".join(f"{package.program} of {package.name}" for package in left)
        raise HarnessError(f"installed, but still not found: {programs}; look at PATH")


def list_missing(packages: Sequence[Package]) -> list[str]:
    """Name the packages whose programs are not there."""
    return [package.name for package in _missing(packages)]


def find_cni_plugins() -> Path:
    """Give the folder of the CNI plugins.

    :raises HarnessError: if they are not installed.
    """
    for folder in CNI_FOLDERS:
        if (folder / "bridge").is_file():
            return folder
    raise HarnessError("no CNI plugins: apt-get install containernetworking-plugins")


def _missing(packages: Sequence[Package]) -> list[Package]:
    return [package for package in packages if not _is_there(package)]


def _is_there(package: Package) -> bool:
    kind, _, plugin = package.program.partition(":")
    if kind == "cni":
        return any((folder / plugin).is_file() for folder in CNI_FOLDERS)
    return shutil.which(package.program) is not None


def _install(names: list[str], tell: Tell) -> None:
    tell(f"installing {' '.join(names)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(
        ["apt-get", "update"],
        "read the package lists",
        env=environment,
        timeout_seconds=_INSTALL_SECONDS,
    )
    run(
        ["apt-get", "install", "--yes", "--no-install-recommends", *names],
        f"install {' '.join(names)}",
        env=environment,
        timeout_seconds=_INSTALL_SECONDS,
    )
