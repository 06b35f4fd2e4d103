"""What decides about a build, read from files and from what programs say."""

import re
from pathlib import Path

import pytest

from tests.kube.builds import parse_go_line, parse_go_version, read_version
from tests.kube.cgroups import parse_hierarchies
from tests.kube.commands import run, tail
from tests.kube.errors import HarnessError
from tests.kube.scanner_image import list_platforms, parse_codename

MOUNTS = """\
24 30 0:22 / /proc rw,nosuid - proc proc rw
31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu
32 24 0:28 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw
33 24 0:29 /cgroup /data/cgroup rw - ext4 /dev/vda rw
"""


def test_the_release_is_that_of_go_mod() -> None:
    assert re.fullmatch(r"v1\.\d+\.\d+", read_version())


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.9 darwin/arm64", (1, 9)),
        ("go version devel +abc", None),
    ],
)
def test_go_says_its_version(said: str, version: tuple[int, int] | None) -> None:
    assert parse_go_version(said) == version


def test_go_mod_says_which_go_it_needs() -> None:
    assert parse_go_line("module x\n\ngo 1.26.0\n\ngodebug default=go1.20\n") == (1, 26)
    with pytest.raises(HarnessError):
        parse_go_line("module x\n")


def test_hierarchies_are_the_mounted_cgroup_file_systems() -> None:
    expected = [Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/unified")]
    assert parse_hierarchies(MOUNTS) == expected


def test_a_distribution_has_a_code_name() -> None:
    assert parse_codename('ID=debian\nVERSION_CODENAME=bookworm\nX="y"\n') == "bookworm"
    assert parse_codename('VERSION_CODENAME="noble"\n') == "noble"
    with pytest.raises(HarnessError, match="Debian or Ubuntu"):
        parse_codename("ID=other\n")


def test_wheels_for_old_and_new_systems_are_taken_newest_first() -> None:
    names = list(list_platforms("x86_64"))
    assert names[0] == "manylinux_2_35_x86_64"
    assert {"manylinux2014_x86_64", "manylinux1_x86_64"} < set(names)
    assert all(name.endswith("_aarch64") for name in list_platforms("aarch64"))


def test_a_failed_command_says_what_for_and_what_it_said() -> None:
    with pytest.raises(HarnessError, match=r"cannot try \(sh ended with 3\):\nwhy"):
        run(["sh", "-c", "echo why >&2; exit 3"], "try")
    with pytest.raises(HarnessError, match="is not installed"):
        run(["no-such-program-here"], "try")
    assert run(["cat"], "copy", stdin="x\n") == "x\n"


def test_a_tail_is_short_and_has_no_empty_lines() -> None:
    assert tail("a\n\nb\n \nc\n", lines=2) == "b\nc"
