"""Laws of the embedded cluster's pure parts."""

import string
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain.quantities import parse_quantity
from nightshift.embedded.kube.controllers.jobindexes import format_indexes, parse_indexes
from nightshift.embedded.kube.controllers.replicasets import rank_for_deletion
from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.validation_names import (
    dns_label,
    dns_subdomain,
    label_value,
    qualified_name,
)
from nightshift.embedded.kube.validation_quantities import canonical_quantity

SUFFIXES = ["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "n"]
QUANTITIES = st.builds(
    "{}.{}{}".format, st.integers(0, 10**9), st.integers(0, 999), st.sampled_from(SUFFIXES)
)
WORDS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)
PODS = st.builds(
    lambda index, node, phase, cost: {
        "metadata": {
            "name": f"p{index}",
            "creationTimestamp": "2027-01-01T00:00:00Z",
            "annotations": {"controller.kubernetes.io/pod-deletion-cost": str(cost)},
        },
        "spec": {"nodeName": node},
        "status": {"phase": phase},
    },
    st.integers(0, 999),
    st.sampled_from(["", "n1", "n2"]),
    st.sampled_from(["Pending", "Running"]),
    st.integers(-5, 5),
)


@given(QUANTITIES)
def test_the_canonical_form_is_stable_and_rounded_up_to_thousandths(text: str) -> None:
    canonical = canonical_quantity(text)
    assert canonical_quantity(canonical) == canonical
    difference = parse_quantity(canonical) - parse_quantity(text)
    assert 0 <= difference < Fraction(1, 10**3)


@given(st.sets(st.integers(0, 300)))
def test_indexes_read_back_as_they_were_written(indexes: set[int]) -> None:
    assert parse_indexes(format_indexes(indexes)) == indexes


@given(st.lists(PODS, max_size=12))
def test_ranking_for_deletion_is_a_permutation_with_unscheduled_pods_first(
    pods: list[Object],
) -> None:
    ranked = rank_for_deletion(pods)
    assert sorted(map(id, ranked)) == sorted(map(id, pods))
    scheduled = [bool(pod["spec"]["nodeName"]) for pod in ranked]
    assert scheduled == sorted(scheduled)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_plain_words_are_good_names_alone_and_joined(words: list[str]) -> None:
    joined = ".".join(words)
    assert dns_label(words[0]) == dns_subdomain(joined) == []
    assert qualified_name(f"{joined}/{words[0]}") == label_value(words[0]) == []
    assert dns_subdomain(f"{joined}.") != []
    assert dns_label(f"{words[0]}-") != []


@given(st.text(max_size=80))
def test_every_text_gets_an_answer(text: str) -> None:
    for check in (dns_label, dns_subdomain, qualified_name, label_value):
        assert all(isinstance(said, str) for said in check(text))
    assert dns_subdomain(text) == [] or dns_label(text) != []  # every label is a subdomain
