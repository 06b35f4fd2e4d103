"""Kubeconfig files with everything inline, so that they may be copied and read by any client."""

import base64
import json
import os
from pathlib import Path

from tests.kube.certificates import Pair

CONTEXT = "nightshift-kube"


def write_kubeconfig(path: Path, url: str, authority: Path, user: Pair | str) -> Path:
    """Write a kubeconfig (mode 0600) and give its path. It is JSON, which is YAML too.

    :param user: a certificate with its key, or a token.
    """
    cluster = {"server": url, "certificate-authority-data": _encode(authority)}
    context = {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": _credentials(user)}],
        "contexts": [{"name": CONTEXT, "context": context}],
        "current-context": CONTEXT,
    }
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
    return path


def _credentials(user: Pair | str) -> dict[str, str]:
    if isinstance(user, str):
        return {"token": user}
    return {
        "client-certificate-data": _encode(user.certificate),
        "client-key-data": _encode(user.key),
    }


def _encode(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
