"""Hours as a shop lives them: opening hours, and the hours in which staff are left alone."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

QUIET_FROM, QUIET_TO = time(20, 30), time(8, 30)
"""No unasked message to staff from half past eight in the evening to half past eight in the morning (design §8)."""


def within(hours: str, moment: time) -> bool:
    """Whether a time of day lies in `HH:MM-HH:MM`; the end is excluded, and hours may run past midnight."""
    begin, end = (time.fromisoformat(part) for part in hours.split("-"))
    if begin <= end:
        return begin <= moment < end
    return moment >= begin or moment < end


def evening(day: date, zone: ZoneInfo) -> datetime:
    """When the quiet hours of a day begin."""
    return datetime.combine(day, QUIET_FROM, zone)


def polite_time(now: datetime, zone: ZoneInfo) -> datetime:
    """The next moment at which an unasked message may reach staff: now, or the end of the quiet hours."""
    local = now.astimezone(zone)
    if not within(f"{QUIET_FROM:%H:%M}-{QUIET_TO:%H:%M}", local.time()):
        return now
    day = local.date() if local.time() < QUIET_TO else local.date() + timedelta(days=1)
    return datetime.combine(day, QUIET_TO, zone)
