"""Google's clients from an Airflow connection; imports Google's packages, so only in functions.

The extra may have ``keyfile_dict``, a service account's key, as Airflow's Google connections do;
without it Google's own chain finds who we are (workload identity, for instance).
"""

import json
from collections.abc import Mapping

import google.auth
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.cloud.compute_v1.services.instance_group_managers import InstanceGroupManagersClient
from google.cloud.container_v1 import ClusterManagerClient
from google.oauth2 import service_account

from nightshift.errors import ConfigError
from nightshift.nodepools.instance_groups import InstanceGroups
from nightshift.nodepools.logins import Login

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


def connect(login: Login, where: str) -> tuple[ClusterManagerClient, InstanceGroups]:
    """Build both clients, over plain HTTPS: gRPC and processes that fork do not go together well.

    :param where: the connection, for messages.
    :raises ConfigError: if there are no credentials, or they cannot be read.
    """
    try:
        credentials = _credentials(login.extra)
    except (GoogleAuthError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(where, f"has no credentials that Google takes: {error}") from error
    clusters = ClusterManagerClient(credentials=credentials, transport="rest")
    groups = InstanceGroupManagersClient(credentials=credentials)
    return clusters, InstanceGroups(groups)


def _credentials(extra: Mapping[str, object]) -> Credentials:
    key = extra.get("keyfile_dict")
    if not key:
        found: Credentials = google.auth.default(scopes=_SCOPES)[0]
        return found
    info = json.loads(key) if isinstance(key, str) else key
    read = service_account.Credentials.from_service_account_info
    made: Credentials = read(info, scopes=_SCOPES)  # type: ignore[no-untyped-call]  # Google's
    return made
