"""Builds Kubernetes, etcd, kwok and Karpenter from their Go modules, once a machine.

A build lies in the cache under a hash of what decides about it (sources, go.mod, go.sum, flags), so
an old checkout and a new one never share a binary, and nothing is built twice.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kube.commands import Tell, run, tail
from tests.kube.errors import HarnessError
from tests.kube.locks import locked

KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
_SOURCES = Path(__file__).with_name("binary")
_PROGRESS_SECONDS = 30.0
_REQUIRED = re.compile(r"^\s*k8s\.io/kubernetes (v1\.\d+\.\d+)$", re.MULTILINE)
_GO_LINE = re.compile(r"^go (\d+)\.(\d+)", re.MULTILINE)
_GO_VERSION = re.compile(r"\bgo(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the built programs are; kwok's folder (``kwok``, ``stages.yaml``) if asked for."""

    folder: Path
    version: str
    etcd: Path
    kwok: Path | None = None

    def path(self, name: str) -> Path:
        """Give a program: one of ``KUBERNETES``, or pause."""
        return self.folder / name


@dataclass(frozen=True, slots=True)
class _Build:
    """One Go module to build.

    :param programs: what to make: file name to package.
    :param texts: what to take from sources: file name to a module and its YAML files, joined.
    """

    title: str
    module: Path
    programs: Mapping[str, str]
    flags: tuple[str, ...]
    texts: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """List the files of a whole build."""
        return [*self.programs, *self.texts]

    def key(self) -> str:
        """Hash all that decides about the outcome, but for the Go release."""
        digest = hashlib.blake2b(digest_size=8)
        named = [sorted(self.programs.items()), sorted(self.texts.items())]
        digest.update(repr((named, self.flags, os.uname().machine)).encode())
        for file in sorted(self.module.glob("*")) + sorted(self.module.glob("pause/*")):
            if file.is_file():
                digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        return digest.hexdigest()


def ensure_binaries(cache: Path, tell: Tell, *, kwok: bool = False) -> Binaries:
    """Give the programs, built if the cache lacks them (about 7 minutes on 2 cores; kwok 2).

    :raises HarnessError: if Go is missing or too old, or a build fails.
    """
    version = read_version()
    folder = _ensure(cache, _kubernetes(version), tell)
    for name in KUBERNETES:
        _link(folder / name, "kube")
    etcd = _ensure(cache, _ETCD, tell) / "etcd"
    return Binaries(folder, version, etcd, _ensure(cache, _KWOK, tell) if kwok else None)


def ensure_karpenter(cache: Path, tell: Tell) -> Path:
    """Give the folder of ``karpenter-kwok`` and ``crds.yaml`` (about 2 minutes on 2 cores).

    :raises HarnessError: if Go is missing or too old, or the build fails.
    """
    return _ensure(cache, _KARPENTER, tell)


def read_version() -> str:
    """Read which Kubernetes is built: the version that go.mod requires."""
    found = _REQUIRED.search((_SOURCES / "go.mod").read_text())
    if not found:
        raise HarnessError(f"{_SOURCES / 'go.mod'} requires no k8s.io/kubernetes v1.X.Y")
    return found.group(1)


def _kubernetes(version: str) -> _Build:
    """Describe the build; the version goes where Kubernetes' own build puts it."""
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    settings = [f"-X {p}.{name}={value}" for p in packages for name, value in values.items()]
    return _Build(
        f"Kubernetes {version}",
        _SOURCES,
        {"kube": ".", "pause": "./pause"},
        ("-trimpath", "-ldflags", " ".join(["-s", "-w", *settings])),
    )


_ETCD = _Build(
    "etcd",
    _SOURCES / "etcd",
    {"etcd": "go.etcd.io/etcd/server/v3"},
    ("-trimpath", "-ldflags", "-s -w"),
)
"""etcd as the release of Kubernetes was tested with; on an older one, as distributions have it, the
API server turns features off (watch lists need 3.4.31 or 3.5.13)."""
_KWOK_MODULE = "sigs.k8s.io/kwok"
_KWOK = _Build(
    "kwok",
    _SOURCES / "kwok",
    {"kwok": _KWOK_MODULE + "/cmd/kwok"},
    ("-trimpath", "-ldflags", "-s -w"),
    {
        "stages.yaml": (
            _KWOK_MODULE,
            (
                "kustomize/stage/node/fast/node-initialize.yaml",
                "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
                "kustomize/stage/pod/fast/pod-ready.yaml",
                "kustomize/stage/pod/fast/pod-complete.yaml",
                "kustomize/stage/pod/fast/pod-delete.yaml",
            ),
        )
    },
)
"""kwok, and the stages of nodes and pods that it was released with (it has none by itself)."""
_KARPENTER_MODULE = "sigs.k8s.io/karpenter"
_KARPENTER = _Build(
    "Karpenter",
    _SOURCES / "karpenter",
    {"karpenter-kwok": _KARPENTER_MODULE + "/kwok"},
    ("-trimpath", "-ldflags", "-s -w"),
    {
        "crds.yaml": (
            _KARPENTER_MODULE,
            (
                "pkg/apis/crds/karpenter.sh_nodepools.yaml",
                "pkg/apis/crds/karpenter.sh_nodeclaims.yaml",
                "pkg/apis/crds/karpenter.sh_nodeoverlays.yaml",
                "kwok/apis/crds/karpenter.kwok.sh_kwoknodeclasses.yaml",
            ),
        )
    },
)
"""Karpenter with the cloud provider whose nodes kwok plays, and the definitions of its kinds."""


