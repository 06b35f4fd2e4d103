from typing import Any

import pytest

from nightshift.domain.nodeterms import parse_node_terms, parse_preferred_terms

LABELS = {"zone": "a", "cores": "8"}


def expression(operator: str, *values: str, key: str = "zone") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("term", "matches"),
    [
        pytest.param(expression("In", "a", "b"), True, id="In"),
        pytest.param(expression("In", "b"), False, id="In, other value"),
        pytest.param(expression("In", "a", key="rack"), False, id="In, no such label"),
        pytest.param(expression("NotIn", "b"), True, id="NotIn"),
        pytest.param(expression("NotIn", "a"), False, id="NotIn, its value"),
        pytest.param(expression("NotIn", "a", key="rack"), True, id="NotIn, no such label"),
        pytest.param(expression("Exists"), True, id="Exists"),
        pytest.param(expression("Exists", key="rack"), False, id="Exists, no such label"),
        pytest.param(expression("DoesNotExist", key="rack"), True, id="DoesNotExist"),
        pytest.param(expression("DoesNotExist"), False, id="DoesNotExist, but it does"),
        pytest.param(expression("Gt", "7", key="cores"), True, id="Gt"),
        pytest.param(expression("Gt", "8", key="cores"), False, id="Gt is strict"),
        pytest.param(expression("Lt", "9", key="cores"), True, id="Lt"),
        pytest.param(expression("Lt", "8", key="cores"), False, id="Lt is strict"),
        pytest.param(expression("Gt", "1"), False, id="Gt on a label that is no number"),
        pytest.param(expression("Gt", "1", key="rack"), False, id="Gt on no label"),
        pytest.param({}, False, id="an empty term matches nothing"),
        pytest.param(
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
            True,
            id="the node's name",
        ),
        pytest.param(
            {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]},
            False,
            id="not the node's name",
        ),
        pytest.param(
            {
                "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}],
                **expression("In", "b"),
            },
            False,
            id="everything inside a term must hold",
        ),
    ],
)
def test_term(term: dict[str, Any], matches: bool) -> None:
    (parsed,) = parse_node_terms([term], "terms")
    assert parsed.matches("n1", LABELS) is matches


@pytest.mark.parametrize(
    ("term", "path"),
    [
        pytest.param(
            expression("Near", "a"), r"terms\[0\].matchExpressions\[0\].operator", id="operator"
        ),
        pytest.param(expression("In"), r"matchExpressions\[0\].values", id="In without values"),
        pytest.param(expression("Exists", "a"), r"values", id="Exists with a value"),
        pytest.param(expression("Gt", "x"), r"values", id="Gt with no number"),
        pytest.param(expression("Gt", "1", "2"), r"values", id="Gt with two numbers"),
        pytest.param(
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]},
            r"matchFields\[0\].values: must have one element",
            id="two names in one matchFields",
        ),
        pytest.param(
            {"matchFields": [{"key": "metadata.uid", "operator": "In", "values": ["a"]}]},
            r"matchFields\[0\].key",
            id="another field",
        ),
        pytest.param(
            {"matchFields": [{"key": "metadata.name", "operator": "Exists"}]},
            r"matchFields\[0\].operator",
            id="operator that fields do not know",
        ),
        pytest.param({"matchExpressions": [{"operator": "In"}]}, "expected an object", id="no key"),
        pytest.param({"matchExpressions": "x"}, "expected a list", id="not a list"),
        pytest.param(
            {"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]},
            "expected strings",
            id="value is no text",
        ),
        pytest.param("x", "expected an object", id="not an object"),
    ],
)
def test_a_bad_term_is_refused_with_its_path(term: Any, path: str) -> None:
    with pytest.raises(ValueError, match=path):
        parse_node_terms([term], "terms")


@pytest.mark.parametrize("weight", [0, 101, -1, True, None, "5"])
def test_a_weight_outside_1_to_100_is_refused(weight: Any) -> None:
    with pytest.raises(ValueError, match=r"soft\[0\].weight: must be in the range 1-100"):
        parse_preferred_terms([{"weight": weight, "preference": expression("Exists")}], "soft")


def test_preferred_terms_keep_their_weights() -> None:
    raw = [{"weight": weight, "preference": expression("Exists")} for weight in (1, 100)]
    assert [item.weight for item in parse_preferred_terms(raw, "soft")] == [1, 100]


def test_names_that_must_hold_together_are_intersected() -> None:
    fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in ("n1", "n2")]
    both, one, free = parse_node_terms(
        [{"matchFields": fields}, {"matchFields": fields[:1]}, expression("Exists")], "terms"
    )
    assert (both.node_names, one.node_names, free.node_names) == (
        frozenset(),
        frozenset({"n1"}),
        None,
    )
