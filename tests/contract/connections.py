"""How a kubeconfig is turned into a connection: address, trust and who we are."""

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Connection:
    """One API server, and who asks."""

    kubeconfig: Path
    url: str
    trust: ssl.SSLContext
    headers: dict[str, str]

    def open(self) -> httpx.Client:
        """Open a client with connections of its own."""
        return httpx.Client(
            base_url=self.url, verify=self.trust, headers=self.headers, timeout=TIMEOUT_SECONDS
        )


def read_kubeconfig(path: Path) -> Connection:
    """Read the current context: its server, CA, and token or certificate."""
    config = yaml.safe_load(path.read_text())
    contexts = {item["name"]: item["context"] for item in config["contexts"]}
    context = contexts[config["current-context"]]
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
    user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
    trust = ssl.create_default_context(cadata=_text(cluster, "certificate-authority"))
    headers = {}
    if "token" in user:
        headers["Authorization"] = f"Bearer {user['token']}"
    else:
        _load_certificate(trust, user)
    return Connection(path, cluster["server"], trust, headers)


def _text(entry: dict[str, Any], field: str) -> str:
    """Read what stands inline, or in the file that is named instead."""
    inline = entry.get(f"{field}-data")
    return base64.b64decode(inline).decode() if inline else Path(entry[field]).read_text()


def _load_certificate(trust: ssl.SSLContext, user: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile("w") as file:
        for field in ("client-certificate", "client-key"):
            file.write(_text(user, field))
        file.flush()
        trust.load_cert_chain(file.name)
