"""The page of the contract suite is current, and its cases cannot know which cluster answers."""

import re
from pathlib import Path

import pytest

from tests.contract.catalogue import FOLDER, build_page, list_cases, list_modules

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(FOLDER.rglob("test_*.py"))
KNOWING = r"os\.environ|getenv|KUBECONFIG|nightshift\.embedded|pytest\.skip|skipif|xfail"


def test_the_page_is_current() -> None:
    assert (ROOT / "docs" / "contract.md").read_text() == build_page(), "run `make docs`"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_case_knows_which_cluster_it_runs_on(file: Path) -> None:
    assert not re.search(KNOWING, file.read_text())


def test_no_two_cases_of_a_module_share_a_name() -> None:
    for module in list_modules():
        named = re.findall(r"^def (test_\w+)", Path(str(module.__file__)).read_text(), re.MULTILINE)
        assert [case.name for case in list_cases(module)] == named
