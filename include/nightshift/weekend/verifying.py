"""Do a tier's measures keep their bounds, after it was lowered and after it came back.

On a Friday a measure that does not is a failure, and the tier is brought back. On a Monday it is
only told: whatever it says, nothing is lowered and nothing is held up.
"""

import datetime as dt
from collections.abc import Callable

from nightshift.domain.capacity.policies import CapacityPolicy
from nightshift.domain.capacity.policies_targets import Measure
from nightshift.errors import NightshiftError
from nightshift.weekend.hands import Hands

VERIFY_PATIENCE = dt.timedelta(minutes=10)
"""A proposal: how long a measure may take to come back within its bound."""
_LOOK_SECONDS = 5.0

Holds = Callable[[Measure], bool]
"""Asks whether a measure keeps its bound now; no answer is no."""


def keeps_bound(measure: Measure, holds: Holds, hands: Hands) -> bool:
    """Wait until a measure has kept its bound for as long as the policy says; False in vain."""
    until = hands.clock() + measure.hold + VERIFY_PATIENCE
    since: dt.datetime | None = None
    while hands.clock() < until:
        now = hands.clock()
        since = (since or now) if holds(measure) else None
        if since is not None and now - since >= measure.hold:
            return True
        hands.journal.beat()
        hands.sleep(_LOOK_SECONDS)
    return False


def verify_raised(policy: CapacityPolicy, holds: Holds, hands: Hands) -> list[str]:
    """Say which tiers are not well now that all of them are back; reads only.

    :returns: a line for each measure out of bounds, from the bottom tier up.
    """
    faults = []
    for tier in reversed(policy.tiers):
        for measure in tier.verify:
            try:
                kept = keeps_bound(measure, holds, hands)
                why = "is out of bounds, or nobody answers"
            except NightshiftError as error:
                kept, why = False, f"could not be asked: {error}"
            if not kept:
                faults.append(f"after the tier {tier.name} came back, {measure.query} {why}")
    return faults
