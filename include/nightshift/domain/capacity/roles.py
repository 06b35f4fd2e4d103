"""Which pods keep the cluster, and us, going; told by the labels that their charts put on them.

The labels are those of the projects' own manifests and charts. A pod that carries none of them is
ordinary; name its namespace in the policy's ``protect`` where that is wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.domain.capacity.drain_pods import DrainPod, is_scan_pod
from nightshift.domain.capacity.drain_pods import is_leader as is_leader  # a pod's place in its set
from nightshift.domain.capacity.selectors import LabelSelector, parse_label_selector
from nightshift.domain.capacity.snapshots import Role

_NAME_LABELS = ("app.kubernetes.io/name", "k8s-app", "app", "component", "name")
_NAMES: Mapping[str, Role] = {
    "kube-dns": Role.DNS,
    "coredns": Role.DNS,
    "ingress-nginx": Role.INGRESS,
    "nginx-ingress": Role.INGRESS,
    "traefik": Role.INGRESS,
    "haproxy-ingress": Role.INGRESS,
    "contour": Role.INGRESS,
    "envoy-gateway": Role.INGRESS,
    "istio-ingressgateway": Role.INGRESS,
    "istiod": Role.NETWORK,
    "calico-typha": Role.NETWORK,
    "calico-kube-controllers": Role.NETWORK,
    "tigera-operator": Role.NETWORK,
    "cilium-operator": Role.NETWORK,
    "cluster-autoscaler": Role.AUTOSCALER,
    "aws-cluster-autoscaler": Role.AUTOSCALER,
    "clusterapi-cluster-autoscaler": Role.AUTOSCALER,
    "karpenter": Role.AUTOSCALER,
    "keda-operator": Role.AUTOSCALER,
    "airflow": Role.AIRFLOW,
}
_VOLUME_DRIVER = "csi"


@dataclass(frozen=True, slots=True)
class OwnPods:
    """What is ours in this cluster; everything is empty where Airflow runs elsewhere.

    :param task: ``namespace/name`` of the pod that this very task runs in.
    :param airflow: which pods Airflow is made of; the labels are those of its Helm chart.
    :param database: which pods keep Airflow's database and our store.
    """

    task: str = ""
    airflow: tuple[LabelSelector, ...] = (parse_label_selector("tier=airflow,component"),)
    database: tuple[LabelSelector, ...] = (
        parse_label_selector(
            "app.kubernetes.io/part-of=nightshift,app.kubernetes.io/component=database"
        ),
    )


def roles_of(pod: DrainPod, own: OwnPods) -> frozenset[Role]:
    """Say what a pod is to the cluster and to us; nothing for most pods, and for scans."""
    roles = set()
    if own.task and pod.key == own.task:
        roles.add(Role.SELF)
    if is_scan_pod(pod):
        return frozenset(roles)
    if any(selector.matches(pod.labels) for selector in own.airflow):
        roles.add(Role.AIRFLOW)
    if any(selector.matches(pod.labels) for selector in own.database):
        roles.add(Role.DATABASE)
    for key in _NAME_LABELS:
        name = pod.labels.get(key, "")
        if name in _NAMES:
            roles.add(_NAMES[name])
        elif _VOLUME_DRIVER in name.split("-"):
            roles.add(Role.STORAGE)
    return frozenset(roles)
