"""The policy file: what is read, and every fault with its path."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nightshift.config.capacity_policies import (
    parse_capacity_policy,
    read_capacity_policy,
)
from nightshift.config.capacity_pools import read_budgets, read_pools
from nightshift.config.capacity_targets import read_target
from nightshift.config.documents import parse_plain_yaml
from nightshift.config.faults import Faults
from nightshift.config.schemas import load_validator
from nightshift.domain.capacity.budgets import max_replicas
from nightshift.domain.capacity.policies import CapacityPolicy, Mode
from nightshift.domain.capacity.policies_pools import PoolDriver
from nightshift.domain.capacity.policies_rules import OnConflict
from nightshift.domain.capacity.policies_targets import TargetKind, TargetRef
from nightshift.domain.windows.spans import plan_windows
from nightshift.errors import ConfigError, ConfigErrors
from nightshift.settings import CONFIG_DIR

TODAY = dt.date(2027, 1, 4)
EXAMPLE = CONFIG_DIR / "examples" / "weekend"
TEXT = (EXAMPLE / "capacity.yaml").read_text()


def parse(text: str, folder: Path = EXAMPLE) -> CapacityPolicy:
    return parse_capacity_policy(text, folder, TODAY)


def faults(text: str, folder: Path = EXAMPLE) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, folder)
    return [str(fault) for fault in caught.value.exceptions]


def test_the_shipped_policy_is_sound_and_changes_nothing() -> None:
    policy = read_capacity_policy(CONFIG_DIR / "capacity.yaml", TODAY)
    assert policy.mode is Mode.OBSERVE
    assert policy.node_pools == ()
    assert "kube-system" in policy.protect.namespaces


def test_the_whole_example_is_read_as_it_is_meant() -> None:
    policy = read_capacity_policy(EXAMPLE / "capacity.yaml", TODAY)
    assert [tier.name for tier in policy.tiers] == ["batch", "workers", "api", "storage"]
    assert [target.kind for _, target in policy.targets()] == [
        TargetKind.AIRFLOW_POOL,
        TargetKind.CRON_JOB,
        TargetKind.AUTOSCALER,
        TargetKind.AUTOSCALER,
        TargetKind.STATEFUL_SET,
    ]
    (pool,) = policy.node_pools
    assert pool.driver is PoolDriver.EKS
    assert str(pool.nodes) == "eks.amazonaws.com/nodegroup=general"
    assert pool.drain.node_timeout == dt.timedelta(minutes=30)
    assert policy.approval.nodes_removed_above_pct == 50
    store = TargetRef(TargetKind.STATEFUL_SET, "app", "store")
    assert policy.restore.rule_for(store) is OnConflict.BEFORE
    assert policy.restore.on_conflict is OnConflict.MAX
    assert policy.cost is not None
    assert policy.cost.price_of("c7g.large") == 0.20
    budget = policy.budgets["pg"]
    assert max_replicas(budget, budget.consumers[0], 300) == 5
    assert policy.schedule.late.down_max_delay == dt.timedelta(hours=4)
    assert len(policy.digest) == 64


def test_its_calendars_make_its_windows() -> None:
    policy = parse(TEXT)
    zone = policy.schedule.zone
    shown = {
        f"{one.down.astimezone(zone):%Y-%m-%d %H:%M} {one.up.astimezone(zone):%Y-%m-%d %H:%M}"
        for one in plan_windows(policy.schedule).windows
    }
    assert "2027-03-25 20:00 2027-03-30 05:30" in shown  # Easter
    assert "2027-05-13 20:00 2027-05-15 05:30" not in shown  # the day before a working Saturday
    assert "2027-05-14 20:00 2027-05-15 05:30" in shown
    assert "2027-05-15 20:00 2027-05-18 05:30" in shown  # Whit Monday
    assert "2027-07-01 20:00 2027-07-05 05:30" in shown  # a company day before a weekend
    assert "2027-11-27 00:00 2027-11-29 05:30" in shown  # the freeze ends at midnight
    assert any(line.startswith("2027-12-24 20:00 2028-01-03 05:30") for line in shown)


def test_a_digest_is_of_what_a_policy_says_and_of_the_files_that_it_names(tmp_path: Path) -> None:
    folder = tmp_path / "weekend"
    shutil.copytree(EXAMPLE, folder)
    same = parse(f"# another comment\n{TEXT}", folder)
    assert same.digest == parse(TEXT).digest
    assert parse(TEXT.replace("max: 4", "max: 5")).digest != same.digest
    (folder / "prices.yaml").write_text('nodeHour: {"*": 9}')
    assert parse(TEXT, folder).digest != same.digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param("mode: observe", "mode: offf", 'spec.mode: "offf"; expected off', id="mode"),
        pytest.param("limits:", "limit:", 'has no key "limit"; did you mean limits?', id="key"),
        pytest.param(
            "max: 6}", "max: 1}", "spec.tiers[2].targets[0]: min 2 is above max 1", id="min max"
        ),
        pytest.param(
            "slots: 0", "slot: 0", 'spec.tiers[0].targets[0]: has no key "slot"', id="target key"
        ),
        pytest.param(
            "suspend: true",
            "suspend: false",
            "targets[1].suspend: false; expected true",
            id="suspend",
        ),
        pytest.param("kind: CronJob", "kind: Job", 'targets[1].kind: "Job"; expected', id="kind"),
        pytest.param(
            "selector: tier=batch", "selector: tier batch", "is no label selector", id="selector"
        ),
        pytest.param(
            "selector: tier=batch", "ns: app", "targets[1]: lacks a name or a selector", id="whom"
        ),
        pytest.param(
            "ns: app, name: worker", "name: worker", "targets[0]: lacks ns", id="no namespace"
        ),
        pytest.param("FRI 20:00", "FRI 8pm", "a day and a time such as FRI 20:00", id="time"),
        pytest.param("Europe/Berlin", "Europe/Berlun", "no time zone 'Europe/Berlun'", id="zone"),
        pytest.param("country: DE", "country: XX", "holidays of XX are not known", id="country"),
        pytest.param("subdivision: BE", "subdivision: ZZ", "DE has no subdivision ZZ", id="part"),
        pytest.param("2027-05-15", "2027-05-35", "workdays[0]: '2027-05-35' is no date", id="date"),
        pytest.param("path: company.ics", "path: gone.ics", "gone.ics cannot be read", id="file"),
        pytest.param("path: company.ics", "path: ../x.ics", "without ..", id="dots"),
        pytest.param(
            "path: company.ics", "path: freeze.yaml", "is no iCalendar file", id="no calendar"
        ),
        pytest.param("path: freeze.yaml", "path: prices.yaml", "has no key", id="no days"),
        pytest.param("prices: prices.yaml", "prices: freeze.yaml", "has no key", id="no prices"),
        pytest.param('"07:00"', '"05:00"', "05:00 is not after 05:30", id="readyBy"),
        pytest.param(
            'down: "FRI 20:00"', 'down: "MON 03:30"', "is 2h long; less than 4h", id="short"
        ),
        pytest.param(
            "maxDelay: unlimited", "maxDelay: 1h", "a late restore always runs", id="late"
        ),
        pytest.param("dependsOn: [storage]", "dependsOn: [db]", "there is no tier db", id="tier"),
        pytest.param(
            "dependsOn: [storage]", "dependsOn: [batch]", "put it further down", id="order"
        ),
        pytest.param("tiers: [storage]}", "tiers: [db]}", "there is no tier db", id="approval"),
        pytest.param('">50"', '"50"', "nodesRemovedPct", id="pct"),
        pytest.param("up: {requiredIf: never}", "up: {requiredIf: always}", "never", id="monday"),
        pytest.param("onTimeout: reject", "onTimeout: approve", "never an approval", id="silence"),
        pytest.param(
            "nodePools: [core]", "nodePools: [general]", "general is protected", id="pool"
        ),
        pytest.param("airflow]", "app]", "the namespace app is protected", id="namespace"),
        pytest.param("max: 3, target: 2", "max: 3, target: 4", "target 4 is not from", id="target"),
        pytest.param("min: 1, max: 3", "min: 5, max: 3", "min 5 is above max 3", id="bounds"),
        pytest.param("nodegroup: general, ", "", "params: lacks nodegroup", id="params"),
        pytest.param(
            "nodegroup: general", "nodegroup: general, zone: a", "has zone; the driver", id="param"
        ),
        pytest.param("driver: eks", "driver: drain_only", "takes no params", id="driver"),
        pytest.param(
            "replicas: 3, quorum: 2", "replicas: 1, quorum: 2", "below the quorum", id="quorum"
        ),
        pytest.param(
            "replicas: 3, quorum: 2",
            "replicas: 20, quorum: 2",
            "can ask for 750 connections at their maximum; 227 of 300",
            id="connections",
        ),
        pytest.param(
            "connectionBudget: pg", "connectionBudget: db", "no connection budget db", id="budget"
        ),
        pytest.param(
            "target: app/store", "target: app/stor", "app/store is no consumer", id="consumer"
        ),
        pytest.param(
            "parallelNodes: 1", "parallelNodes: 2", "parallelNodes: 2; expected 1", id="race"
        ),
        pytest.param(
            "StatefulSet/app/store: before", "Secret/app/store: before", "is no kind", id="ref"
        ),
        pytest.param(
            "StatefulSet/app/store: before",
            "StatefulSet/store: before",
            "not of the form",
            id="form",
        ),
        pytest.param(
            "above: 0", "above: 0, below: 1", "below or above, and not both", id="measure"
        ),
        pytest.param("prometheus: prometheus_default", "", "answers the measures", id="prometheus"),
        pytest.param("name: api\n", "name: batch\n", "batch is there 2 times", id="twice"),
        pytest.param(
            "name: api, min",
            "name: worker, min",
            "HorizontalPodAutoscaler/app/worker is",
            id="same",
        ),
        pytest.param("timeout: 90m", "timeout: 1.5h", "a duration such as", id="duration"),
        pytest.param("name: weekend, owner", "name: Weekend, owner", "metadata.name", id="name"),
    ],
)
def test_a_fault_is_reported_with_its_path(old: str, new: str, said: str) -> None:
    assert TEXT.count(old) >= 1
    found = faults(TEXT.replace(old, new, 1))
    assert any(said in fault for fault in found), found
    assert all(fault.startswith("capacity.yaml: ") for fault in found)


def test_all_faults_come_at_once() -> None:
    spoilt = TEXT.replace("country: DE", "country: XX").replace("tier=batch", "tier batch")
    spoilt = spoilt.replace("prices: prices.yaml", "prices: none.yaml")
    assert len(faults(spoilt)) == 3


def test_a_calendar_that_takes_every_window_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "weekend"
    shutil.copytree(EXAMPLE, folder)
    (folder / "freeze.yaml").write_text(
        "days: {2026-10-01..2027-10-20: a, 2027-10-21..2028-11-01: b, 2028-11-02..2029-03-01: c}"
    )
    assert "never comes until 2028-12-05" in faults(TEXT, folder)[0]


@pytest.mark.parametrize("text", ["a: [", "", "[]", "a: 1\na: 2"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises((ConfigError, ConfigErrors)):
        parse(text)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "weekend"
    shutil.copytree(EXAMPLE, folder)
    outside = tmp_path / "outside.yaml"
    outside.write_text("days: {}")
    (folder / "freeze.yaml").unlink()
    (folder / "freeze.yaml").symlink_to(outside)
    assert "leads out of the policy's folder" in faults(TEXT, folder)[0]


MINIMAL = """
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {name: weekend, owner: me, cluster: mine}
spec:
  mode: "off"
  schedule:
    timezone: UTC
    windows: [{name: weekend, down: "FRI 20:00", up: "MON 05:30"}]
