"""Nodes that are machines of their own to Kubernetes: pods run on them and reach each other."""

import socket
from concurrent.futures import ThreadPoolExecutor

from tests.kube.api import Api
from tests.kube.clusters import Cluster
from tests.kube.fake_nodes import is_ready
from tests.kube.real.pod_support import build_pod, run_pod, start_pod
from tests.kube.waits import wait_for

FETCH = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=10).read().decode())"


def test_every_node_is_ready_and_of_the_release_that_was_built(cluster: Cluster, api: Api) -> None:
    nodes = api.items("/api/v1/nodes")
    assert {node["metadata"]["name"] for node in nodes if is_ready(node)} == {"node-1", "node-2"}
    info = [node["status"]["nodeInfo"] for node in nodes]
    assert {one["kubeletVersion"] for one in info} == {cluster.binaries.version}
    assert len({node["status"]["addresses"][0]["address"] for node in nodes}) == 2


def test_pods_reach_each_other_across_nodes(api: Api, namespace: str) -> None:
    serve = ["python", "-m", "http.server", "8000", "--directory", "/etc"]
    server = start_pod(api, namespace, build_pod("server", serve, node="node-1"))
    address = server["status"]["podIP"]
    client = build_pod(
        "client", ["python", "-c", FETCH, f"http://{address}:8000/hostname"], node="node-2"
    )
    assert run_pod(api, namespace, client) == ("Succeeded", "server\n\n")


def test_pods_reach_this_machine_from_addresses_of_their_own(
    cluster: Cluster, api: Api, namespace: str
) -> None:
    host = str(cluster.place.address)
    with socket.create_server((host, 0)) as server, ThreadPoolExecutor(1) as pool:
        caller = pool.submit(_accept_one, server)
        call = f"import socket; socket.create_connection({server.getsockname()}, 10)"
        pod = build_pod("caller", ["python", "-c", call])
        assert run_pod(api, namespace, pod)[0] == "Succeeded"
        seen = caller.result(10)
    status = api.get(f"/api/v1/namespaces/{namespace}/pods/caller")["status"]
    assert seen == status["podIP"]


def _accept_one(server: socket.socket) -> str:
    server.settimeout(60)
    connection, address = server.accept()
    connection.close()
    return str(address[0])


def test_exec_and_logs_go_through_the_kubelet(cluster: Cluster, api: Api, namespace: str) -> None:
    start_pod(api, namespace, build_pod("sleeper", ["sh", "-c", "echo hello; sleep 60"]))
    words = ("--namespace", namespace)
    assert cluster.kubectl(*words, "exec", "sleeper", "--", "hostname") == "sleeper\n"
    assert cluster.kubectl(*words, "logs", "sleeper") == "hello\n"


def test_memory_over_the_limit_is_killed_by_the_kernel(api: Api, namespace: str) -> None:
    pod = build_pod("greedy", ["python", "-c", "x = bytearray(200_000_000); print(len(x))"])
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi", "cpu": "1"}}
    assert run_pod(api, namespace, pod)[0] == "Failed"
    status = api.get(f"/api/v1/namespaces/{namespace}/pods/greedy")["status"]
    assert status["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


def test_shared_volumes_are_one_tree_on_all_nodes_and_go_with_their_claims(
    cluster: Cluster, api: Api, namespace: str
) -> None:
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    size = {"requests": {"storage": "1Gi"}}
    api.post(
        claims,
        {"metadata": {"name": "w"}, "spec": {"accessModes": ["ReadWriteMany"], "resources": size}},
    )
    spec = {
        "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "w"}}],
        "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532},
    }
    for name, node, script in (
        ("writer", "node-1", "echo from one > /w/f"),
        ("reader", "node-2", "cat /w/f"),
    ):
        pod = build_pod(name, ["sh", "-c", script], node=node, spec=spec)
        pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "w", "mountPath": "/w"}]
        phase, log = run_pod(api, namespace, pod)
        assert (phase, log) == ("Succeeded", "from one\n" if name == "reader" else "")
        api.delete(f"/api/v1/namespaces/{namespace}/pods/{name}")
    folder = cluster.volumes / api.get(f"{claims}/w")["spec"]["volumeName"]
    assert (folder / "f").read_text() == "from one\n"
    api.delete(f"{claims}/w")
    wait_for("the volume to go", lambda: not folder.exists(), 30)
