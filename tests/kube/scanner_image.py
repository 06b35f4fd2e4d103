"""The scanner image built without a daemon: the steps of scanner/Dockerfile, on Debian packages.

Two layers. The lower one is a small root file system (mmdebstrap, with the packages and mirrors of
this machine's distribution) and the pinned requirements; it is made once for each of their states.
The upper one is the checkout's own package, compiled; it takes a second. No step writes outside the
cache.
"""

import hashlib
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.kube.archives import ImageConfig, write_image, write_layer
from tests.kube.builds import remove_drafts
from tests.kube.commands import Tell, run
from tests.kube.errors import HarnessError
from tests.kube.locks import locked

SCANNER_IMAGE = "nightshift-scanner:0.1.0"
PACKAGES = ("ca-certificates", "git", "libseccomp2", "python3", "python3-venv")
_RECIPE = 1  # raise it when a step below changes
_ENVIRONMENT = "/opt/scanner"
_PACKAGE = "/opt/nightshift"
_LEFT_OUT = ("doc", "info", "locale", "man")
_SOURCES = (
    "sources.list.d/debian.sources",
    "sources.list.d/ubuntu.sources",
    "sources.list",
)
_OLDEST_SECONDS = 24 * 3600
_STEP_SECONDS = 900
_CONFIG = ImageConfig(
    entrypoint=("python", "-m", "nightshift.runner"),
    environment={
        "PATH": f"{_ENVIRONMENT}/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": _PACKAGE,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    },
    user="65532:65532",
    folder="/tmp",
)


def ensure_scanner_image(checkout: Path, cache: Path, tell: Tell) -> Path:
    """Give the archive of the scanner image of a checkout, built if the cache lacks it.

    :raises HarnessError: if a step fails.
    """
    images = cache / "images"
    requirements = checkout / "scanner" / "requirements.txt"
    base = images / f"base-{_base_key(requirements)}"
    sources = checkout / "include" / "nightshift"
    archive = images / f"scanner-{_hash(base.name.encode(), *_read_sources(sources))}.tar"
    with locked(images / "lock", "another image build", tell):
        if not base.is_dir():
            remove_drafts(images)
            _build_base(base, requirements, tell)
        if archive.exists():
            archive.touch()
        else:
            _build_image(archive, base, sources)
        _remove_old(images, archive)
    return archive


def _build_base(base: Path, requirements: Path, tell: Tell) -> None:
    """Make the root file system and its layer; kept beside it, to compile with."""
    tell("building the scanner image: a minute, once for each state of its requirements")
    started = time.monotonic()
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=base.parent))
    try:
        root = draft / "root"
        _bootstrap(root)
        _install_requirements(root, requirements)
        _write_base_layer(root, draft / "layer.tar")
        draft.rename(base)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    tell(f"built the scanner image's base in {time.monotonic() - started:.0f} s: {base}")


def _bootstrap(root: Path) -> None:
    argv: list[str | Path] = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
        parse_codename(Path("/etc/os-release").read_text()),
        root,
        _find_sources(Path("/etc/apt")),
    ]
    run(argv, "make a root file system", timeout_seconds=_STEP_SECONDS)


