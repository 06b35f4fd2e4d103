import pytest

from nightshift.config.documents import parse_json, parse_plain_yaml, parse_yaml
from nightshift.errors import ConfigError

NESTED = "{a: " * 30 + "1" + "}" * 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: [1\n", "at line 2 column 1", id="an open bracket"),
        pytest.param("a: 1\n b: 2", "at line 2", id="bad indentation"),
        pytest.param("a: 1\na: 2", "the key 'a' is there twice at line 2 column 1", id="key twice"),
        pytest.param("b: {a: 1, a: 2}", "'a' is there twice", id="a key twice, nested"),
        pytest.param("a: &x 1\nb: *x", "alias *x at line 2 column 4", id="an alias"),
        pytest.param(
            "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", "alias *a", id="a bomb of aliases"
        ),
        pytest.param(NESTED, "nested too deeply at line 1", id="deep nesting"),
        pytest.param("[" * 200_000, "nested too deeply", id="a bomb of brackets"),
        pytest.param("!!python/object/apply:os.system [ls]", "could not determine", id="a call"),
        pytest.param("a: \x00", "is not YAML", id="a NUL"),
        pytest.param("--- 1\n--- 2", "another document at line 2", id="two documents"),
        pytest.param("? [a]\n: 1", "a key is a plain word", id="a list as key"),
        pytest.param("a: 2024-13-45", "month must be in", id="no such date"),
    ],
)
def test_yaml_that_is_refused_is_one_fault_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "r.yaml")
    assert caught.value.where == "r.yaml"
    assert said in caught.value.problem
    assert "\n" not in str(caught.value)


def test_plain_yaml_is_read() -> None:
    assert parse_yaml("a: [1, x, {b: null}]", "r.yaml") == {"a": [1, "x", {"b": None}]}
    assert parse_yaml("", "r.yaml") is None


def test_plain_json_is_read() -> None:
    assert parse_json('{"a": [1, "x", {"b": null}]}', "b.json") == {"a": [1, "x", {"b": None}]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("on", "on"),
        ("no", "no"),
        ("true", True),
        ("false", False),
        ("05:30", "05:30"),
        ("2027-05-15", "2027-05-15"),
        ("12", 12),
        ("012", "012"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("5", 5),
        ("", None),
        ("~", None),
        ("null", None),
        ("nullable", "nullable"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_plain_yaml_has_the_scalars_of_yaml_1_2(text: str, value: object) -> None:
    found = parse_plain_yaml(f"a: {text}", "p.yaml")["a"]
    assert found == value
    assert type(found) is type(value)


def test_plain_yaml_is_as_strict_and_its_keys_are_text() -> None:
    assert parse_plain_yaml("on: [plan]", "p.yaml") == {"on": ["plan"]}
    with pytest.raises(ConfigError, match="there twice"):
        parse_plain_yaml("a: 1\na: 2", "p.yaml")


def test_other_yaml_is_still_read_as_kubernetes_reads_it() -> None:
    assert parse_yaml("a: off", "k.yaml") == {"a": False}
