"""Access tokens: one per secret, fetched by one caller at a time, kept in the database (wecom-api §8.1)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlmodel import Field, Session, SQLModel

from bot.clock import Clock
from bot.database import Database, UtcTime
from bot.observability import log
from bot.wecom.client import Answer
from bot.wecom.errors import SecretRefused

REFRESH_BEFORE = timedelta(minutes=5)
REFUSED_PAUSES = (60.0, 300.0, 900.0)
"""Seconds before a refused secret is tried again: repeated wrong secrets block our address for an hour."""


class Token(SQLModel, table=True):
    """The token of one secret; `id` is a fingerprint, the secret itself is never stored."""

    id: str = Field(primary_key=True)
    value: str
    ends_at: datetime = Field(sa_type=UtcTime)


class TokenStore:
    """The token of one secret, shared by every caller."""

    def __init__(
        self, database: Database, clock: Clock, corp_id: str, secret: str, fetch: Callable[[], Awaitable[Answer]]
    ) -> None:
        """`fetch` asks gettoken once and answers its fields."""
        self.database = database
        self.clock = clock
        self.fetch = fetch
        self.id = hashlib.sha256(f"{corp_id}:{secret}".encode()).hexdigest()[:16]
        self.token: Token | None = None
        self.refusals = 0
        self.next_try = 0.0
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """A token with some minutes left. Raises `SecretRefused`, also without asking while a refusal is fresh."""
        if self._good(self.token):
            return self.token.value  # type: ignore[union-attr]
        async with self._lock:
            if not self._good(self.token):
                self.token = await self._stored()
            if not self._good(self.token):
                self.token = await self._fetched()
            return self.token.value  # type: ignore[union-attr]

    async def renewed(self, stale: str) -> str:
        """A token other than `stale`; callers that were refused together fetch it once."""
        async with self._lock:
            if self.token is None or self.token.value == stale:
                self.token = await self._stored()
            if self.token is None or self.token.value == stale:
                self.token = await self._fetched()
            return self.token.value

    @property
    def refused_for(self) -> float:
        """Seconds until a refused secret may be tried again; 0 when it is not refused."""
        return max(0.0, self.next_try - self.clock.elapsed()) if self.refusals else 0.0

    def _good(self, token: Token | None) -> bool:
        return token is not None and token.ends_at - REFRESH_BEFORE > self.clock.now()

    async def _stored(self) -> Token | None:
        return await self.database.read(lambda session: session.get(Token, self.id))

    async def _fetched(self) -> Token:
        if (seconds := self.refused_for) > 0:
            raise SecretRefused("gettoken", 40001, f"refused before, next try in {seconds:.0f} s")
        try:
            answer = await self.fetch()
        except SecretRefused:
            self.refusals += 1
            self.next_try = self.clock.elapsed() + REFUSED_PAUSES[min(self.refusals, len(REFUSED_PAUSES)) - 1]
            log.error("secret refused", refusals=self.refusals, next_try_seconds=round(self.refused_for))
            raise
        self.refusals = 0
        lives = timedelta(seconds=int(answer.get("expires_in") or 7200))
        # A short-lived token must still be used: never let the margin eat it whole.
        ends_at = self.clock.now() + max(lives, REFRESH_BEFORE + timedelta(seconds=5))
        token = Token(id=self.id, value=str(answer["access_token"]), ends_at=ends_at)

        def keep(session: Session) -> None:
            session.merge(token)

        await self.database.write(keep)
        return token
