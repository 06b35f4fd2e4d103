"""The form of a manual run: an untouched field means everything, however the form sends it."""

import pytest

from nightshift.orchestration.params import nightly_params
from nightshift.orchestration.steps.selection import Selection
from nightshift.settings import Settings

PARAMS = nightly_params(Settings.from_env({}))


@pytest.mark.parametrize("name", ["accounts", "repositories", "scanners", "ref", "batch_file"])
def test_an_empty_field_is_accepted_and_is_not_marked_as_required(name: str) -> None:
    assert "null" in PARAMS[name].schema["type"]
    assert PARAMS[name].resolve(None) is None


def test_empty_fields_mean_everything() -> None:
    defaults = {name: param.resolve() for name, param in PARAMS.items()}
    emptied = {**defaults, "accounts": None, "repositories": None, "scanners": None}
    assert Selection.from_params(emptied) == Selection.from_params(defaults) == Selection()


def test_a_misspelt_scanner_is_refused_by_the_form() -> None:
    with pytest.raises(Exception, match="rufff"):
        PARAMS["scanners"].resolve(["rufff"])
