"""The pages name what there is, and what they name is there."""

import re
from pathlib import Path

import pytest

from nightshift.domain.placement.names import StrategyName
from nightshift.domain.scans import REASONS
from nightshift.scanners import load_scanners

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "docs" / "user-guide.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^ {4}|, )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("dag", sorted(path.stem for path in (ROOT / "dags").glob("*.py")))
def test_every_dag_is_in_the_readme_or_the_guide(dag: str) -> None:
    assert f"`{dag}`" in README + GUIDE


def test_every_outcome_and_reason_is_in_the_guide() -> None:
    rows = dict(re.findall(r"^\| ([a-z_]+) \| ([^|]+) \|$", GUIDE, re.MULTILINE))
    for outcome, reasons in REASONS.items():
        words = set(re.findall(r"[a-z0-9_]+", rows[outcome]))
        assert {str(reason) for reason in reasons} <= words, outcome


def test_the_changelog_names_every_strategy_and_scanner() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert all(f"`{name}`" in text for name in StrategyName)
    assert all(name in text for name in load_scanners())


def test_no_page_has_a_placeholder() -> None:
    for page in PAGES:
        assert not re.search(r"BENCH_FIGURES|TBD|XXX", page.read_text()), page.name
