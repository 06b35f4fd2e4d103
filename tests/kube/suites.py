"""The suites that run on a real cluster: ours in tests/kube/real, and the contract suite."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.kube.clusters import CHECKOUT, Cluster
from tests.kube.commands import Tell, run_in_foreground
from tests.kube.scanner_image import SCANNER_IMAGE

DATA_VARIABLE = "NIGHTSHIFT_KUBE_DATA"
_SCHEDULING = "tests/contract/scheduling"


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that run in one go.

    :param arguments: pytest's.
    """

    name: str
    arguments: tuple[str, ...]


SUITES = (
    Suite(
        "tests/contract, but for scheduling",
        ("tests/contract", f"--ignore={_SCHEDULING}", "-n", "3", "--dist", "loadfile"),
    ),
    Suite(_SCHEDULING, (_SCHEDULING,)),  # alone: it cordons and labels nodes that others use
    Suite("tests/kube/real", ("tests/kube/real",)),
)


def run_suites(cluster: Cluster, arguments: Sequence[str], tell: Tell) -> list[str]:
    """Run every suite, also after one that failed; give the names of those that did.

    :param arguments: more of pytest's.
    """
    failed = []
    for suite in SUITES:
        tell(f"pytest {suite.name}")
        argv = [sys.executable, "-m", "pytest", "-q", *suite.arguments, *arguments]
        if run_in_foreground(argv, env=suite_environment(cluster), cwd=CHECKOUT) != 0:
            failed.append(suite.name)
    return failed


def suite_environment(cluster: Cluster) -> dict[str, str]:
    """Give the environment that tells the suites where the cluster is."""
    return {
        **os.environ,
        DATA_VARIABLE: str(cluster.layout.data),
        "NIGHTSHIFT_CONTRACT_KUBECONFIG": str(cluster.kubeconfig),
        "NIGHTSHIFT_CONTRACT_IMAGE": SCANNER_IMAGE,
    }
