"""The control plane's processes: what each is told. Nothing is started here."""

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tests.kube.certificates import ADMIN_GROUP, Authority, Identity, Pair, make_token_key
from tests.kube.kubeconfigs import write_kubeconfig
from tests.kube.layout import Layout
from tests.kube.networks import Network
from tests.kube.options import Options

LOOPBACK = IPv4Address("127.0.0.1")
_NOWHERE = IPv4Address("192.0.2.1")  # RFC 5737: an API server on loopback cannot advertise itself


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports on loopback, free when they were chosen; ``api`` is on ``Place.address``."""

    etcd: int
    etcd_peer: int
    api: int
    controllers: int
    scheduler: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the API is served.

    :param advertised: the address in the ``kubernetes`` Service.
    """

    address: IPv4Address
    advertised: IPv4Address
    services: IPv4Network
    ports: Ports

    @property
    def url(self) -> str:
        """The API server's address."""
        return f"https://{self.address}:{self.ports.api}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the parts know each other by; the kubeconfigs are files."""

    authority: Path
    serving: Pair
    kubelet_client: Pair
    tokens: Pair
    admin: Path
    controllers: Path
    scheduler: Path


def loopback_place(ports: Ports) -> Place:
    """Serve this machine only."""
    return Place(LOOPBACK, _NOWHERE, IPv4Network("10.0.0.0/24"), ports)


def bridge_place(network: Network, ports: Ports) -> Place:
    """Serve the cluster's own network: nodes, pods and this machine."""
    return Place(network.host, network.host, network.services, ports)


def make_credentials(layout: Layout, authority: Authority, place: Place) -> Credentials:
    """Make every certificate of the control plane, and the kubeconfigs of its clients."""
    folder = layout.certificates
    first_service = place.services[1]
    names = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    addresses = (LOOPBACK, place.address, first_service)
    serving = Identity("kube-apiserver", names=names, addresses=addresses)
    clients = {
        "admin": Identity("nightshift-admin", (ADMIN_GROUP,)),
        "controllers": Identity("system:kube-controller-manager"),
        "scheduler": Identity("system:kube-scheduler"),
    }
    configs = {
        name: write_kubeconfig(
            layout.kubeconfig if name == "admin" else folder / f"{name}.kubeconfig",
            place.url,
            authority.file,
            authority.issue(name, identity),
        )
        for name, identity in clients.items()
    }
    kubelet_client = Identity("kube-apiserver-kubelet-client", (ADMIN_GROUP,))
    return Credentials(
        authority.file,
        authority.issue("api-server", serving),
        authority.issue("api-server-to-kubelet", kubelet_client),
        make_token_key(folder),
        configs["admin"],
        configs["controllers"],
        configs["scheduler"],
    )


def etcd_command(layout: Layout, place: Place, options: Options) -> list[str]:
    """Run etcd on loopback; writes are not flushed to disk, since the cluster does not last."""
    client = f"http://{LOOPBACK}:{place.ports.etcd}"
    peer = f"http://{LOOPBACK}:{place.ports.etcd_peer}"
    return [
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--logger=zap",
        "--log-level=warn",
        f"--quota-backend-bytes={4 << 30}",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=5m",
        *options.more("etcd"),
    ]


def api_server_command(place: Place, credentials: Credentials, options: Options) -> list[str]:
    """Run the API server with Node and RBAC authorization and the default admission plugins.

    By default those include PodSecurity, ResourceQuota, LimitRanger, Priority,
    DefaultStorageClass and TaintNodesByCondition.
    """
    reconciler = "none" if place.address == LOOPBACK else "lease"
    return [
        f"--etcd-servers=http://{LOOPBACK}:{place.ports.etcd}",
        f"--bind-address={place.address}",
        f"--secure-port={place.ports.api}",
        f"--advertise-address={place.advertised}",
        f"--endpoint-reconciler-type={reconciler}",
        f"--service-cluster-ip-range={place.services}",
        f"--client-ca-file={credentials.authority}",
        f"--tls-cert-file={credentials.serving.certificate}",
        f"--tls-private-key-file={credentials.serving.key}",
        f"--kubelet-certificate-authority={credentials.authority}",
        f"--kubelet-client-certificate={credentials.kubelet_client.certificate}",
        f"--kubelet-client-key={credentials.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={credentials.tokens.certificate}",
        f"--service-account-signing-key-file={credentials.tokens.key}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        *options.gates(),
        *options.more("kube-apiserver"),
    ]


def controller_manager_command(
    place: Place, credentials: Credentials, options: Options
) -> list[str]:
    """Run every controller, each with its own service account, as kubeadm does."""
    return [
        f"--kubeconfig={credentials.controllers}",
        f"--authentication-kubeconfig={credentials.controllers}",
        f"--authorization-kubeconfig={credentials.controllers}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={place.ports.controllers}",
        f"--cert-dir={credentials.authority.parent}",
        f"--root-ca-file={credentials.authority}",
        f"--service-account-private-key-file={credentials.tokens.key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--profiling=false",
        "--kube-api-qps=200",  # namespaces of tests come and go by the dozen
        "--kube-api-burst=400",
        *options.gates(),
        *options.more("kube-controller-manager"),
    ]


def scheduler_command(
    layout: Layout, place: Place, credentials: Credentials, options: Options
) -> list[str]:
    """Run the scheduler with its default profile, unless the options say otherwise."""
    file = layout.certificates / "scheduler.json"
    file.write_text(json.dumps(_scheduler_configuration(credentials, options), indent=1))
    return [
        f"--config={file}",
        f"--authentication-kubeconfig={credentials.scheduler}",
        f"--authorization-kubeconfig={credentials.scheduler}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={place.ports.scheduler}",
        f"--cert-dir={credentials.authority.parent}",
        *options.gates(),
        *options.more("kube-scheduler"),
    ]


def _scheduler_configuration(credentials: Credentials, options: Options) -> dict[str, object]:
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"qps": 1000, "burst": 2000},
        **options.scheduler,
    } | {
        "clientConnection": {
            "qps": 1000,
            "burst": 2000,
            **dict(options.scheduler.get("clientConnection", {})),
            "kubeconfig": str(credentials.scheduler),
        }
    }


def kwok_command(kwok: Path, credentials: Credentials, options: Options) -> list[str | Path]:
    """Run kwok for the nodes that are annotated as fake.

    :param kwok: the folder of its build.
    """
    return [
        kwok / "kwok",
        f"--config={kwok / 'stages.yaml'}",
        f"--kubeconfig={credentials.admin}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--manage-all-nodes=false",
        "--node-lease-duration-seconds=40",
        *options.more("kwok"),
    ]
