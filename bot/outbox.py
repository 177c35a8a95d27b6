"""What the bot says to staff: messages and card updates, written as jobs, delivered by the worker.

Each message's body is unique to its job (cards by their task id, texts by a short last line), so that a repeat after a
crash is swallowed by the platform and the same question asked twice still gets two answers.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete
from sqlmodel import Field, Session, SQLModel, col

from bot.database import UtcTime
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Refused, enqueue, insert
from bot.wecom.errors import WeComError

MESSAGE = "message"
CARD_UPDATE = "card_update"
TEXT_BYTES = 2000
"""Bytes of one text, leaving room for the last line; WeCom cuts at 2,048."""
CODE_SPENT = 60140
CODE_LIVES = timedelta(hours=72)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class CardCode(SQLModel, table=True):
    """The code with which a card may be replaced although nobody pressed it: good once, for 72 hours."""

    __tablename__ = "card_code"

    cause: str = Field(primary_key=True)
    """The card's `cause`."""
    code: str
    sent_at: datetime = Field(sa_type=UtcTime, index=True)
    overtaken_at: datetime | None = Field(default=None, sa_type=UtcTime)
    """When what the card shows last changed elsewhere."""


def say(session: Session, userid: str, text: str, *, cause: str, now: datetime, **given: Any) -> bool:
    """Send a text to a member; a long one in parts, in order. `cause` makes the job's key; `given`: Job fields.

    Answers False where the cause was answered before.
    """
    parts = split(text)
    given = {"priority": Priority.QUESTION, "lane": f"to:{userid}", **given}
    written = insert(
        session,
        [
            NewJob(
                key=f"{MESSAGE}:{cause}:{number}",
                kind=MESSAGE,
                payload={"touser": userid, "msgtype": "text", "text": {"content": part}},
                created_at=now,
                **given,
            )
            for number, part in enumerate(parts)
        ],
    )
    return written > 0


def send_card(session: Session, userid: str, card: dict[str, Any], *, cause: str, now: datetime, **given: Any) -> None:
    """Send a template card to a member; its task id is given when it is sent (`task_id`)."""
    payload = {"touser": userid, "msgtype": "template_card", "template_card": card}
    given = {"priority": Priority.QUESTION, "lane": f"to:{userid}", **given}
    job = NewJob(f"{MESSAGE}:{cause}", MESSAGE, now, payload=payload, **given)
    enqueue(session, job)


def update_card(
    session: Session, userid: str, response_code: str, update: dict[str, Any], *, cause: str, now: datetime
) -> bool:
    """Replace a card a member pressed; the response code is good once. False where the cause replaced it before."""
    payload = {"userid": userid, "response_code": response_code, "update": update}
    job = NewJob(f"{CARD_UPDATE}:{cause}", CARD_UPDATE, now, f"card:{userid}", payload)
    return enqueue(session, job)


def deliver_message(gateway: Gateway, zone: ZoneInfo) -> Callable[[Job], Awaitable[Done]]:
    """The runner of messages."""

    async def run(job: Job) -> Done:
        sent = await gateway.send_message(unique_body(job, zone))
        if sent.invalid or sent.unlicensed:
            raise Refused("the member is outside the app's visible scope (可见范围) or has no licence")
        if sent.response_code:
            return Done("sent", then=partial(keep_code, job=job, code=sent.response_code))
        return Done("sent")

    return run


def keep_code(session: Session, job: Job, code: str) -> None:
    """Remember how a card just sent can be replaced."""
    cause = job.key.removeprefix(f"{MESSAGE}:")
    session.merge(CardCode(cause=cause, code=code, sent_at=job.created_at))


def forget_codes(session: Session, now: datetime) -> None:
    """Drop the codes that WeCom takes no more."""
    session.execute(delete(CardCode).where(col(CardCode.sent_at) < now - CODE_LIVES))


def deliver_card_update(gateway: Gateway) -> Callable[[Job], Awaitable[Done]]:
    """The runner of card updates."""

    async def run(job: Job) -> Done:
        payload = job.payload
        try:
            await gateway.update_card(payload["userid"], payload["response_code"], payload["update"])
        except WeComError as error:
            # The code is good once: after an attempt of ours without an answer, "used" means that it worked.
            if error.errcode == CODE_SPENT and job.unanswered:
                return Done("updated, unconfirmed")
            raise
        return Done("updated")

    return run


def unique_body(job: Job, zone: ZoneInfo) -> dict[str, Any]:
    """The message of a job, the same at every attempt and like no other job's."""
    body = dict(job.payload)
    if "template_card" in body:
        return body | {"template_card": {**body["template_card"], "task_id": task_id(job)}}
    stamp = f"{job.created_at.astimezone(zone):%H:%M:%S} #{short(job.id or 0)}"
    return body | {"text": {"content": f"{body['text']['content']}\n{stamp}"}}


def task_id(job: Job) -> str:
    """The task id of a card: unique in the app for ever, also if the database is begun anew."""
    return f"frontline-{job.id}-{int(job.created_at.timestamp())}"


def short(number: int) -> str:
    """A number in base 36."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = DIGITS[digit] + text
    return text or "0"


def split(text: str, limit: int = TEXT_BYTES) -> list[str]:
    """A text in parts of at most `limit` UTF-8 bytes, cut between lines where that is possible."""
    parts: list[str] = []
    room = ""
    for line in text.splitlines(keepends=True) or [""]:
        if len((room + line).encode()) <= limit:
            room += line
            continue
        parts += [room] if room else []
        *full, room = chunks(line, limit)
        parts += full
    return [part.rstrip("\n") for part in [*parts, room] if part.strip()] or [""]


def chunks(line: str, limit: int) -> list[str]:
    """One line cut between characters."""
    pieces = [""]
    for character in line:
        if len((pieces[-1] + character).encode()) > limit:
            pieces.append("")
        pieces[-1] += character
    return pieces
