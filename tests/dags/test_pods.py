"""The pods of the night, as KubernetesPodOperator would post them."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import ApiClient

from nightshift.domain.resources import Resources
from nightshift.orchestration.pods import ShardPod, Stage, mapped_kwargs, pod_operator_kwargs
from nightshift.settings import Settings

AFFINITY = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": {
                    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]
                },
            }
        ]
    }
}
POD = ShardPod(
    batch=7,
    shard="s001",
    account="payments",
    claim="workspace-payments-7",
    arguments=("--work-list", "/nightshift/work/s001.json"),
    request=Resources(500, 256 * 1024**2),
    deadline_seconds=600,
    work="nightshift-7-s001",
    affinity=AFFINITY,
)


def build(stage: Stage, settings: Settings | None = None, pod: ShardPod = POD) -> dict[str, Any]:
    kwargs = pod_operator_kwargs(stage, settings or Settings.from_env({}))
    for name in ("pool", "trigger_rule", "max_active_tis_per_dagrun"):  # the Dag's, not the pod's
        kwargs.pop(name)
    mapped = json.loads(json.dumps(mapped_kwargs(pod)))  # as it comes out of XCom
    operator = KubernetesPodOperator(**kwargs, **mapped)
    context = {"task": operator, "ti": SimpleNamespace(try_number=2, max_tries=2)}
    operator.render_template_fields(context)  # type: ignore[arg-type]  # what templates use of it
    request = operator.build_pod_request_obj(None, dry_run=True)
    built: dict[str, Any] = ApiClient().sanitize_for_serialization(request)
    return built


@pytest.mark.parametrize("stage", list(Stage))
def test_every_pod_is_hardened(stage: Stage) -> None:
    spec = build(stage)["spec"]
    container = spec["containers"][0]
    assert len(spec["containers"]) == 1
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "nodeName" not in spec
    assert spec["activeDeadlineSeconds"] == 600
    assert container["resources"]["limits"] == {"memory": str(256 * 1024**2)}


@pytest.mark.parametrize("stage", list(Stage))
def test_what_is_mapped_arrives(stage: Stage) -> None:
    pod = build(stage)
    container = pod["spec"]["containers"][0]
    assert pod["spec"]["affinity"] == AFFINITY
    assert container["args"] == ["--work-list", "/nightshift/work/s001.json"]
    tries = "--attempt 2 --max-attempts 3"
    assert (tries in " ".join(container["command"])) == (stage is not Stage.INGEST)
    assert pod["metadata"]["labels"]["nightshift/shard"] == "s001"
    assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "nightshift"
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["workspace"]["persistentVolumeClaim"]["claimName"] == "workspace-payments-7"


def test_a_nomination_is_an_annotation_beside_the_templates() -> None:
    annotations = build(Stage.SCAN, pod=replace(POD, nominated="n1"))["metadata"]["annotations"]
    assert annotations["nightshift/nominated"] == "n1"
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"


def test_scan_pods_read_sources_and_have_no_secret() -> None:
    pod = build(Stage.SCAN)
    mounts = {m["mountPath"]: m for m in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["/nightshift/workspace/src"]["readOnly"] is True
    assert mounts["/nightshift/workspace/checkout"]["readOnly"] is True
    assert not mounts["/nightshift/workspace/out"].get("readOnly")
    assert not any(word in json.dumps(pod) for word in ("secretKeyRef", "secretName", "secretRef"))
    assert not pod["spec"]["containers"][0].get("env")


def test_only_ingest_pods_know_the_database_and_only_clone_pods_the_credentials() -> None:
    settings = Settings.from_env({"NIGHTSHIFT_DATABASE_SECRET": "pg"})
    ingest = json.dumps(build(Stage.INGEST, settings))
    clone = json.dumps(build(Stage.CLONE, settings))
    assert '"name": "pg"' in ingest
    assert '"name": "pg"' not in clone
    assert "nightshift-git-payments" in clone
    assert "nightshift-git-payments" not in ingest


def test_an_own_template_in_the_configuration_wins(tmp_path: Any) -> None:
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods" / "scan.yaml").write_text(
        "spec: {nodeSelector: {disk: fast}, containers: [{name: base}]}"
    )
    pod = build(Stage.SCAN, Settings.from_env({"NIGHTSHIFT_CONFIG_DIR": str(tmp_path)}))
    assert pod["spec"]["nodeSelector"] == {"disk": "fast"}


def test_the_execution_timeout_outlives_every_deadline() -> None:
    kwargs = pod_operator_kwargs(Stage.SCAN, Settings.from_env({}))
    waits = kwargs["schedule_timeout_seconds"] + kwargs["startup_timeout_seconds"]
    assert kwargs["execution_timeout"].total_seconds() > waits + 4 * 3600
