"""The real scanners on a repository that tries to silence them, to mislead them or to get out."""

from pathlib import Path

import pytest

from nightshift.domain.ids import RepositoryName
from nightshift.domain.sarif import SourceTree, parse_sarif
from nightshift.domain.scans import Outcome, Reason
from nightshift.domain.worklists import ScanStatus
from nightshift.runner.manifests import read_manifest
from tests.runner.scan_support import SHARD, Pod

PYTHON = "import subprocess\nsubprocess.call(x, shell=True)\n"
C = "void f(char *a, char *b) {\n strcpy(a, b); }\n"
TOKEN = "token = gh" + "p_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8\n"
SECRET = {"ruff": ("py", PYTHON), "bandit": ("py", PYTHON)} | {
    "gitleaks": ("txt", TOKEN),
    "flawfinder": ("c", C),
}
NAMES = ["-rf", "quo'te", 'dq"x', "ünï", "%41", "a#b", "a?b", "a:b", " lead", "$(id)", "d:x/y"]


def found_paths(pod: Pod, status: ScanStatus, source: Path) -> set[str]:
    data = (pod.workspace.scan(SHARD, status.scan) / "result.sarif").read_bytes()
    manifest = read_manifest(pod.workspace.manifest(RepositoryName(source.name)))
    tree = SourceTree(str(source), {entry.path for entry in manifest})
    return {result.path for result in parse_sarif(data, tree).results}


@pytest.mark.parametrize("scanner", sorted(SECRET))
def test_strange_names_hide_nothing(tmp_path: Path, scanner: str) -> None:
    suffix, content = SECRET[scanner]
    pod = Pod(tmp_path / "workspace")
    paths = {f"{name}.{suffix}" for name in NAMES}
    source = pod.add_tree(dict.fromkeys(paths, content))

    status = pod.scan_here(pod.item(scanner))

    assert (status.outcome, status.reason, status.may_close) == (Outcome.SUCCEEDED, Reason.OK, True)
    assert found_paths(pod, status, source) == paths


@pytest.mark.parametrize("scanner", sorted(SECRET))
def test_links_lead_nowhere(tmp_path: Path, scanner: str) -> None:
    suffix, content = SECRET[scanner]
    pod = Pod(tmp_path / "workspace")
    other = pod.add_tree({f"theirs.{suffix}": content}, RepositoryName("other"))
    source = pod.add_tree({f"ours.{suffix}": content, f"link.{suffix}": ""})
    (source / f"link.{suffix}").unlink()
    (source / f"link.{suffix}").symlink_to(other / f"theirs.{suffix}")
    (source / "folder").symlink_to(other)

    status = pod.scan_here(pod.item(scanner))

    assert status.outcome is Outcome.SUCCEEDED
    assert found_paths(pod, status, source) == {f"ours.{suffix}"}
    folder = pod.workspace.scan(SHARD, status.scan)
    assert all(b"theirs" not in (folder / name).read_bytes() for name in ("result.sarif", "log"))


def test_a_folder_that_flawfinder_passes_over_counts_as_unscanned(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    pod.add_tree({"good.c": C, "bad\tname/hidden.c": C})

    status = pod.scan_here(pod.item("flawfinder"))

    assert status.reason is Reason.OK_PARTIAL
    assert status.skipped == ("bad\tname/hidden.c",)
    assert not status.may_close  # half of the tree is too little


def test_files_that_cannot_be_parsed_count_as_unscanned(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    good = {f"good{n}.py": PYTHON for n in range(20)}
    pod.add_tree({**good, "broken.py": "def (\n", "bytes.py": b"\xff\xfe\x00"})

    for scanner in ("ruff", "bandit"):
        status = pod.scan_here(pod.item(scanner))
        assert (status.outcome, status.reason) == (Outcome.SUCCEEDED, Reason.OK_PARTIAL)
        assert status.skipped == ("broken.py", "bytes.py")
        assert status.may_close  # nine tenths were scanned; the ingest keeps what was skipped
        assert status.files_expected == 22


def test_a_gitleaksignore_that_got_in_closes_nothing(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    pod.add_tree({"a.txt": TOKEN, ".gitleaksignore": "a.txt:github-pat:1\n"})

    status = pod.scan_here(pod.item("gitleaks"))

    assert status.outcome is Outcome.SUCCEEDED
    assert not status.may_close
    assert [(t.kind, t.path) for t in status.tampering] == [("ignore_file", ".gitleaksignore")]


def test_a_repository_named_like_a_vendored_folder_is_scanned(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    name = RepositoryName("node_modules")
    source = pod.add_tree({"a.txt": TOKEN}, name)

    status = pod.scan_here(pod.item("gitleaks", name))

    assert found_paths(pod, status, source) == {"a.txt"}


def test_secrets_stay_out_of_the_result_and_the_log(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    pod.add_tree({"a.txt": TOKEN})

    status = pod.scan_here(pod.item("gitleaks"))

    secret = TOKEN.split()[-1].encode()
    folder = pod.workspace.scan(SHARD, status.scan)
    assert status.exit_code == 42
    assert all(secret not in (folder / name).read_bytes() for name in ("result.sarif", "log"))


def test_suppressions_are_overruled_and_recorded(tmp_path: Path) -> None:
    pod = Pod(tmp_path / "workspace")
    marked = PYTHON.replace("True)", "True)  # noqa: S602 # nosec")
    source = pod.add_tree({
        "a.py": marked,
        "pyproject.toml": '[tool.ruff.lint]\nignore = ["ALL"]\n',
    })

    for scanner, mark in (("ruff", "noqa"), ("bandit", "nosec")):
        status = pod.scan_here(pod.item(scanner))
        assert found_paths(pod, status, source) == {"a.py"}
        assert [(t.kind, t.path, t.detail) for t in status.tampering] == [
            ("inline_suppression", "a.py", f"{mark} on line 2")
        ]
