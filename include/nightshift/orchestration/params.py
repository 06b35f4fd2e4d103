"""The form of a manual run. Scheduled runs take the defaults: everything that changed."""

from pathlib import Path

from airflow.sdk import Param

from nightshift.domain.placement.names import StrategyName
from nightshift.settings import Settings

SCANNERS = Path(__file__).parents[1] / "scanners"
_OPTIONAL_LIST = ["null", "array"]
"""Without null, the form marks a field as required."""


def nightly_params(settings: Settings) -> dict[str, Param]:
    """Build the params of ``nightly_scan``; Airflow checks them and answers 400 to a bad run."""
    names = {"type": "string", "maxLength": 200}
    return {
        "accounts": Param(
            [],
            type=_OPTIONAL_LIST,
            items=names,
            title="Accounts",
            description="Only these accounts, one a line. Empty: all.",
        ),
        "repositories": Param(
            [],
            type=_OPTIONAL_LIST,
            items=names,
            title="Repositories",
            description="Only these, as account/name, one a line. Empty: all.",
        ),
        "scanners": Param(
            [],
            type=_OPTIONAL_LIST,
            items={"type": "string", "enum": list_scanners()},
            examples=list_scanners(),
            title="Scanners",
            description="Only these. Empty: those that each repository lists, or all.",
        ),
        "ref": Param(
            None,
            type=["null", "string"],
            maxLength=200,
            title="Branch, tag or commit",
            description="Instead of each repository's own. Empty: the default branch.",
        ),
        "strategy": Param(
            settings.strategy,
            type="string",
            enum=[name.value for name in StrategyName],
            title="Placement strategy",
            description="How nodes are ranked and which node each pod prefers.",
        ),
        "steering": Param(
            settings.steering,
            type="string",
            enum=["auto", "soft", "names", "nominate", "pool", "pool+nominate"],
            title="Steering",
            description="How firmly pods are led to their planned nodes. auto: the strongest that "
            "makes sense and is allowed. The plan says which it was, and why.",
        ),
        "order": Param(
            settings.wave_order,
            type="string",
            enum=["fifo", "shortest", "longest"],
            title="Order",
            description="Which pods of an account start first when not all fit at once.",
        ),
        "force": Param(
            False,
            type="boolean",
            title="Scan unchanged repositories too",
            description="Otherwise a repository that was scanned at the same commit, with the "
            "same scanner and rules, is skipped.",
        ),
        "batch_file": Param(
            None,
            type=["null", "string"],
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.json$",
            title="Batch file",
            description="A file in the folder batches/ of the configuration, instead of "
            "repositories.yaml.",
        ),
    }


def list_scanners() -> list[str]:
    """List the scanners by their folders; reading their files would cost every parse."""
    return sorted(path.parent.name for path in SCANNERS.glob("*/scanner.yaml"))
