"""Tables: what ``kubectl get`` shows of each kind."""

import datetime as dt
from typing import Any

import pytest

from nightshift.embedded.kube.interfaces import Object
from nightshift.embedded.kube.resources import BUILT_IN, Resource
from nightshift.embedded.kube.tables import render_table
from nightshift.embedded.kube.tables_cells import human_duration

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
CREATED = "2026-01-02T03:00:05Z"


def resource(key: str) -> Resource:
    return next(r for r in BUILT_IN if r.key == key)


def cells(key: str, obj: Object, *, wide: bool = False) -> dict[str, Any]:
    """Render one object and give its shown cells by column."""
    metadata = {"name": "x", "creationTimestamp": CREATED, **obj.get("metadata", {})}
    table = render_table(resource(key), [{**obj, "metadata": metadata}], NOW)
    shown = [
        (column["name"], cell)
        for column, cell in zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
        if wide or column["priority"] == 0
    ]
    return dict(shown)


def container_status(state: Object, **more: Any) -> Object:
    return {"name": "c", "state": state, "ready": "running" in state, "restartCount": 0, **more}


def pod_with(status: Object, **metadata: Any) -> Object:
    return {"metadata": metadata, "spec": {"containers": [{"name": "c"}]}, "status": status}


@pytest.mark.parametrize(
    ("pod", "ready", "status"),
    [
        (pod_with({"phase": "Pending"}), "0/1", "Pending"),
        (
            pod_with({"phase": "Pending", "conditions": [{"reason": "SchedulingGated"}]}),
            "0/1",
            "SchedulingGated",
        ),
        (
            pod_with({"containerStatuses": [container_status({"waiting": {"reason": "Why"}})]}),
            "0/1",
            "Why",
        ),
        (
            pod_with({
                "phase": "Running",
                "containerStatuses": [container_status({"running": {}})],
            }),
            "1/1",
            "Running",
        ),
        (
            pod_with({
                "phase": "Succeeded",
                "containerStatuses": [container_status({"terminated": {"reason": "Completed"}})],
            }),
            "0/1",
            "Completed",
        ),
        (
            pod_with({"containerStatuses": [container_status({"terminated": {"exitCode": 7}})]}),
            "0/1",
            "ExitCode:7",
        ),
        (
            pod_with({"containerStatuses": [container_status({"terminated": {"signal": 9}})]}),
            "0/1",
            "Signal:9",
        ),
        (pod_with({"phase": "Failed", "reason": "Evicted"}), "0/1", "Evicted"),
        (pod_with({"phase": "Running"}, deletionTimestamp=CREATED), "0/1", "Terminating"),
    ],
)
def test_pod_status_says_what_matters(pod: Object, ready: str, status: str) -> None:
    row = cells("pods", pod)
    assert (row["Ready"], row["Status"], row["Age"]) == (ready, status, "4m")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"waiting": {"reason": "PodInitializing"}}, "Init:0/1"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "Init:ImagePullBackOff"),
        ({"running": {}}, "Init:0/1"),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, "Init:Error"),
        ({"terminated": {"exitCode": 0}}, "Pending"),
    ],
)
def test_init_containers_show_until_they_are_done(state: Object, expected: str) -> None:
    pod = pod_with({"phase": "Pending", "initContainerStatuses": [container_status(state)]})
    pod["spec"]["initContainers"] = [{"name": "i"}]
    assert cells("pods", pod)["Status"] == expected


def test_restarts_tell_when_the_last_one_was() -> None:
    last = {"terminated": {"finishedAt": "2026-01-02T03:03:05Z"}}
    status = container_status({"running": {}}, restartCount=2, lastState=last)
    row = cells("pods", pod_with({"phase": "Running", "containerStatuses": [status]}))
    assert row["Restarts"] == "2 (60s ago)"


def test_wide_pod_has_address_and_node() -> None:
    pod = pod_with({"podIP": "10.0.0.1", "nominatedNodeName": "n2"})
    pod["spec"]["nodeName"] = "n1"
    row = cells("pods", pod, wide=True)
    assert (row["IP"], row["Node"], row["Nominated Node"]) == ("10.0.0.1", "n1", "n2")


TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
ROWS: dict[str, tuple[str, Object, dict[str, Any]]] = {
    "cordoned node": (
        "nodes",
        {
            "metadata": {"labels": {"node-role.kubernetes.io/core": ""}},
            "spec": {"unschedulable": True},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]},
        },
        {"Status": "NotReady,SchedulingDisabled", "Roles": "core"},
    ),
    "deployment": (
        "deployments.apps",
        {"spec": {"replicas": 3, "template": TEMPLATE}, "status": {"readyReplicas": 1}},
        {"Ready": "1/3", "Up-to-date": 0, "Available": 0},
    ),
    "job": (
        "jobs.batch",
        {
            "spec": {"completions": 2, "template": TEMPLATE},
            "status": {
                "succeeded": 2,
                "startTime": "2026-01-02T03:00:00Z",
                "completionTime": "2026-01-02T03:00:42Z",
                "conditions": [{"type": "Complete", "status": "True"}],
            },
        },
        {"Status": "Complete", "Completions": "2/2", "Duration": "42s"},
    ),
    "cron job": (
        "cronjobs.batch",
        {"spec": {"schedule": "@daily", "suspend": True, "jobTemplate": {}}, "status": {}},
        {"Schedule": "@daily", "Suspend": "True", "Active": 0, "Last Schedule": "<none>"},
    ),
    "budget": (
        "poddisruptionbudgets.policy",
        {"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}},
        {"Min Available": "50%", "Max Unavailable": "N/A", "Allowed Disruptions": 1},
    ),
    "autoscaler": (
        "horizontalpodautoscalers.autoscaling",
        {
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "minReplicas": 2,
                "maxReplicas": 6,
                "metrics": [{"resource": {"name": "cpu", "target": {"averageUtilization": 80}}}],
            }
        },
        {"Reference": "Deployment/web", "Targets": "cpu: <unknown>/80%", "MinPods": "2"},
    ),
    "claim": (
        "persistentvolumeclaims",
        {
            "spec": {"accessModes": ["ReadWriteMany"], "volumeName": "v"},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
        },
        {"Status": "Bound", "Volume": "v", "Capacity": "1Gi", "Access Modes": "RWX"},
    ),
    "quota": (
        "resourcequotas",
        {
            "spec": {"hard": {"pods": "10", "limits.cpu": "4"}},
            "status": {"used": {"pods": "3", "limits.cpu": "1"}},
        },
        {"Request": "pods: 3/10", "Limit": "limits.cpu: 1/4"},
    ),
    "service": (
        "services",
        {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}},
        {"Type": "NodePort", "Port(s)": "80:30080/TCP", "External-IP": "<none>"},
    ),
    "kind without columns of its own": (
        "roles.rbac.authorization.k8s.io",
        {},
        {"Created At": CREATED},
    ),
}


@pytest.mark.parametrize(("key", "obj", "expected"), ROWS.values(), ids=ROWS)
def test_row(key: str, obj: Object, expected: dict[str, Any]) -> None:
    row = cells(key, obj)
    assert {name: row[name] for name in expected} == expected


@pytest.mark.parametrize("key", sorted({r.key for r in BUILT_IN if "list" in r.verbs}))
def test_every_kind_has_a_row_even_for_an_empty_object(key: str) -> None:
    assert "x" in cells(key, {}, wide=True).values()


def test_both_versions_of_an_event_show_the_same() -> None:
    core = {"involvedObject": {"kind": "Pod", "name": "p"}, "message": "m", "reason": "r"}
    newer = {"regarding": {"kind": "Pod", "name": "p"}, "note": "m", "reason": "r"}
    row = cells("events", core)
    assert row == cells("events.events.k8s.io", newer)
    assert (row["Object"], row["Message"]) == ("pod/p", "m")


@pytest.mark.parametrize(
    ("include", "kind"), [("Metadata", "PartialObjectMetadata"), ("Object", "Pod"), ("None", None)]
)
def test_rows_carry_what_was_asked_for(include: str, kind: str | None) -> None:
    pod = {"kind": "Pod", **pod_with({}, name="x", creationTimestamp=CREATED)}
    row = render_table(resource("pods"), [pod], NOW, include)["rows"][0]
    assert row.get("object", {}).get("kind") == kind


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600, "8h"),
        (48 * 3600, "2d"),
        (49 * 3600, "2d1h"),
        (8 * 86400, "8d"),
        (365 * 86400, "365d"),
        (2 * 365 * 86400, "2y"),
        (2 * 365 * 86400 + 86400, "2y1d"),
        (9 * 365 * 86400 + 86400, "9y"),
    ],
)
def test_durations_read_as_in_kubectl(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
