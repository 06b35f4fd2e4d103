"""The labels that we put on what we create, and find it by again."""

from collections.abc import Mapping

from nightshift.domain.names import label_value
from nightshift.domain.pods import OUR_LABELS

BATCH = "nightshift/batch"
ACCOUNT = "nightshift/account"
SHARD = "nightshift/shard"
JOB = "nightshift/job"
RUN = "nightshift/run"
COMPONENT = "app.kubernetes.io/component"


def our_labels(component: str, **more: str) -> dict[str, str]:
    """Label an object of ours.

    :param component: what it is for, such as ``workspace`` or ``work-list``.
    :param more: batch, account, shard, job or run; any text, made safe as a label's value.
    """
    extra = {f"nightshift/{name}": label_value(text) for name, text in more.items()}
    return {**OUR_LABELS, COMPONENT: component, **extra}


def are_ours(labels: Mapping[str, str]) -> bool:
    """Tell whether an object with these labels was made by us."""
    return all(labels.get(name) == value for name, value in OUR_LABELS.items())


def selector(labels: Mapping[str, str]) -> str:
    """Write a label selector that asks for all of ``labels``."""
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
