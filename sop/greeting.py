"""Sending a welcome: fill the text, send it with its attachments inside the code's 20 seconds, write the ledger."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session

from bot.clock import Clock
from bot.gateway import LOOK_SECONDS, Gateway
from bot.jobs import MAYBE, Done, Job, Later, Runner, Then
from bot.observability import WELCOME_SECONDS, WELCOMES, log
from bot.statements import Statement
from bot.wecom.errors import WeComError, WeComUnreachable, WelcomeRefused
from contacts.offers import close_reserved
from contacts.touches import welcomed
from scripts_library.media import MediaLibrary, MediaRefused
from scripts_library.rendering import render, used_variables
from sop.models import NOT_SENT, SENT, UNCONFIRMED
from sop.welcome import CUSTOMER_NAME, LEDGER, TEXT_BYTES, VARIABLES

BEING_SENT, LATE_OR_WRONG, CHATTING, NO_CONSENT = 41096, 41050, 41051, 41053
BAD_MEDIA = 40007
BEING_SENT_SECONDS = HEARD_SECONDS = 1.0
KNOWN = frozenset(VARIABLES)
CLOSE = Statement(
    update(LEDGER)
    .where(LEDGER.c.event_id == bindparam("which"))
    .values({name: bindparam(name) for name in ("outcome", "reason", "sent_at", "latency_ms")})
)
REFUSED = {
    CHATTING: "41051: the chat has begun already, or another app greeted first",
    LATE_OR_WRONG: "41050: the code was late or wrong",
    NO_CONSENT: "41053: the customer has not agreed to the session archive yet; her consent brings a new code",
    BEING_SENT: "41096: another app was greeting at the same time",
}


@dataclass(frozen=True)
class Greeter:
    """Sends welcomes."""

    gateway: Gateway
    library: MediaLibrary
    clock: Clock
    seconds: float
    """How long a code lives; an upload may take a quarter of it."""

    @property
    def life(self) -> timedelta:
        """For how long after its event a code is sure to live: it was made a moment before we heard of it."""
        return timedelta(seconds=self.seconds - HEARD_SECONDS)

    def runner(self) -> Runner:
        """The runner of welcome jobs."""
        return Runner(self.run, self.given_up)

    async def run(self, job: Job) -> Done:
        """Send one welcome. What WeCom refuses for good becomes the ledger's reason, not an error."""
        text = await self.text(job)
        attachments, missing = await self.attachments(job)
        try:
            await self.send(job, text, attachments)
        except WelcomeRefused as refused:
            return self.refused(job, refused)
        return self.sent(job, f"sent without {', '.join(missing)}" if missing else None)

    async def send(self, job: Job, text: str, attachments: list[dict[str, Any]]) -> None:
        """Send; once more after a second when another app is at it, or with fresh files when WeCom forgot them."""
        code = job.payload["code"]
        try:
            await self.gateway.send_welcome(code, text, attachments)
        except WelcomeRefused as refused:
            if refused.errcode != BEING_SENT:
                raise
            await asyncio.sleep(BEING_SENT_SECONDS)
            await self.gateway.send_welcome(code, text, attachments)
        except WeComError as error:
            if error.errcode != BAD_MEDIA or not attachments:
                raise
            await self.library.forget([media_id_of(one) for one in attachments])
            fresh, _ = await self.attachments(job)
            await self.gateway.send_welcome(code, text, fresh)

    async def text(self, job: Job) -> str:
        """The text with its values; asks for the customer's name only if it is used, and not for long."""
        template, values = job.payload["text"], dict(job.payload["values"])
        if CUSTOMER_NAME in used_variables(template, KNOWN):
            values[CUSTOMER_NAME] = (
                await self.name_of(job) or values.get(CUSTOMER_NAME) or VARIABLES[CUSTOMER_NAME].fallback
            )
        return cut(render(template, values))

    async def name_of(self, job: Job) -> str:
        """The customer's name; empty when WeCom does not say in time, or not yet (a half add answers 84061)."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return (await self.gateway.customer(job.payload["external_userid"], LOOK_SECONDS)).name
        except (WeComError, WeComUnreachable, Later, TimeoutError) as error:
            log.info("customer's name not known in time", error=type(error).__name__)
            return ""

    async def attachments(self, job: Job) -> tuple[list[dict[str, Any]], list[str]]:
        """The attachments as WeCom wants them, and those left out because their file could not be uploaded."""
        ready: list[dict[str, Any]] = []
        missing: list[str] = []
        for part in job.payload["attachments"]:
            try:
                ready.append(await self.attachment(part))
            except (WeComError, WeComUnreachable, MediaRefused, Later, TimeoutError, OSError) as error:
                missing.append(f"{part['msgtype']} ({type(error).__name__})")
        return ready, missing

    async def attachment(self, part: dict[str, Any]) -> dict[str, Any]:
        """One attachment."""
        kind = part["msgtype"]
        fields = {name: value for name, value in part.items() if name not in {"msgtype", "sha256"} and value}
        if "sha256" in part:
            name = "pic_media_id" if kind == "miniprogram" else "media_id"
            async with asyncio.timeout(self.seconds / 4):
                fields[name] = await self.library.media_id(part["sha256"])
        return {"msgtype": kind, kind: fields}

    def sent(self, job: Job, reason: str | None) -> Done:
        """Accepted by WeCom."""
        now = self.clock.now()
        seconds = (now - job.created_at).total_seconds()
        WELCOME_SECONDS.observe(seconds)
        ms = int(seconds * 1000)
        return Done(SENT, then=ledger(job, outcome=SENT, reason=reason, sent_at=now, latency_ms=ms))

    def refused(self, job: Job, error: WelcomeRefused) -> Done:
        """Refused for good; after an unanswered attempt of ours, "spent" means that it had worked.

        Near the end of the code's life 41050 says no more than that it is over.
        """
        late = error.errcode == LATE_OR_WRONG and self.clock.now() >= job.created_at + self.life
        if job.unanswered and late:
            return Done(NOT_SENT, then=ledger(job, outcome=NOT_SENT, reason=f"late: {error.errcode}{MAYBE}"))
        if job.unanswered and error.errcode in {LATE_OR_WRONG, CHATTING, BEING_SENT}:
            reason = f"{error.errcode} after an attempt without an answer: that attempt was carried out"
            return Done(UNCONFIRMED, then=ledger(job, outcome=UNCONFIRMED, reason=reason))
        return Done(NOT_SENT, then=ledger(job, outcome=NOT_SENT, reason=REFUSED.get(error.errcode, str(error))))

    def given_up(self, session: Session, job: Job, reason: str) -> None:
        """The job is dead: too late, or an error for good."""
        ledger(job, outcome=NOT_SENT, reason=reason[:300])(session)


def media_id_of(attachment: dict[str, Any]) -> str:
    """The media id an attachment was sent with; empty for one without a file."""
    fields = attachment[attachment["msgtype"]]
    return str(fields.get("media_id") or fields.get("pic_media_id") or "")


def ledger(job: Job, *, outcome: str, reason: str | None, **values: Any) -> Then:
    """The write that closes a welcome's ledger row."""

    def write(session: Session) -> None:
        row = {"which": job.payload["event_id"], "sent_at": None, "latency_ms": None, **values}
        CLOSE.run(session.connection(), {**row, "outcome": outcome, "reason": reason})
        if gift := job.payload.get("gift"):
            why_not = f"not sent: {reason}" if outcome == NOT_SENT else ""
            close_reserved(session, gift, row["sent_at"] or job.created_at, reason=why_not)
        if outcome != NOT_SENT:
            payload, at = job.payload, row["sent_at"] or job.created_at
            who = (payload["userid"], payload["external_userid"])
            welcomed(session, *who, reference=str(row["which"]), at=at, confirmed=outcome == SENT)
        WELCOMES.labels(outcome).inc()

    return write


def cut(text: str) -> str:
    """A text within the platform's limit; names longer than anybody foresaw must not cost the whole welcome."""
    data = text.encode()
    return text if len(data) <= TEXT_BYTES else data[:TEXT_BYTES].decode(errors="ignore")


def renew_media(library: MediaLibrary) -> Callable[[Job], Awaitable[Done]]:
    """The runner that uploads files again before WeCom forgets them."""

    async def run(_: Job) -> Done:
        return Done(f"{await library.renew()} files uploaded")

    return run
