"""The one clock: bot and simulator ask it for the time, so that a demo day can begin at 08:25 and be jumped forward."""

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Real time, or a day that starts where you say and runs on at normal speed."""

    def __init__(self, start: datetime | None = None) -> None:
        """`start`: an aware time to begin at; None follows the machine's clock."""
        self._shift = start - datetime.now(UTC) if start else timedelta()

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return datetime.now(UTC) + self._shift

    def elapsed(self) -> float:
        """Seconds that never jump: the platform's own windows (welcome codes, tokens) are counted in these."""
        return time.monotonic()

    def jump(self, to: datetime) -> None:
        """Go forward to `to`; a time already past is left alone."""
        self._shift += max(to - self.now(), timedelta())
