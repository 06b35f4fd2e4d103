"""What pods are given

Environment, configuration, secrets, and volumes with their claims.
"""

from typing import Any

import pytest

from tests.contract.access import Api, Object, condition


def mounting(pod: Object, *mounts: Object, volumes: list[Object]) -> Object:
    pod["spec"]["containers"][0]["volumeMounts"] = list(mounts)
    pod["spec"]["volumes"] = volumes
    return pod


@pytest.fixture
def filled(api: Api) -> Api:
    """A ConfigMap ``c`` and a Secret ``s``."""
    api.create("configmaps", {"metadata": {"name": "c"}, "data": {"KEY": "value", "f.txt": "file"}})
    api.create("secrets", {"metadata": {"name": "s"}, "stringData": {"TOKEN": "hidden"}})
    return api


SOURCES: dict[str, tuple[Object, str]] = {
    "a value": ({"value": "plain"}, "plain"),
    "a value with a reference": ({"value": "$(FIRST)-b $$(FIRST)"}, "a-b $(FIRST)"),
    "a key of a config map": (
        {"valueFrom": {"configMapKeyRef": {"name": "c", "key": "KEY"}}},
        "value",
    ),
    "a key of a secret": ({"valueFrom": {"secretKeyRef": {"name": "s", "key": "TOKEN"}}}, "hidden"),
    "the pod's name": ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, "p"),
    "a label": ({"valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}, "p"),
    "its memory limit": (
        {"valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
        "67108864",
    ),
    "an optional key that is missing": (
        {"valueFrom": {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}},
        "",
    ),
}


@pytest.mark.parametrize("case", SOURCES)
def test_variable_comes_from(filled: Api, case: str) -> None:
    source, expected = SOURCES[case]
    pod = filled.pod("p", 'printf "%s" "$WANTED"')
    container = pod["spec"]["containers"][0]
    container["env"] = [{"name": "FIRST", "value": "a"}, {"name": "WANTED", **source}]
    container["resources"] = {"limits": {"memory": "64Mi"}}
    assert filled.run(pod)["status"]["phase"] == "Succeeded"
    assert filled.log("p").text == expected


def test_all_keys_of_config_map_and_secret_become_variables(filled: Api) -> None:
    pod = filled.pod("p", 'echo "$KEY $X_TOKEN"')
    pod["spec"]["containers"][0]["envFrom"] = [
        {"configMapRef": {"name": "c"}},
        {"secretRef": {"name": "s"}, "prefix": "X_"},
    ]
    filled.run(pod)
    assert filled.log("p").text == "value hidden\n"


def test_container_with_a_missing_secret_waits_and_starts_when_it_is_there(api: Api) -> None:
    pod = api.pod("p", "echo $TOKEN")
    pod["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "s"}}]
    api.create("pods", pod)

    def waits(found: Object) -> bool:
        told = found["status"].get("containerStatuses", [])
        reasons = [status["state"].get("waiting", {}).get("reason") for status in told]
        return reasons == ["CreateContainerConfigError"]

    found = api.wait("pods", "p", waits, "waiting for its secret")
    message = found["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert message == 'secret "s" not found'
    api.create("secrets", {"metadata": {"name": "s"}, "stringData": {"TOKEN": "late"}})
    api.wait_phase("p", "Succeeded")
    assert api.log("p").text == "late\n"


def test_config_map_and_secret_are_files(filled: Api) -> None:
    pod = mounting(
        filled.pod("p", "cat /c/f.txt /c/KEY /s/token; ls /s"),
        {"name": "c", "mountPath": "/c"},
        {"name": "s", "mountPath": "/s", "readOnly": True},
        volumes=[
            {"name": "c", "configMap": {"name": "c"}},
            {
                "name": "s",
                "secret": {"secretName": "s", "items": [{"key": "TOKEN", "path": "token"}]},
            },
        ],
    )
    assert filled.run(pod)["status"]["phase"] == "Succeeded"
    assert filled.log("p").text == "filevaluehiddentoken\n"


def test_read_only_mount_refuses_writes(filled: Api) -> None:
    pod = mounting(
        filled.pod("p", "echo x > /v/file"),
        {"name": "v", "mountPath": "/v", "readOnly": True},
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    assert filled.run(pod)["status"]["phase"] == "Failed"
    assert "Read-only file system" in filled.log("p").text


def test_empty_dir_is_shared_by_the_containers_of_a_pod(api: Api) -> None:
    mount = {"name": "v", "mountPath": "/v"}
    pod = api.pod("p", "until cat /v/file; do sleep 0.1; done 2> /dev/null")
    pod = mounting(pod, mount, volumes=[{"name": "v", "emptyDir": {}}])
    side = api.pod("x", "echo shared > /v/new; mv /v/new /v/file")["spec"]["containers"][0]
    pod["spec"]["containers"].append({**side, "name": "side", "volumeMounts": [mount]})
    assert api.run(pod)["status"]["phase"] == "Succeeded"
    assert api.log("p").text == "shared\n"


def test_sub_path_shows_one_folder_of_a_volume(api: Api) -> None:
    pod = mounting(
        api.pod("p", "echo inside > /out/file; cat /all/out/file"),
        {"name": "v", "mountPath": "/all"},
        {"name": "v", "mountPath": "/out", "subPath": "out"},
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    assert api.run(pod)["status"]["phase"] == "Succeeded"
    assert api.log("p").text == "inside\n"


def volume(api: Api, **spec: Any) -> Object:
    """Build a volume in a folder of a node, for a claim of the test's namespace only."""
    return {
        "metadata": {"name": api.namespace},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "contract",
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"namespace": api.namespace, "name": "claim"},
            "hostPath": {"path": f"{api.volumes}/{api.namespace}", "type": "DirectoryOrCreate"},
            **spec,
        },
    }


def claim(**spec: Any) -> Object:
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "contract",
        "resources": {"requests": {"storage": "1Gi"}},
        **spec,
    }
    return {"metadata": {"name": "claim"}, "spec": wanted}


def claiming(pod: Object) -> Object:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}]
    return mounting(pod, {"name": "v", "mountPath": "/v"}, volumes=volumes)


@pytest.fixture
def bound(api: Api) -> Any:
    """A claim ``claim`` that is bound to a volume of its own."""
    api.create("persistentvolumes", volume(api))
    api.create("persistentvolumeclaims", claim())
    api.wait("persistentvolumeclaims", "claim", lambda c: c["status"]["phase"] == "Bound", "bound")
    yield api
    api.delete("persistentvolumes", api.namespace)


def test_claim_is_bound_to_the_volume_that_is_kept_for_it(bound: Api) -> None:
    found = bound.read("persistentvolumeclaims", "claim")
    assert found["spec"]["volumeName"] == bound.namespace
    assert found["status"]["capacity"] == {"storage": "1Gi"}
    kept = bound.wait(
        "persistentvolumes", bound.namespace, lambda v: v["status"]["phase"] == "Bound", "bound"
    )
    assert kept["spec"]["claimRef"]["uid"] == found["metadata"]["uid"]


def test_pods_of_a_claim_see_what_earlier_ones_wrote(bound: Api) -> None:
    place = {"nodeName": bound.nodes[0], "securityContext": {"runAsUser": 0}}
    bound.run(claiming(bound.pod("first", "echo kept > /v/file", **place)))
    bound.run(claiming(bound.pod("second", "cat /v/file; rm /v/file", **place)))
    assert bound.log("second").text == "kept\n"


def test_claim_in_use_stays_until_its_pod_is_gone(bound: Api) -> None:
    bound.create("pods", claiming(bound.pod("p", "sleep 600")))
    bound.wait_ready("p")
    bound.delete("persistentvolumeclaims", "claim")
    found = bound.read("persistentvolumeclaims", "claim")
    assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    assert found["metadata"]["deletionTimestamp"]
    bound.delete("pods", "p", gracePeriodSeconds=0)
    bound.wait_gone("persistentvolumeclaims", "claim")


def test_retained_volume_is_released_when_its_claim_goes(bound: Api) -> None:
    bound.delete("persistentvolumeclaims", "claim")
    bound.wait_gone("persistentvolumeclaims", "claim")
    bound.wait(
        "persistentvolumes", bound.namespace, lambda v: v["status"]["phase"] == "Released", "free"
    )


def test_pod_of_a_missing_claim_is_unschedulable(api: Api) -> None:
    api.create("pods", claiming(api.pod("p")))
    pod = api.wait("pods", "p", lambda p: condition(p, "PodScheduled").get("reason"), "refused")
    assert 'persistentvolumeclaim "claim" not found' in condition(pod, "PodScheduled")["message"]


def test_claim_that_no_volume_suits_is_pending(api: Api) -> None:
    api.create("persistentvolumes", volume(api, accessModes=["ReadOnlyMany"]))
    try:
        api.create("persistentvolumeclaims", claim())
        assert api.read("persistentvolumeclaims", "claim")["status"]["phase"] == "Pending"
        api.create("pods", claiming(api.pod("p")))
        pod = api.wait("pods", "p", lambda p: condition(p, "PodScheduled").get("reason"), "refused")
        assert (
            "unbound immediate PersistentVolumeClaims" in condition(pod, "PodScheduled")["message"]
        )
    finally:
        api.delete("persistentvolumes", api.namespace)


def test_claim_is_fixed_but_for_its_size(api: Api) -> None:
    api.create("persistentvolumeclaims", claim())
    body = {"spec": {"accessModes": ["ReadWriteMany"]}}
    path = api.path("persistentvolumeclaims", "claim")
    status = api.refused(422, "PATCH", path, body, patch="merge")
    assert "spec is immutable after creation" in status["message"]
