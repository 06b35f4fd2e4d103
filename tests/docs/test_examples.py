"""Every example in a docstring does what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

import nightshift

PACKAGE = Path(nightshift.__file__).parent
MODULES = sorted(
    ".".join(("nightshift", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(
        ".__init__"
    )
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text() and "sample" not in path.parts
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert failed == 0
