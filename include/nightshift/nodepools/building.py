"""From a policy's node pool to its driver; a vendor's client is imported only for its own pools."""

from collections.abc import Callable

from nightshift.cluster.client import Cluster
from nightshift.domain.capacity.policies_pools import NodePool, PoolDriver
from nightshift.errors import ConfigError
from nightshift.nodepools.cluster_api import ClusterApiPool
from nightshift.nodepools.drain_only import DrainOnly
from nightshift.nodepools.drivers import NodePoolDriver, Tempo
from nightshift.nodepools.karpenter import KarpenterPool
from nightshift.nodepools.logins import Login

Logins = Callable[[str], Login]
"""Gives the connection of an id."""


def build_drivers(
    pools: tuple[NodePool, ...], cluster: Cluster, logins: Logins, tempo: Tempo
) -> dict[str, NodePoolDriver]:
    """Build the driver of every pool, by the policy's names.

    :param tempo: how long a driver waits for its cloud before it says that something was done.
    :raises ConfigError: naming the pool, if its driver's client is not installed.
    """
    return {pool.name: build_driver(pool, cluster, logins, tempo) for pool in pools}


def build_driver(pool: NodePool, cluster: Cluster, logins: Logins, tempo: Tempo) -> NodePoolDriver:
    """Build one pool's driver.

    :raises ConfigError: if its client is not installed, or this version does not have the driver.
    """
    params = pool.params
    match pool.driver:
        case PoolDriver.DRAIN_ONLY:
            return DrainOnly(pool.name)
        case PoolDriver.CLUSTER_API:
            return ClusterApiPool(
                pool.name, cluster, params["namespace"], params["machine_deployment"]
            )
        case PoolDriver.KARPENTER:
            return KarpenterPool(pool.name, cluster, params["node_pool"])
        case PoolDriver.EKS:
            return _build_eks(pool, cluster, logins(params["conn_id"]))
        case PoolDriver.GKE:
            return _build_gke(pool, cluster, logins(params["conn_id"]), tempo)
        case PoolDriver.AKS:
            return _build_aks(pool, cluster, logins(params["conn_id"]), tempo)
        case _:
            raise ConfigError(f"node pool {pool.name}", f"this version has no driver {pool.driver}")


def _build_eks(pool: NodePool, cluster: Cluster, login: Login) -> NodePoolDriver:
    """Build the clients from a connection; without keys boto3's own chain finds a role."""
    try:
        import boto3
    except ImportError as error:
        raise _lacks(pool, "boto3") from error
    from nightshift.nodepools.eks import EksPool

    region = pool.params.get("region") or login.extra.get("region_name")
    session = boto3.session.Session(
        aws_access_key_id=login.login or None,
        aws_secret_access_key=login.password or None,
        region_name=str(region) if region else None,
    )
    try:
        eks, autoscaling = session.client("eks"), session.client("autoscaling")
    except ValueError as error:  # boto3's own words for a missing region
        raise ConfigError(f"node pool {pool.name}", str(error)) from error
    params = pool.params
    return EksPool(pool.name, cluster, eks, autoscaling, params["cluster"], params["nodegroup"])


def _build_gke(pool: NodePool, cluster: Cluster, login: Login, tempo: Tempo) -> NodePoolDriver:
    try:
        from nightshift.nodepools.google_logins import connect
    except ImportError as error:
        raise _lacks(pool, "google-cloud-container google-cloud-compute") from error
    from nightshift.nodepools.gke import GkePool

    params = pool.params
    clusters, groups = connect(login, f"connection {params['conn_id']}")
    place = f"projects/{params['project']}/locations/{params['location']}"
    names = place, params["cluster"], params["node_pool"]
    return GkePool(pool.name, cluster, clusters, groups, *names, tempo)


def _build_aks(pool: NodePool, cluster: Cluster, login: Login, tempo: Tempo) -> NodePoolDriver:
    try:
        from nightshift.nodepools.azure_logins import connect
    except ImportError as error:
        raise _lacks(pool, "azure-mgmt-containerservice azure-identity") from error
    from nightshift.nodepools.aks import AksPool

    params = pool.params
    azure = connect(login, f"connection {params['conn_id']}")
    names = params["resource_group"], params["cluster"], params["agent_pool"]
    return AksPool(pool.name, cluster, azure, *names, tempo)


def _lacks(pool: NodePool, package: str) -> ConfigError:
    return ConfigError(
        f"node pool {pool.name}",
        f"its driver {pool.driver} needs {package}; install it with the extra {pool.driver}, as in "
        f"pip install {package}",
    )
