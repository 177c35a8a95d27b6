"""WeCom's limits, kept on our side (wecom-api §8.2, §7.1): beyond them it refuses, or drops messages without a word.

Counted in this process and taken up again from the record of calls after a restart.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.jobs import Later

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PER_PATH = ((MINUTE, 9_950), (HOUR, 149_000))
"""(seconds, calls) of one path; the platform's are 10,000 and 150,000, and its clock is not ours."""
PER_MEMBER = ((MINUTE, 29), (HOUR, 990))
"""Messages to one member; the platform drops the 31st and the 1,001st silently."""
PER_ACCOUNT_AND_DAY = 200
IN_FLIGHT = 80
"""Calls of one path under way at once, before the platform has told us less (45033)."""
BLOCKED_SECONDS = 60.0
"""How long a path rests after 45009."""
MESSAGES = "message/send"

Rules = tuple[tuple[float, int], ...]


class Window:
    """When something happened lately, and whether once more fits."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.times: deque[float] = deque()

    def wait(self, now: float) -> float:
        """Seconds until once more fits; 0 when it does now."""
        longest = max(seconds for seconds, _ in self.rules)
        while self.times and now - self.times[0] >= longest:
            self.times.popleft()
        waits = (self.times[-number] + seconds - now for seconds, number in self.rules if len(self.times) >= number)
        return max(0.0, max(waits, default=0.0))


@dataclass
class Parallel:
    """How many calls of one path may be under way; halved when the platform says too many, slowly raised again."""

    allowed: float = IN_FLIGHT
    in_flight: int = 0
    halved_at: float = -1.0
    freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def enter(self) -> None:
        """Wait for a place."""
        async with self.freed:
            await self.freed.wait_for(lambda: self.in_flight < int(self.allowed))
            self.in_flight += 1

    async def leave(self) -> None:
        """Give the place back."""
        async with self.freed:
            self.in_flight -= 1
            self.freed.notify(max(0, int(self.allowed) - self.in_flight))

    def earn(self) -> None:
        """A call that went well makes a little more room."""
        self.allowed = min(IN_FLIGHT, self.allowed + 1 / self.allowed)

    def halve(self, began: float, now: float) -> None:
        """45033 for a call begun at `began`. Those under way together are told together: that is one halving."""
        if began >= self.halved_at:
            self.allowed, self.halved_at = max(2.0, self.allowed / 2), now


class Limits:
    """Every window, by path, by member and for the app."""

    def __init__(self, clock: Clock, account_cap: int) -> None:
        """`account_cap`: the company's seats (账号上限), which set the app's daily number of messages."""
        self.clock = clock
        self.paths: defaultdict[str, Window] = defaultdict(lambda: Window(PER_PATH))
        self.members: defaultdict[str, Window] = defaultdict(lambda: Window(PER_MEMBER))
        self.app = Window(((DAY, account_cap * PER_ACCOUNT_AND_DAY),))
        self.parallel: defaultdict[str, Parallel] = defaultdict(Parallel)
        self.blocked: dict[str, float] = {}

    @asynccontextmanager
    async def place(self, path: str, userid: str | None) -> AsyncIterator[None]:
        """A place for one call. Raises `Later` when a window is full."""
        parallel = self.parallel[path]
        await parallel.enter()
        try:
            self.count(path, userid)
            yield
        finally:
            await parallel.leave()

    def count(self, path: str, userid: str | None) -> None:
        """Count one call, or raise `Later` with the seconds until it fits."""
        now = self.clock.elapsed()
        windows = [(self.paths[path], f"{path} is at its limit")]
        if path == MESSAGES:
            windows.append((self.app, "the app is at its daily limit"))
            if userid:
                windows.append((self.members[userid], "this member is at the limit of messages"))
        rest = self.blocked.get(path, 0.0) - now
        if rest > 0:
            raise Later(rest, f"{path} rests after 45009")
        for window, reason in windows:
            if (seconds := window.wait(now)) > 0:
                raise Later(seconds, reason)
        for window, _ in windows:
            window.times.append(now)

    def block(self, path: str) -> None:
        """45009: leave the path alone for its window."""
        self.blocked[path] = self.clock.elapsed() + BLOCKED_SECONDS

    def remember(self, messages: Iterable[tuple[str | None, float]]) -> None:
        """Take up messages sent before a restart: (member, seconds ago), oldest first."""
        now = self.clock.elapsed()
        for userid, ago in messages:
            self.app.times.append(now - ago)
            if userid and ago < HOUR:
                self.members[userid].times.append(now - ago)
