"""Azure's client from an Airflow connection; imports Azure's packages, so import it in a function.

Login and password are an application's id and secret, with ``tenantId`` in the extra; without them
Azure's own chain finds who we are (workload identity, managed identity). ``subscriptionId`` is
needed in any case.
"""

from azure.core.credentials import TokenCredential
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.mgmt.containerservice import ContainerServiceClient

from nightshift.errors import ConfigError
from nightshift.nodepools.logins import Login

TIMEOUT_SECONDS = 30


def connect(login: Login, where: str) -> ContainerServiceClient:
    """Build the client; nothing is sent before it is used, and we repeat calls ourselves.

    :param where: the connection, for messages.
    :raises ConfigError: if the connection lacks something.
    """
    subscription = str(login.extra.get("subscriptionId") or "")
    if not subscription:
        raise ConfigError(where, "lacks subscriptionId in its extra")
    return ContainerServiceClient(
        _credential(login, where),
        subscription,
        retry_total=0,
        connection_timeout=TIMEOUT_SECONDS,
        read_timeout=TIMEOUT_SECONDS,
    )


def _credential(login: Login, where: str) -> TokenCredential:
    if not login.login:
        return DefaultAzureCredential()
    tenant = str(login.extra.get("tenantId") or "")
    if not tenant or not login.password:
        raise ConfigError(where, "has a login, so it needs its password and tenantId in its extra")
    try:
        return ClientSecretCredential(tenant, login.login, login.password)
    except ValueError as error:  # Azure's own words for an id of a wrong form
        raise ConfigError(where, str(error)) from error
