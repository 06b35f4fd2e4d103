import json
import re
from pathlib import Path

import pytest

from nightshift.cli.pages import PAGES
from nightshift.config.batch_files import parse_batch_file
from nightshift.config.entries import Allowed
from nightshift.config.schemas import load_validator
from nightshift.scanners import load_scanners
from nightshift.settings import describe_settings

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    current = (DOCS / name).read_text("utf-8")
    assert current == PAGES[name](), "run `python -m nightshift.cli.pages docs`"


def test_every_setting_is_in_the_page() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    missing = [one.variable for one in describe_settings() if f"| `{one.variable}` |" not in page]
    assert missing == []


def test_every_field_of_a_batch_file_is_described() -> None:
    page = (DOCS / "batch-file.md").read_text("utf-8")
    fields = load_validator("batchJob").schema["$defs"]["job"]["properties"]  # type: ignore[index]  # a schema may also be true or false
    assert [name for name in fields if f"| `{name}` |" not in page] == []


def test_the_batch_files_in_the_page_are_sound() -> None:
    page = (DOCS / "batch-file.md").read_text("utf-8")
    examples = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert examples
    for text in examples:
        json.loads(text)
        assert parse_batch_file(text, Allowed(tuple(load_scanners()))).jobs
