"""What happened to customers, told to whoever has rules about it: a job per event, written with its reason.

`contacts` is below the rooms that act on events, so it does not call them: it leaves a job of kind `domain_event`, and
the runner registered for that kind takes it from there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlmodel import Session

from bot.jobs import NewJob, Priority, insert

DOMAIN_EVENT = "domain_event"


@dataclass(frozen=True, slots=True)
class DomainEvent:
    """`name` in the past tense (order_paid), whose, when, and what of; `cause` tells two of one name apart."""

    name: str
    customer_id: int
    at: datetime
    cause: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def job(self) -> NewJob:
        """The job that tells of it: once for ever per name, cause and customer; one customer's in their order."""
        return NewJob(
            key=f"domain:{self.name}:{self.cause}:{self.customer_id}",
            kind=DOMAIN_EVENT,
            created_at=self.at,
            lane=f"facts:{self.customer_id}",
            payload={
                "name": self.name,
                "customer_id": self.customer_id,
                "at": self.at.isoformat(),
                "cause": self.cause,
                "facts": dict(self.facts),
            },
            priority=Priority.UPDATE,
        )


def raise_event(session: Session, name: str, customer_id: int, at: datetime, cause: str, **facts: Any) -> None:
    """Tell of one event in the session's transaction; `facts` must be plain JSON."""
    raise_events(session, [DomainEvent(name, customer_id, at, cause, facts)])


def raise_events(session: Session, events: Iterable[DomainEvent]) -> None:
    """Tell of many events; those told before are left out."""
    jobs = [event.job() for event in events]
    if jobs:
        insert(session, jobs)