"""
FULL = """
apiVersion: nightshift/v1
kind: CapacityPolicy
metadata: {name: weekend, owner: me, cluster: mine}
spec:
  mode: off
  schedule:
    timezone: UTC
    windows: [{name: weekend, down: "FRI 20:00", up: "MON 05:30"}]
    dst: {}
    late: {down: {}, up: {}}
  approval: {down: {requiredIf: {}}, up: {}}
  limits: {}
  restore: {waves: {}}
  guard: {freeze: {}}
"""


def filled(schema: Any, root: Any, value: Any) -> Any:
    """Write every default of a schema out."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]] | schema
    if "then" in schema and isinstance(value, dict):
        schema = schema["then"]
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for key, below in schema.get("properties", {}).items():
        if key in found:
            found[key] = filled(below, root, found[key])
        elif "default" in below:
            found[key] = below["default"]
    return found


def test_the_defaults_of_the_schema_are_those_of_the_code() -> None:
    schema: Any = load_validator("capacity").schema
    explicit = filled(schema, schema, parse_plain_yaml(FULL, "x"))
    assert explicit["spec"]["limits"]["headroomPct"] == 20
    assert explicit["spec"]["guard"]["freeze"]["ttl"] == "30m"
    written = parse(json.dumps(explicit))
    assert replace(written, digest="") == replace(parse(MINIMAL), digest="")


