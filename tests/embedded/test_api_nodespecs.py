"""Node files and options: what is accepted, and how faults are told."""

import datetime as dt
from pathlib import Path

import pytest

from nightshift.domain.nodes import Taint, TaintEffect
from nightshift.embedded.kube.nodeobjects import node_object
from nightshift.embedded.kube.nodespecs import NodeSpec, parse_node_options, read_node_file
from nightshift.errors import ConfigErrors

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "nodes.yaml"
    path.write_text(text)
    return path


def test_file_with_every_field(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
- name: big
  cpu: 15800m
  memory: 60Gi
  pods: 250
  labels: {topology.kubernetes.io/zone: a}
  taints: [{key: gpu, value: "yes", effect: NoSchedule}]
  unschedulable: true
- {name: small, cpu: 2, memory: 4Gi}
""",
    )
    big, small = read_node_file(path)
    assert big.taints == (Taint("gpu", TaintEffect.NO_SCHEDULE, "yes"),)
    assert (big.cpu, big.memory, big.pods, big.unschedulable) == ("15800m", "60Gi", 250, True)
    assert dict(big.labels) == {"topology.kubernetes.io/zone": "a"}
    assert small == NodeSpec("small", "2", "4Gi")


def test_options_with_labels() -> None:
    nodes = parse_node_options(["n1=4,16Gi,zone=a,nightshift/pool=open", "n2=500m,1Gi"])
    assert dict(nodes[0].labels) == {"zone": "a", "nightshift/pool": "open"}
    assert nodes[1] == NodeSpec("n2", "500m", "1Gi")


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("{}", "nodes.yaml", "must be a list"),
        ("[]", "nodes.yaml", "must be a list"),
        ("[1]", "[0]", "must be a map"),
        ("a: [", "nodes.yaml", "while parsing"),
        ("[{name: N_1, cpu: 1, memory: 1Gi}]", "[0].name", "must be a DNS name"),
        ("[{cpu: 1, memory: 1Gi}]", "[0].name", "must be a DNS name"),
        ("[{name: a, cpu: 0, memory: 1Gi}]", "[0].cpu", "above zero"),
        ("[{name: a, cpu: 1, memory: lots}]", "[0].memory", "above zero"),
        ("[{name: a, cpu: 1, memory: true}]", "[0].memory", "above zero"),
        ("[{name: a, cpu: 1, memory: 1, size: 3}]", "[0].size", "is unknown"),
        ("[{name: a, cpu: 1, memory: 1, pods: -1}]", "[0].pods", "whole number"),
        ("[{name: a, cpu: 1, memory: 1, unschedulable: 1}]", "[0].unschedulable", "true or false"),
        ("[{name: a, cpu: 1, memory: 1, labels: [x]}]", "[0].labels", "map of strings"),
        ("[{name: a, cpu: 1, memory: 1, labels: {x: true}}]", "[0].labels.x", "quote true"),
        ("[{name: a, cpu: 1, memory: 1, labels: {x: 'a b'}}]", "[0].labels.x", "valid label"),
        ("[{name: a, cpu: 1, memory: 1, taints: x}]", "[0].taints", "must be a list"),
        ("[{name: a, cpu: 1, memory: 1, taints: [{}]}]", "[0].taints[0]", "key and effect"),
        (
            "[{name: a, cpu: 1, memory: 1, taints: [{key: k, effect: Never}]}]",
            "[0].taints[0].effect",
            "must be one of NoSchedule",
        ),
        (
            "[{name: a, cpu: 1, memory: 1}, {name: a, cpu: 1, memory: 1}]",
            "nodes.yaml",
            "two nodes named a",
        ),
    ],
)
def test_fault_is_told_with_its_place(tmp_path: Path, text: str, where: str, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigErrors) as caught:
        read_node_file(path)
    told = str(caught.value)
    assert where in told
    assert problem in told


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse_node_options(["n1", "N=1,1Gi", "n3=x,1Gi", "n4=1,1Gi,zone"])
    assert len(caught.value.exceptions) == 4


def test_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors) as caught:
        read_node_file(tmp_path / "none.yaml")
    assert "No such file" in str(caught.value)


def test_node_object_is_ready_and_named_by_its_host_label() -> None:
    spec = NodeSpec("n1", "4", "16Gi", taints=(Taint("k", TaintEffect.NO_EXECUTE, "v"),))
    node = node_object(spec, NOW)
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "n1"
    assert node["status"]["allocatable"]["cpu"] == "4"
    assert node["status"]["allocatable"]["pods"] == "110"
    conditions = {c["type"]: c["status"] for c in node["status"]["conditions"]}
    assert conditions == {
        "Ready": "True",
        "MemoryPressure": "False",
        "DiskPressure": "False",
        "PIDPressure": "False",
    }
    assert node["spec"]["taints"] == [{"key": "k", "value": "v", "effect": "NoExecute"}]
