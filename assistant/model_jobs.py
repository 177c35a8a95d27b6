"""What both kinds of work with the language model share: how it becomes a job, is counted per day, and noted.

A call to the outside may not happen inside an event's transaction: the event writes a job, whose end writes the answer.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from assistant.models import ModelUse
from bot.jobs import NewJob, Priority, enqueue
from bot.observability import MODEL_WORK, log
from bot.settings import Settings

ASK_MODEL, WRITE_DRAFT = "ask_model", "write_draft"
PATIENCE = timedelta(seconds=60)
"""After so long, a restart in between, the member gets the plain answer."""


def configured(settings: Settings) -> bool:
    """Whether there is a language model."""
    return bool(settings.openai_model)


def give_to_model(
    session: Session,
    settings: Settings,
    kind: str,
    userid: str,
    payload: Mapping[str, Any],
    *,
    cause: str,
    now: datetime,
) -> bool:
    """Write the job, one at a time per member; False without a model, or when the member's share of the day is used."""
    if not configured(settings):
        return False
    use = use_of(session, userid, day_of(now, ZoneInfo(settings.timezone)))
    if use.asked >= settings.openai_per_day:
        note(kind, "capped")
        return False
    use.asked += 1
    session.add(use)
    job = NewJob(f"{kind}:{cause}", kind, now, f"model:{userid}", payload, Priority.QUESTION, deadline=now + PATIENCE)
    enqueue(session, job)
    return True


def use_of(session: Session, userid: str, day: date) -> ModelUse:
    """The member's row of the day, new or not."""
    return session.get(ModelUse, (userid, day)) or ModelUse(userid=userid, day=day)


def day_of(now: datetime, zone: ZoneInfo) -> date:
    """The company's day."""
    return now.astimezone(zone).date()


def note_tokens(session: Session, userid: str, day: date, tokens: int) -> None:
    """Add what a question or draft took."""
    use = use_of(session, userid, day)
    use.tokens += tokens
    session.add(use)


def note(kind: str, outcome: str, **numbers: int) -> None:
    """Count what became of a question or draft, and log it without its content."""
    MODEL_WORK.labels(kind, outcome).inc()
    log.info("model work", work=kind, outcome=outcome, **numbers)
