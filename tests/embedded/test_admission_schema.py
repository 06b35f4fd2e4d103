"""Decoding: types, unknown fields, quantities; and the table of fields against the client's."""

import re

import kubernetes.client.models as client_models
import pytest

from nightshift.embedded.kube.interfaces import Object, StatusError
from nightshift.embedded.kube.validation_fields import ROOTS
from nightshift.embedded.kube.validation_quantities import canonical_quantity
from nightshift.embedded.kube.validation_schema import decode, fields_of, strict_error
from tests.embedded.controllers_support import container, job, pod

NOT_LOOKED_INTO = {"kind", "apiVersion"}


def client_class(type_name: str) -> type:
    """The client's class of one of our types; the newest version comes first."""
    for prefix in ("V2", "V1", "CoreV1"):
        found = getattr(client_models, f"{prefix}{type_name}", None)
        if isinstance(found, type):
            return found
    raise AssertionError(f"the client has no {type_name}")


def reachable() -> list[str]:
    """Every type that the table reaches from the kinds that are checked."""
    found, todo = [], list(ROOTS.values())
    while todo:
        name = todo.pop()
        if name not in found:
            found.append(name)
            inner = (re.sub(r"[\[\]{}]", "", kind) for kind in fields_of(name).values())
            todo += [kind for kind in inner if kind[0].isupper()]
    return sorted(found)


@pytest.mark.parametrize("type_name", reachable())
def test_the_table_has_the_fields_of_the_official_client(type_name: str) -> None:
    attributes = set(client_class(type_name).attribute_map.values())  # type: ignore[attr-defined]  # generated
    ours = set(fields_of(type_name))
    assert ours - attributes == set()
    assert attributes - ours <= NOT_LOOKED_INTO


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (pod(active_deadline_seconds=5), "spec.active_deadline_seconds"),
        (pod(affinity={"node_affinity": {}}), "spec.affinity.node_affinity"),
        (pod(containers=[container(volume_mounts=[])]), "spec.containers[0].volume_mounts"),
    ],
    ids=["in the spec", "in affinity", "in a container"],
)
def test_snake_case_is_dropped_and_reported(obj: Object, path: str) -> None:
    decoded, unknown = decode("pods", obj)
    assert unknown == [f'unknown field "{path}"']
    assert path.rpartition(".")[2] not in str(decoded)
    strict = strict_error("pods", unknown)
    assert strict.code == 400
    assert strict.message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field'
        f' "{path}"'
    )


@pytest.mark.parametrize(
    ("obj", "said"),
    [
        (pod(activeDeadlineSeconds="5"), "string into Go struct field PodSpec.spec.activeDeadline"),
        (pod(activeDeadlineSeconds=True), "bool into Go struct field PodSpec.spec.activeDeadline"),
        (pod(containers={}), "object into Go struct field PodSpec.spec.containers of type []"),
        (pod(hostNetwork="yes"), "string into Go struct field PodSpec.spec.hostNetwork of type"),
        (pod(nodeSelector={"a": 1}), "number into Go struct field PodSpec.spec.nodeSelector.a of "),
        (pod(containers=[None]), "null into Go struct field Container.spec.containers of type Con"),
    ],
    ids=["text for a number", "a boolean for a number", "a map for a list", "text for a boolean",
         "a number for a label", "null for a container"],
)  # fmt: skip
def test_a_wrong_type_is_400(obj: Object, said: str) -> None:
    with pytest.raises(StatusError) as caught:
        decode("pods", obj)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    assert said in caught.value.message


def test_a_bad_quantity_is_400_not_422() -> None:
    bad = pod(containers=[container(resources={"requests": {"cpu": "lots"}})])
    with pytest.raises(StatusError) as caught:
        decode("pods", bad)
    assert caught.value.code == 400
    assert "quantities must match the regular expression" in caught.value.message


def test_null_and_empty_lists_count_as_absent() -> None:
    decoded, _ = decode("pods", pod(tolerations=[], nodeSelector={}, priority=None))
    assert set(decoded["spec"]) == {"containers"}
    kept, _ = decode("pods", pod(volumes=[{"name": "d", "emptyDir": {}}]))
    assert kept["spec"]["volumes"] == [{"name": "d", "emptyDir": {}}]


def test_kinds_that_are_not_in_the_table_pass() -> None:
    obj = {"metadata": {"name": "x"}, "spec": {"anything": [1]}}
    assert decode("machinedeployments.cluster.x-k8s.io", obj) == (obj, [])


def test_a_job_with_its_template_is_decoded_to_the_depth() -> None:
    decoded, unknown = decode("jobs.batch", job(backoff_limit=3))
    assert unknown == ['unknown field "spec.backoff_limit"']
    assert decoded["spec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("3.5G", "3500M"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        (4000, "4k"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("-200m", "-200m"),
        ("100000000000n", "100"),
        ("0.1n", "1m"),
    ],
)
def test_quantities_are_stored_in_canonical_form(written: str | int, stored: str) -> None:
    assert canonical_quantity(written) == stored
