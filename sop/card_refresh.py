"""The morning card follows what is done elsewhere: on the page, in words, or by a visit that came in.

A card can be replaced without a press once only (wecom-api §7.4), so the code is kept until she pauses or nothing is
left; a press on the card brings a code of its own and always shows the list as it is.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete
from sqlmodel import Session, col

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, Later, NewJob, Runner, enqueue
from bot.language import speaking
from bot.links import Links
from bot.outbox import CODE_SPENT, CardCode
from bot.settings import Settings
from bot.wecom.errors import WeComError
from sop.digest import card, card_cause, lists_of
from sop.todos import Item

CARD_REFRESH = "card_refresh"
PAUSE = timedelta(minutes=1)
"""How long nothing may change before the card is replaced."""


def list_changed(session: Session, userid: str, today: date, now: datetime) -> None:
    """A to-do of today's list was closed or moved elsewhere than on the card: let the card follow."""
    code = session.get(CardCode, card_cause(today, userid))
    if code is None:
        return
    code.overtaken_at = now
    session.add(code)
    session.flush()
    empty = not lists_of(session, today, userid)
    payload = {"userid": userid, "day": today.isoformat()}
    key, run_at = (":empty", now) if empty else ("", now + PAUSE)
    enqueue(session, NewJob(f"{CARD_REFRESH}:{today}:{userid}{key}", CARD_REFRESH, now, payload=payload, run_at=run_at))


@dataclass(frozen=True)
class CardRefresher:
    """Replaces a member's card by the list as it is."""

    gateway: Gateway
    database: Database
    clock: Clock
    settings: Settings

    def runner(self) -> Runner:
        """The runner of refreshes."""
        return Runner(self.refresh)

    async def refresh(self, job: Job) -> Done:
        """A code that is spent already is let go: the card was replaced meanwhile."""
        userid, day = job.payload["userid"], date.fromisoformat(job.payload["day"])
        cause, now = card_cause(day, userid), self.clock.now()

        def look(session: Session) -> tuple[CardCode | None, list[Item]]:
            return session.get(CardCode, cause), lists_of(session, day, userid).get(userid, [])

        def used(session: Session) -> None:
            session.execute(delete(CardCode).where(col(CardCode.cause) == cause))

        code, items = await self.database.read(look)
        if code is None:
            return Done("its code is used")
        rest = (code.overtaken_at or now) + PAUSE - now
        if items and rest > timedelta(0):
            raise Later(rest.total_seconds(), "she is still at it")
        with speaking(self.settings.language):
            update = {"template_card": self.shown(userid, items, day, now)}
        try:
            await self.gateway.update_card(userid, code.code, update)
        except WeComError as error:
            if error.errcode != CODE_SPENT:
                raise
            return Done("its code is spent", then=used)
        return Done("updated", then=used)

    def shown(self, userid: str, items: list[Item], day: date, now: datetime) -> dict[str, Any]:
        """The card as it will look."""
        page = Links(self.settings).address(userid, now)
        return card(items, day, page, as_of=now.astimezone(ZoneInfo(self.settings.timezone)))
