import re

import pytest

from nightshift.domain.names import label_value, object_name


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        pytest.param(("acme",), "acme", id="fine as it is"),
        pytest.param(("ws", "acme-corp", "7"), "ws--acme-corp--7", id="parts are joined"),
        pytest.param(("a" * 63,), "a" * 63, id="as long as allowed"),
    ],
)
def test_a_valid_name_stays_readable(parts: tuple[str, ...], name: str) -> None:
    assert object_name(*parts) == name


@pytest.mark.parametrize(
    ("parts", "slug"),
    [
        pytest.param(("Acme",), "acme", id="case"),
        pytest.param(("a_b/c",), "a-b-c", id="other characters"),
        pytest.param(("-a-",), "a", id="dashes at the ends"),
        pytest.param(("",), "x", id="nothing to keep"),
        pytest.param(("日本",), "x", id="no Latin letter to keep"),
        pytest.param(("ws", "Acme", "7"), "ws-acme-7", id="one part of several"),
        pytest.param(("a" * 64,), "a" * 50, id="too long"),
    ],
)
def test_what_is_lost_is_made_up_for_by_a_hash(parts: tuple[str, ...], slug: str) -> None:
    assert re.fullmatch(f"{slug}---[0-9a-f]{{10}}", object_name(*parts))


def test_the_same_text_gives_the_same_name_in_every_release() -> None:
    assert object_name("Acme") == "acme---41545e791d"
    assert label_value("feature/login") == "feature-login---df7c7aeb35"


def test_parts_cannot_be_shifted_into_each_other() -> None:
    names = {object_name("a-b", "c"), object_name("a", "b-c"), object_name("a--b", "c")}
    assert len(names) == 3


def test_a_text_that_looks_hashed_is_hashed_again() -> None:
    once = object_name("Acme")
    assert object_name(once) != once


def test_a_long_name_is_cut_to_the_limit_and_told_apart() -> None:
    one, other = object_name("a" * 80, limit=40), object_name("a" * 81, limit=40)
    assert len(one) == len(other) == 40
    assert one != other


def test_a_cut_never_ends_in_a_dash_before_the_hash() -> None:
    assert "----" not in object_name("a" * 49 + "-" + "b" * 40)


def test_a_name_needs_a_part() -> None:
    with pytest.raises(ValueError, match="parts"):
        object_name()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        pytest.param("", True, id="empty is a valid value"),
        pytest.param("Release_1.2-rc", True, id="case, dots, underscores"),
        pytest.param("feature/login", False, id="slash"),
        pytest.param(".hidden", False, id="led by a dot"),
        pytest.param("v" * 64, False, id="too long"),
    ],
)
def test_label_value(text: str, kept: bool) -> None:
    assert (label_value(text) == text) == kept
