"""A whole night of the trial's repositories: real Airflow, real PostgreSQL, real pods."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from nightshift.cli.demo_verdict import judge_samples
from nightshift.cluster.client import connect
from nightshift.cluster.volumes import list_volumes
from nightshift.domain.steering.scanpods import GATE
from nightshift.embedded.components import kill_leftovers
from nightshift.embedded.layout import Layout
from nightshift.embedded.options import StackOptions
from nightshift.embedded.postgres import EmbeddedPostgres
from nightshift.embedded.sample_repositories import SampleRepositories, make_sample_repositories
from nightshift.embedded.stack import airflow_api, start_stack, stop_stack
from nightshift.settings import Settings
from nightshift.store import BatchSummary, reader_engine
from tests.kube.api import Api
from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.demo import VARIABLES, prepare_stack
from tests.kube.installing import NAMESPACE
from tests.kube.real.placements import Binding, parse_events, read_bindings
from tests.kube.real.pod_support import build_pod, run_pod
from tests.night.conftest import RunningStack

pytestmark = pytest.mark.timeout(600)
REPOSITORIES = {"hostile", "fibers", "service-template", "empty", "json-schemas", "unreachable"}
NOMINATED_REPOSITORIES = {"fibers", "service-template"}
CONNECT = "import sys, psycopg; psycopg.connect(sys.argv[1]); print('connected')"
SCAN, CLONE, INGEST = "code-scan", "code-clone", "ingest"


@dataclass(frozen=True, slots=True)
class Night:
    """A night that has ended, and what was seen of its pods meanwhile."""

    stack: RunningStack
    samples: SampleRepositories
    state: str
    summary: BatchSummary
    events: tuple[dict[str, Any], ...]
    bindings: tuple[Binding, ...]

    def pods(self, stage: str) -> list[dict[str, Any]]:
        """Give the last look at each pod of a stage."""
        last = {event["object"]["metadata"]["uid"]: event["object"] for event in self.events}
        key = "app.kubernetes.io/component"
        return [pod for pod in last.values() if pod["metadata"]["labels"].get(key) == stage]


@pytest.fixture(scope="module")
def night(cluster: Cluster, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    data = tmp_path_factory.mktemp("stack")
    layout = Layout(data, CHECKOUT)
    kubeconfig = prepare_stack(cluster, data)
    samples = _choose(make_sample_repositories(data / "repositories"), layout)
    options = StackOptions(
        airflow_port=0,
        nodes=CHECKOUT / "include/config/embedded-nodes.yaml",
        scanner_env=CHECKOUT / ".venv-scanner",
        variables={**VARIABLES, "NIGHTSHIFT_SHARD_TARGET_SECONDS": "30"},
        kubeconfig=kubeconfig,
        database_address=str(cluster.place.address),
    )
    try:
        state = start_stack(layout, options, lambda _: None)
        reader = reader_engine(EmbeddedPostgres(layout.postgres).url("nightshift"))
        stack = RunningStack(layout, airflow_api(layout, state), reader)
        yield _run(stack, samples, cluster, api)
        reader.dispose()
    finally:
        stop_stack(layout)
        assert kill_leftovers(layout.stack) == []


def _choose(samples: SampleRepositories, layout: Layout) -> SampleRepositories:
    """Keep a few of the samples, and list them where the stack reads its repositories."""
    kept = tuple(one for one in samples.repositories if one.name in REPOSITORIES)
    assert {one.name for one in kept} == REPOSITORIES
    chosen = replace(samples, repositories=kept)
    listing = [
        {"name": name, "repositories": [{"name": one.name, "remote": one.remote} for one in ones]}
        for name, ones in chosen.accounts.items()
    ]
    file = layout.config / "repositories.yaml"
    file.write_text(yaml.safe_dump({"accounts": listing}))
    return chosen


@pytest.fixture(scope="module")
def nominated(night: Night, cluster: Cluster, api: Api) -> Night:
    """A short night after the first, on the same stack, whose pods are nominated to their nodes."""
    names = [f"{one.account}/{one.name}" for one in night.samples.repositories]
    chosen = [name for name in names if name.partition("/")[2] in NOMINATED_REPOSITORIES]
    assert len(chosen) == len(NOMINATED_REPOSITORIES)
    wish = {"steering": "nominate", "force": True, "repositories": chosen, "scanners": ["ruff"]}
    return _run(night.stack, night.samples, cluster, api, **wish)


def _run(
    stack: RunningStack,
    samples: SampleRepositories,
    cluster: Cluster,
    api: Api,
    **params: object,
) -> Night:
    nodes = {n["metadata"]["name"]: n["status"]["allocatable"] for n in api.items("/api/v1/nodes")}
    log = stack.layout.logs / f"pods-{len(params)}.json"
    argv: list[str | Path] = [
        cluster.binaries.path("kubectl"),
        f"--kubeconfig={cluster.kubeconfig}",
        "get",
        "pods",
    ]
    argv += ["--all-namespaces", "--watch", "--output-watch-events", "--output=json"]
    with log.open("wb") as file, subprocess.Popen(argv, stdout=file) as watch:
        run = stack.trigger(**params)
        state = stack.wait(run, 500)
        watch.terminate()
    events = tuple(parse_events(log.read_text()))
    bindings = tuple(read_bindings(iter(events), nodes))
    return Night(stack, samples, state, stack.summary(run), events, bindings)


def test_every_scan_ends_as_its_repository_was_made_to(night: Night) -> None:
    assert night.state == "success"
    assert judge_samples(night.summary, night.samples, night.stack.reader) == []


def test_every_scanner_ran_under_landlock_and_seccomp(night: Night) -> None:
    rows = night.stack.rows("SELECT confinement FROM scans WHERE state = 'succeeded'")
    assert rows
    for row in rows:
        kinds = {name.partition(":")[0] for name in row.confinement}
        assert {"landlock", "seccomp"} <= kinds, row.confinement


def test_pods_run_where_the_plan_prefers_them_if_there_is_room(night: Night) -> None:
    planned = {one.shard: one.planned_node for one in night.summary.shards if one.kind == "scan"}
    scans = [one for one in night.bindings if one.stage == SCAN]
    assert {one.shard for one in scans} == set(planned)
    with_room = [one for one in scans if planned[one.shard] in one.room]
    assert with_room, "no pod found room on its primary node: the test shows nothing"
    assert [one for one in with_room if one.node != planned[one.shard]] == []
    ran = {one.shard: one.node for one in night.summary.shards if one.kind == "scan"}
    assert ran == {one.shard: one.node for one in scans}, "the report says where they ran"


def test_the_api_has_the_plan_as_the_first_preference(night: Night) -> None:
    planned = {one.shard: one.planned_node for one in night.summary.shards if one.kind == "scan"}
    for pod in night.pods(SCAN):
        affinity = pod["spec"]["affinity"]["nodeAffinity"]
        terms = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
        assert "requiredDuringSchedulingIgnoredDuringExecution" not in affinity
        (first,) = [term["preference"] for term in terms if term["weight"] == 100]
        node = planned[pod["metadata"]["labels"]["nightshift/shard"]]
        assert node in json.dumps(first)


def test_nominated_pods_carry_the_gate_and_land_where_they_were_nominated(
    nominated: Night,
) -> None:
    assert nominated.state == "success"
    assert nominated.summary.placement.level == "nominate"
    shards = {one.shard: one for one in nominated.summary.shards if one.kind == "scan"}
    seen: dict[str, list[dict[str, Any]]] = {shard: [] for shard in shards}
    for event in nominated.events:
        labels = event["object"]["metadata"]["labels"]
        if labels.get("app.kubernetes.io/component") == SCAN:
            seen[labels["nightshift/shard"]].append(event["object"])
    assert seen
    for name, looks in seen.items():
        planned = shards[name].planned_node
        assert planned
        first, last = looks[0], looks[-1]
        assert {"name": GATE} in first["spec"]["schedulingGates"]
        assert "nodeName" not in first["spec"], "a gated pod has no node"
        unbound = [pod for pod in looks if "nodeName" not in pod["spec"]]
        assert planned in {pod["status"].get("nominatedNodeName") for pod in unbound}
        assert "schedulingGates" not in last["spec"]
        assert last["spec"]["nodeName"] == planned
        assert (shards[name].node, shards[name].steering) == (planned, "nominate")
    outcome = nominated.summary.placement
    assert (outcome.predicted_rate, outcome.actual_rate) == (1.0, 1.0)
    assert outcome.measured == len(shards)


@pytest.mark.parametrize("stage", [CLONE, SCAN, INGEST])
def test_pods_are_hardened_as_admitted(night: Night, stage: str) -> None:
    pods = night.pods(stage)
    assert pods
    for pod in pods:
        spec = pod["spec"]
        (container,) = spec["containers"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["priorityClassName"] == VARIABLES["NIGHTSHIFT_PRIORITY_CLASS"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert not any("projected" in volume for volume in spec["volumes"])


def test_only_ingest_pods_know_the_database(night: Night) -> None:
    secrets = {
        stage: "secretKeyRef" in json.dumps([pod["spec"] for pod in night.pods(stage)])
        for stage in (CLONE, SCAN, INGEST)
    }
    assert secrets == {CLONE: False, SCAN: False, INGEST: True}


def test_pods_may_open_no_other_database(
    night: Night, cluster: Cluster, api: Api, namespace: str
) -> None:
    postgres = EmbeddedPostgres(night.stack.layout.postgres, also_listen=str(cluster.place.address))
    seen = {}
    for database in ("nightshift", "airflow"):
        url = make_url(postgres.url_for_pods()).set(drivername="postgresql", database=database)
        text = url.render_as_string(hide_password=False)
        pod = build_pod(f"to-{database}", ["python", "-c", CONNECT, text])
        seen[database] = run_pod(api, namespace, pod)
    assert seen["nightshift"] == ("Succeeded", "connected\n")
    assert seen["airflow"][0] == "Failed"
    assert "pg_hba.conf rejects" in seen["airflow"][1]


def test_nothing_of_the_night_is_left_on_the_cluster(
    night: Night, cluster: Cluster, api: Api
) -> None:
    settings = {"NIGHTSHIFT_KUBECONFIG": str(cluster.kubeconfig)}
    connection = connect(Settings.from_env(settings))
    try:
        assert list_volumes(connection) == []
    finally:
        connection.close()
    selector = "labelSelector=app.kubernetes.io/part-of=nightshift"
    for plural in ("pods", "configmaps"):
        left = api.items(f"/api/v1/namespaces/{NAMESPACE}/{plural}?{selector}")
        assert [one["metadata"]["name"] for one in left] == []