def test_the_defaults_of_pools_targets_and_budgets_are_those_of_the_code() -> None:
    schema: Any = load_validator("capacity").schema
    for name, entry, read in (
        ("nodePool", POOL, lambda one: read_pools([one], Faults("x"))),
        ("nodePool", POOL | {"drain": {}}, lambda one: read_pools([one], Faults("x"))),
        ("target-CronJob", JOB, lambda one: read_target(one, (), Faults("x"))),
        ("target-CronJob", JOB | {"resume": {}}, lambda one: read_target(one, (), Faults("x"))),
        ("target-Deployment", API, lambda one: read_target(one, (), Faults("x"))),
        (
            "consumer",
            CONSUMER,
            lambda one: read_budgets({"pg": {"conn_id": "c", "consumers": [one]}}),
        ),
        (
            "connectionBudget",
            {"conn_id": "c", "consumers": [CONSUMER], "reserve": {}},
            lambda one: read_budgets({"pg": one}),
        ),
    ):
        explicit = filled(schema["$defs"][name], schema, entry)
        assert read(explicit) == read(entry), name
        assert read(entry)


POOL = {
    "name": "p",
    "driver": "drain_only",
    "nodes": "pool=p",
    "weekend": {"min": 0, "max": 1, "target": 1},
}
JOB = {"kind": "CronJob", "selector": "a=b", "suspend": True}
API = {"kind": "Deployment", "ns": "app", "name": "api", "replicas": 1}
CONSUMER = {"target": "app/api", "processes": 1, "pool": 1}
