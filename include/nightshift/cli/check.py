"""``nightshift config check``: every fault of settings and reviewed files at once."""

from collections.abc import Callable
from pathlib import Path

import typer

from nightshift.cli.batches import allowed_by, read_scanners
from nightshift.cli.rank import choose_strategy
from nightshift.cli.shell import Shell
from nightshift.clock import utc_now
from nightshift.config.capacity_policies import POLICY, read_capacity_policy
from nightshift.config.job_templates import read_job_template
from nightshift.config.repositories import read_repositories
from nightshift.domain.windows.due import format_local
from nightshift.domain.windows.spans import plan_windows
from nightshift.errors import ConfigError, NightshiftError
from nightshift.settings import CONFIG_DIR, Settings, list_misspelt

REGISTRY = "repositories.yaml"
TEMPLATE = "job-template.yaml"


def check(context: typer.Context) -> None:
    """Check settings and reviewed files.

    These are the settings, the scanners, repositories.yaml, the Job template and the weekend's
    capacity.yaml with its calendars. Needs neither a cluster nor a database. Every part is checked,
    also after a fault.
    """
    shell: Shell = context.obj
    settings = shell.settings()  # the rest cannot be found without them
    for strange, meant in list_misspelt(shell.environ):
        shell.say(f"{strange} is not a setting; did you mean {meant}?")
    checks: list[tuple[str, Callable[[], str]]] = [
        ("settings", lambda: f"strategy {choose_strategy(None, settings)}"),
        ("scanners", lambda: ", ".join(read_scanners(settings))),
        (REGISTRY, lambda: _check_registry(settings)),
        (TEMPLATE, lambda: _check_template(settings)),
        (POLICY, lambda: _check_policy(settings)),
    ]
    results = [_report(shell, name, one) for name, one in checks]
    if not all(results):
        raise typer.Exit(1)


def template_path(settings: Settings) -> Path:
    """Give the operator's Job template, or ours where there is none."""
    return _own_or_ours(TEMPLATE, settings)


def policy_path(settings: Settings) -> Path:
    """Give the operator's capacity policy, or ours, which only observes."""
    return _own_or_ours(POLICY, settings)


def _own_or_ours(name: str, settings: Settings) -> Path:
    own = settings.config_dir / name
    return own if own.exists() else CONFIG_DIR / name


def _report(shell: Shell, name: str, one: Callable[[], str]) -> bool:
    try:
        shell.print_text(f"ok      {name}: {one()}")
    except NightshiftError as error:
        shell.print_text(f"FAULTY  {name}")
        shell.say(f"nightshift: {error}")
        return False
    return True


def _check_registry(settings: Settings) -> str:
    path = settings.config_dir / REGISTRY
    if not path.exists():
        raise ConfigError(str(path), "is not there; copy repositories.example.yaml and edit it")
    registry = read_repositories(path, allowed_by(settings))
    repositories = sum(1 for _ in registry)
    return f"{len(registry.accounts)} accounts, {repositories} repositories"


def _check_template(settings: Settings) -> str:
    path = template_path(settings)
    read_job_template(path)
    return f"{path.name} can be filled in"


def _check_policy(settings: Settings) -> str:
    now = utc_now()
    policy = read_capacity_policy(policy_path(settings), now.date())
    schedule = policy.schedule
    coming = plan_windows(schedule).next_after(now)
    begin = format_local(coming.down, schedule) if coming else "never"
    return f"{policy.name} on {policy.cluster}, mode {policy.mode}, next window {begin}"
