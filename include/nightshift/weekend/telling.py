"""When whom is told what of a run: Dags and commands alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from nightshift.domain.capacity.messages import (
    Stayed,
    approval_message,
    blocked_message,
    failed_message,
    plan_message,
)
from nightshift.domain.capacity.plans import CapacityPlan
from nightshift.domain.leases.records import StepState
from nightshift.store.capacity_records import StepRecord
from nightshift.weekend.journals import StoreJournal
from nightshift.weekend.operations import Published
from nightshift.weekend.sessions import Session


@dataclass(frozen=True, slots=True)
class Links:
    """Where a run is shown; "" where no page shows it, as on the command line.

    :param form: where a person approves.
    """

    run: str = ""
    form: str = ""


def tell_plan(
    session: Session, journal: StoreJournal, published: Published, links: Links, *, asks: bool
) -> None:
    """Tell of a plan that lowers something, and ask for an approval.

    :param asks: False if nobody is to approve it: it was approved, or nothing is to be applied.
    """
    plan, notices = published.plan, session.notices(journal.run)
    if not plan.actions:
        return
    notices.tell(plan_message(plan, links.run))
    if asks and published.approve and not published.blocked:
        timeout = session.the_policy().approval.timeout
        notices.tell(approval_message(plan, published.approve, timeout, links.form))


def tell_blocked(
    session: Session,
    journal: StoreJournal,
    plan: CapacityPlan,
    steps: Sequence[StepRecord],
    links: Links,
) -> None:
    """Tell which nodes could not be emptied, and what kept them."""
    stayed = [Stayed(one.ref, one.reason) for one in steps if one.state is StepState.BLOCKED]
    if stayed:
        session.notices(journal.run).tell(blocked_message(plan, stayed, links.run))


def tell_failed(session: Session, journal: StoreJournal, task: str, reason: str) -> None:
    """Tell that a command failed."""
    policy = session.the_policy().name
    session.notices(journal.run).tell(failed_message(policy, task, reason))
