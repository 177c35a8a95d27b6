"""How often and how much at once (wecom-api §8.2, design §4.4); every number can be set by the control side."""

from collections import defaultdict, deque
from dataclasses import dataclass, field, fields
from datetime import date, timedelta, timezone

from bot.clock import Clock
from simulator.errors import ApiError

PLATFORM_TIME = timezone(timedelta(hours=8))


@dataclass
class Limits:
    """The windows of the platform. Numbers are the documented ones unless set otherwise."""

    clock: Clock
    per_api_minute: int = 10_000
    per_api_hour: int = 150_000
    concurrent: int = 100
    per_member_minute: int = 30
    per_member_hour: int = 1000
    app_day: int = 200 * 1000
    """Person-times a day of the app: account cap x 200."""
    token_seconds: int = 7200
    """How long a new access token lives."""
    welcome_seconds: float = 20.0
    welcome_distribution_seconds: float = 0.0
    """How long a welcome is being distributed; a second call with its code meanwhile answers 41096."""
    reused_welcome_code: int = 41051
    """What a code answers that was used before; 41050 is the other one seen, no source settles it."""
    callback_seconds: float = 5.0
    callback_retry_seconds: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Pauses before the three repeats of a callback; the platform documents the number only."""
    dispatch_seconds: float = 0.0
    """How long queries about a new mass send answer 41063."""
    reminders_a_day: int = 3
    """Of one mass send; more answer 41094."""
    group_sends_a_month: int = 0
    """Mass sends that reach one customer in a month; 0 is as many as the month has days."""
    day: date | None = None
    persons: int = 0
    """Person-times counted on `day`."""
    windows: defaultdict[tuple[str, ...], deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def restore(self) -> None:
        """The documented numbers again, nothing counted yet."""
        fresh = Limits(self.clock)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def count(self, path: str, in_flight: int) -> None:
        """Count one call. Raises 45033 and 45009."""
        if in_flight > self.concurrent:
            raise ApiError(45033, "api concurrent out of limit")
        if not self.allow(("api", path), ((60, self.per_api_minute), (3600, self.per_api_hour))):
            raise ApiError(45009, "api freq out of limit")

    def delivers_to(self, userid: str) -> bool:
        """Count one message to a member; False is the silent drop beyond 30 a minute or 1,000 an hour."""
        return self.allow(("member", userid), ((60, self.per_member_minute), (3600, self.per_member_hour)))

    def count_persons(self, number: int) -> None:
        """Count the recipients of one app message. Raises 45009 beyond the day's person-times."""
        today = self.clock.now().astimezone(PLATFORM_TIME).date()
        if today != self.day:
            self.day, self.persons = today, 0
        if self.persons + number > self.app_day:
            raise ApiError(45009, "api freq out of limit")
        self.persons += number

    def allow(self, key: tuple[str, ...], rules: tuple[tuple[float, int], ...]) -> bool:
        """Whether one more fits every (seconds, number) rule; it is counted when it does."""
        now = self.clock.elapsed()
        times = self.windows[key]
        while times and now - times[0] > max(seconds for seconds, _ in rules):
            times.popleft()
        for seconds, number in rules:
            if len(times) >= number and now - times[-number] < seconds:
                return False
        times.append(now)
        return True
