"""``nightshift migrate | install``: the tables, and what must be in the cluster."""

import secrets

import typer

from nightshift.cli.shell import Shell

FINGERPRINT_KEY = "fingerprint-key"


def migrate(context: typer.Context) -> None:
    """Create or upgrade the store's tables; safe to repeat, by several at once."""
    from nightshift.store.schema import migrate as migrate_store  # late: `--help` needs no database

    shell: Shell = context.obj
    version = migrate_store(shell.settings().writer_url())
    shell.out.print(f"the store is at version {version}")


def install(context: typer.Context) -> None:
    """Make the namespace and the database's secret in the cluster; safe to repeat.

    The secret's fingerprint key tells findings of secrets apart without storing them. It is made
    once; NIGHTSHIFT_FINGERPRINT_KEY sets it, when a cluster is made anew for the same store.
    """
    from nightshift.cluster.client import connect  # late: `--help` needs no Kubernetes client
    from nightshift.cluster.installation import ensure_namespace, ensure_secret, read_secret

    shell: Shell = context.obj
    settings = shell.settings()
    cluster = connect(settings)
    made = ensure_namespace(cluster)
    shell.out.print(f"namespace {settings.namespace}: {'made' if made else 'is there'}")
    name = settings.database_secret
    key = (
        shell.environ.get("NIGHTSHIFT_FINGERPRINT_KEY")
        or read_secret(cluster, name).get(FINGERPRINT_KEY)
        or secrets.token_hex(32)
    )
    values = {"url": settings.writer_url(), FINGERPRINT_KEY: key}
    changed = ensure_secret(cluster, name, values)
    shell.out.print(f"secret {name}: {'written' if changed else 'is up to date'}")