def _ensure(cache: Path, build: _Build, tell: Tell) -> Path:
    folder = cache / "builds" / build.key()
    if _is_whole(folder, build):
        return folder
    with locked(cache / "builds" / "lock", "another build", tell):
        if not _is_whole(folder, build):
            if fault := find_go_fault():
                raise HarnessError(fault)
            remove_drafts(folder.parent)
            _make(folder, build, tell)
    return folder


def remove_drafts(folder: Path) -> None:
    """Remove what killed builds left; the caller holds the folder's lock."""
    for draft in folder.glob("draft-*"):
        shutil.rmtree(draft, ignore_errors=True)


def _is_whole(folder: Path, build: _Build) -> bool:
    return all((folder / name).is_file() for name in build.names)


def _make(folder: Path, build: _Build, tell: Tell) -> None:
    """Build into a draft and rename it, so that the cache never holds half a build."""
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    started = time.monotonic()
    tell(f"building {build.title} from its Go module: minutes, once a machine")
    try:
        for name, package in build.programs.items():
            argv = ["go", "build", "-v", *build.flags, "-o", str(draft / name), package]
            _build_with_progress(argv, build, tell)
        for name, (module, files) in build.texts.items():
            (draft / name).write_text(_join_sources(build, module, files))
        draft.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    tell(f"built {build.title} in {time.monotonic() - started:.0f} s: {folder}")


def _build_with_progress(argv: Sequence[str], build: _Build, tell: Tell) -> None:
    """Run ``go build -v``, which prints a line a compiled package, and count them aloud."""
    lines: list[str] = []
    with subprocess.Popen(
        argv, cwd=build.module, env=_go_environment(), text=True, stderr=subprocess.PIPE
    ) as process:
        stream = process.stderr
        assert stream is not None
        reader = threading.Thread(target=lambda: lines.extend(iter(stream.readline, "")))
        reader.start()
        while reader.is_alive():
            reader.join(_PROGRESS_SECONDS)
            if reader.is_alive():
                tell(f"  {build.title}: {len(lines)} packages compiled")
    if process.returncode != 0:
        raise HarnessError(f"building {build.title} failed:\n{tail(''.join(lines))}")


def _join_sources(build: _Build, module: str, files: Sequence[str]) -> str:
    """Join YAML files of a module that the build has just used."""
    argv = ["go", "list", "-m", "-f", "{{.Dir}}", module]
    said = run(argv, f"find the sources of {module}", env=_go_environment(), cwd=build.module)
    return "---\n".join((Path(said.strip()) / file).read_text() for file in files)


def _go_environment() -> dict[str, str]:
    """Build with the Go that is here: no download of another one, no C compiler."""
    return {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "0"}


def find_go_fault() -> str:
    """Say why Kubernetes cannot be built here; "" if Go is there and new enough."""
    least = parse_go_line((_SOURCES / "go.mod").read_text())
    advice = f"install Go {least[0]}.{least[1]} or newer (https://go.dev/dl) and put it on PATH"
    if shutil.which("go") is None:
        return f"there is no Go to build Kubernetes with: {advice}"
    said = run(["go", "version"], "ask for Go's version", env=_go_environment()).strip()
    found = parse_go_version(said)
    if found is None or found < least:
        return f"{said} is too old for Kubernetes {read_version()}: {advice}"
    return ""


def parse_go_line(go_mod: str) -> tuple[int, int]:
    """Read the least Go release that a go.mod asks for.

    :raises HarnessError: if it names none.
    """
    found = _GO_LINE.search(go_mod)
    if found is None:
        raise HarnessError("go.mod names no Go release")
    return int(found[1]), int(found[2])


def parse_go_version(said: str) -> tuple[int, int] | None:
    """Read what ``go version`` says; None if it is something else."""
    found = _GO_VERSION.search(said)
    return None if found is None else (int(found[1]), int(found[2]))


def _link(path: Path, target: str) -> None:
    """Make a program's name for the one binary."""
    if not path.is_symlink():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.symlink_to(target)
        draft.replace(path)