def _install_requirements(root: Path, requirements: Path) -> None:
    """Fetch the pinned wheels here, then install them with the image's own Python, offline."""
    wheels = root / "wheels"
    shutil.copy(requirements, root / "requirements.txt")
    version = _in_root(root, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    target = ["--implementation=cp", f"--python-version={version.strip()}"]
    target += [f"--platform={name}" for name in list_platforms(platform.machine())]
    download = [sys.executable, "-m", "pip", "download", "--quiet", f"--dest={wheels}"]
    run(
        [*download, *options, *target, f"--requirement={requirements}"],
        "fetch the scanner's requirements",
        timeout_seconds=_STEP_SECONDS,
    )
    _in_root(root, "python3", "-m", "venv", _ENVIRONMENT)
    pip = (f"{_ENVIRONMENT}/bin/python", "-m", "pip", "install", "--quiet", "--no-compile")
    _in_root(root, *pip, "--no-index", "--find-links=/wheels", *options, "-r", "/requirements.txt")
    shutil.rmtree(wheels)
    (root / "requirements.txt").unlink()
    for folder in (f"/usr/lib/python{version.strip()}", _ENVIRONMENT):
        _compile(root, folder, folder)


def list_platforms(machine: str) -> Iterator[str]:
    """List the wheel platforms that distributions from glibc 2.35 on can run (PEP 600)."""
    for minor in range(35, 16, -1):
        yield f"manylinux_2_{minor}_{machine}"
    yield f"manylinux2014_{machine}"
    if machine == "x86_64":
        yield from ("manylinux2010_x86_64", "manylinux1_x86_64")


def _write_base_layer(root: Path, layer: Path) -> None:
    excluded = [f"--exclude=./{name}/*" for name in ("dev", "proc", "sys", "tmp", "var/cache")]
    argv = ["tar", "--create", "--sort=name", "--numeric-owner", *excluded, "--file"]
    run([*argv, layer, "--directory", root, "."], "write a layer", timeout_seconds=_STEP_SECONDS)


def _build_image(archive: Path, base: Path, sources: Path) -> None:
    """Add the checkout's package, compiled as the image's Python will look for it."""
    root = base / "root"
    with tempfile.TemporaryDirectory(prefix="package-", dir=root / "opt") as folder:
        copy = Path(folder) / "nightshift"
        shutil.copytree(sources, copy, ignore=shutil.ignore_patterns("__pycache__"))
        _compile(root, f"/opt/{Path(folder).name}", _PACKAGE)
        layer = write_layer(Path(folder) / "layer.tar", {f"{_PACKAGE}/nightshift": copy})
        write_image(archive, SCANNER_IMAGE, [base / "layer.tar", layer], _CONFIG)


def _compile(root: Path, folder: str, final: str) -> None:
    """Compile a folder that the image will have as ``final``; samples stay as they are."""
    mode = ("--invalidation-mode", "unchecked-hash")  # layers keep no times of their files
    skip = ("-x", "/(tests?|sample)/")
    moved = () if folder == final else ("-s", folder, "-p", final)
    _in_root(root, "python3", "-m", "compileall", "-q", *mode, *skip, *moved, folder)


def _in_root(root: Path, *words: str) -> str:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/tmp"}
    return run(
        ["chroot", root, *words],
        f"run {' '.join(words[:4])} in the image",
        env=environment,
        timeout_seconds=_STEP_SECONDS,
    )


def _base_key(requirements: Path) -> str:
    system = Path("/etc/os-release").read_text()
    words = [str(_RECIPE), *PACKAGES, *_LEFT_OUT, parse_codename(system), platform.machine()]
    return _hash("\n".join(words).encode(), requirements.read_bytes())


def parse_codename(os_release: str) -> str:
    """Read which distribution this is.

    :raises HarnessError: if it has no code name, as all but Debian and Ubuntu and their kin.
    """
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)\"?$", os_release, re.MULTILINE)
    if found is None:
        raise HarnessError("the scanner image is built on Debian or Ubuntu: no VERSION_CODENAME")
    return found.group(1)


def _find_sources(folder: Path) -> Path:
    """Find where the distribution's own packages come from."""
    for name in _SOURCES:
        file = folder / name
        if file.is_file() and file.read_text().strip():
            return file
    raise HarnessError(f"no package sources in {folder}: expected {' or '.join(_SOURCES)}")


def _read_sources(folder: Path) -> Iterator[bytes]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield str(file.relative_to(folder)).encode()
            yield file.read_bytes()


def _hash(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


def _remove_old(images: Path, keep: Path) -> None:
    """Remove archives of other checkouts' states that nobody has asked for in a day."""
    for archive in images.glob("scanner-*.tar"):
        if archive != keep and time.time() - archive.stat().st_mtime > _OLDEST_SECONDS:
            archive.unlink(missing_ok=True)
