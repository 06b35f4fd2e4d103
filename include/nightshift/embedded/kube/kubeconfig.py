"""The kubeconfig that opens the embedded cluster: its address, its CA and the only token."""

import base64
import secrets
from pathlib import Path

import yaml

from nightshift.embedded.kube.privatefiles import write_private

CONTEXT = "nightshift-embedded"
_TOKEN_BYTES = 32


def load_token(path: Path) -> str:
    """Read the token, or make one; the file has mode 0600."""
    if path.is_file() and (token := path.read_text().strip()):
        path.chmod(0o600)
        return token
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    write_private(path, token.encode())
    return token


def write_kubeconfig(path: Path, url: str, ca_pem: bytes, token: str) -> None:
    """Write a kubeconfig (mode 0600) with everything in it, so that the file may be copied."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": CONTEXT,
                "cluster": {
                    "server": url,
                    "certificate-authority-data": base64.b64encode(ca_pem).decode(),
                },
            }
        ],
        "users": [{"name": CONTEXT, "user": {"token": token}}],
        "contexts": [
            {
                "name": CONTEXT,
                "context": {"cluster": CONTEXT, "user": CONTEXT, "namespace": "default"},
            }
        ],
        "current-context": CONTEXT,
    }
    write_private(path, yaml.safe_dump(content, sort_keys=False).encode())
