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
from bot.wecom.errors import RateLimited, SecretRefused, WeComError, WeComUnreachable

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
        self.stale = ""
        """A token the platform refused: not to be taken from the database again."""
        self.refusals = 0
        self.next_try = 0.0
        self.failure: WeComError | WeComUnreachable | None = None
        """How the last gettoken ended."""
        self.asked = 0
        """How many gettoken there were."""
        self._lock = asyncio.Lock()

    async def current(self) -> str:
        """A token with some minutes left. Raises `SecretRefused`, also without asking while a refusal is fresh."""
        if not self._good(self.token):
            await self._renew(lambda: self._good(self.token))
        return self.token.value  # type: ignore[union-attr]

    async def renewed(self, stale: str) -> str:
        """A token other than `stale`; callers that were refused together fetch it once."""
        if self.token is None or self.token.value == stale:
            self.stale = stale
            await self._renew(lambda: self.token is not None and self.token.value != stale)
        return self.token.value  # type: ignore[union-attr]

    def refuse(self) -> None:
        """The platform no longer takes this secret: nobody asks with it for 1, then 5, then 15 minutes."""
        if self.refused_for > 0:
            return
        self.stale, self.token = self.token.value if self.token else self.stale, None
        self.refusals += 1
        self.next_try = self.clock.elapsed() + REFUSED_PAUSES[min(self.refusals, len(REFUSED_PAUSES)) - 1]
        log.error("secret refused", refusals=self.refusals, next_try_seconds=round(self.refused_for))

    @property
    def refused_for(self) -> float:
        """Seconds until a refused secret may be tried again; 0 when it is not refused."""
        return max(0.0, self.next_try - self.clock.elapsed()) if self.refusals else 0.0

    def _good(self, token: Token | None) -> bool:
        return token is not None and token.ends_at - REFRESH_BEFORE > self.clock.now()

    async def _renew(self, settled: Callable[[], bool]) -> None:
        """Get a token unless somebody did; who waited while a gettoken failed hears of it, asks not."""
        asked = self.asked
        async with self._lock:
            if settled():
                return
            if self.refused_for > 0:
                raise SecretRefused("gettoken", 40001, f"refused before, next try in {self.refused_for:.0f} s")
            if self.failure and self.asked > asked:
                raise self.failure
            stored = await self.database.read(lambda session: session.get(Token, self.id))
            usable = stored is not None and self._good(stored) and stored.value != self.stale
            self.token = stored if usable else await self._fetched()

    async def _fetched(self) -> Token:
        try:
            self.failure = None
            answer = await self.fetch()
        except (WeComError, WeComUnreachable) as error:
            self.failure = error
            if isinstance(error, SecretRefused | RateLimited):  # 45009 here is the hour's block for wrong secrets
                self.refuse()
            raise
        finally:
            self.asked += 1
        self.refusals = 0
        lives = timedelta(seconds=int(answer.get("expires_in") or 7200))
        # A short-lived token must still be used: never let the margin eat it whole.
        ends_at = self.clock.now() + max(lives, REFRESH_BEFORE + timedelta(seconds=5))
        token = Token(id=self.id, value=str(answer["access_token"]), ends_at=ends_at)

        def keep(session: Session) -> None:
            session.merge(token)

        await self.database.write(keep)
        return token
