import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from nightshift.cluster.client import Cluster
from nightshift.cluster.jobs import GROUP
from nightshift.cluster.labels import our_labels
from nightshift.cluster.manifests import JobParts, build_job, build_resources
from nightshift.config.job_templates import read_job_template
from nightshift.domain.ids import NodeName
from nightshift.domain.placement.affinity import WeightedNode, build_affinity
from nightshift.domain.requests import effective_requests
from nightshift.domain.resources import Resources
from nightshift.settings import CONFIG_DIR

SHIPPED = CONFIG_DIR / "job-template.yaml"
AFFINITY = build_affinity([WeightedNode(NodeName("n1"), 100)])
PARTS = JobParts(
    name="scan--acme--flask",
    labels=our_labels("code-clone", account="acme"),
    image="scanner:1",
    image_pull_policy="Always",
    arguments={"clone": ("--root", "/workspace"), "scan": ("--root", "/w")},
    request=Resources(500, 3_500_000_000),
    affinity=AFFINITY,
    deadline_seconds=600,
    config_map="work",
    git_secret="git-acme",
    service_account="pods",
    priority_class="low",
)


@pytest.fixture
def job() -> dict[str, Any]:
    return build_job(read_job_template(SHIPPED), PARTS)


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = job["spec"]["template"]["spec"]
    return spec


def test_everything_that_differs_is_filled_in(job: dict[str, Any]) -> None:
    pod = pod_of(job)
    (clone,), (scan,) = pod["initContainers"], pod["containers"]
    assert job["metadata"]["name"] == "scan--acme--flask"
    assert job["metadata"]["labels"] == job["spec"]["template"]["metadata"]["labels"]
    assert job["metadata"]["labels"]["nightshift/account"] == "acme"
    assert (clone["args"], scan["args"]) == (["--root", "/workspace"], ["--root", "/w"])
    assert clone["image"] == scan["image"] == "scanner:1"
    assert scan["imagePullPolicy"] == "Always"
    assert scan["resources"]["requests"] == {"cpu": "500m", "memory": "3500M"}
    assert scan["resources"]["limits"] == {"memory": "3500M"}
    assert pod["activeDeadlineSeconds"] == 600
    assert pod["affinity"] == AFFINITY
    assert pod["serviceAccountName"] == "pods"
    assert pod["priorityClassName"] == "low"
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["work"]["configMap"] == {"name": "work"}
    assert volumes["git-credentials"]["secret"]["secretName"] == "git-acme"
    assert volumes["git-credentials"]["secret"]["optional"] is True


def test_the_pod_asks_for_no_more_than_the_job_because_containers_follow_each_other(
    job: dict[str, Any],
) -> None:
    assert effective_requests({"spec": pod_of(job)}).need == PARTS.request


def test_the_shipped_template_is_hardened(job: dict[str, Any]) -> None:
    pod = pod_of(job)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod["initContainers"], *pod["containers"]]:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert "git-credentials" not in mounts


def test_the_api_accepts_it_in_a_restricted_namespace(
    cluster: Cluster, job: dict[str, Any]
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"metadata": {"name": "scans", "labels": labels}}
    cluster.create("/api/v1/namespaces", namespace)
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    cluster.create(classes, {"metadata": {"name": "low"}, "value": -11})
    ours = dataclasses.replace(cluster, namespace="scans")
    created = ours.create(ours.path("jobs", group=GROUP), job)
    assert created["spec"]["backoffLimit"] == 1
    template = copy.deepcopy(created["spec"]["template"])
    template["metadata"]["name"] = "p"
    template["spec"].pop("priorityClassName")
    template["spec"]["serviceAccountName"] = "default"
    pod = ours.create(ours.path("pods"), {"apiVersion": "v1", "kind": "Pod", **template})
    assert pod["metadata"]["name"] == "p"


def test_the_template_is_not_modified() -> None:
    template = read_job_template(SHIPPED)
    before = copy.deepcopy(template)
    build_job(template, PARTS)
    assert template == before


def test_a_template_keeps_what_is_its_own(tmp_path: Path) -> None:
    template = read_job_template(SHIPPED)
    pod = pod_of(template)
    pod["containers"][0]["image"] = "own:1"
    pod["containers"].append({"name": "sidecar", "image": "side:1"})
    pod["affinity"] = {"podAffinity": {"kept": True}}
    template["metadata"] = {"labels": {"team": "x"}}
    bare = dataclasses.replace(PARTS, priority_class="", affinity={})

    built = build_job(template, bare)

    assert pod_of(built)["containers"][0]["image"] == "own:1"
    assert pod_of(built)["containers"][1] == {"name": "sidecar", "image": "side:1"}
    assert pod_of(built)["affinity"] == {"podAffinity": {"kept": True}}
    assert built["metadata"]["labels"]["team"] == "x"
    assert "priorityClassName" not in pod_of(built)


def test_other_resources_are_both_asked_for_and_limited() -> None:
    assert build_resources(Resources(2000, 1024**3, {"nvidia.com/gpu": 1})) == {
        "requests": {"cpu": "2", "memory": "1Gi", "nvidia.com/gpu": "1"},
        "limits": {"memory": "1Gi", "nvidia.com/gpu": "1"},
    }
