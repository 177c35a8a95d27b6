"""Days and hours as a shop lives them: workdays with holidays and make-up days, opening hours, quiet hours."""

from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from holidays import HolidayBase, country_holidays

QUIET_FROM, QUIET_TO = time(20, 30), time(8, 30)
"""No unasked message to staff from half past eight in the evening to half past eight in the morning (design §8)."""


@cache
def chinese_holidays() -> HolidayBase:
    """China's public holidays; make-up workdays are known as such. Years are filled in as they are asked for."""
    return country_holidays("CN")


@lru_cache(maxsize=1000)
def is_workday(day: date) -> bool:
    """Whether offices work on that day: Monday to Friday, without holidays, with make-up days."""
    return bool(chinese_holidays().is_working_day(day))


def within(hours: str, moment: time) -> bool:
    """Whether a time of day lies in `HH:MM-HH:MM`; the end is excluded, and hours may run past midnight."""
    begin, end = (time.fromisoformat(part) for part in hours.split("-"))
    if begin <= end:
        return begin <= moment < end
    return moment >= begin or moment < end


def polite_time(now: datetime, zone: ZoneInfo) -> datetime:
    """The next moment at which an unasked message may reach staff: now, or the end of the quiet hours."""
    local = now.astimezone(zone)
    if not within(f"{QUIET_FROM:%H:%M}-{QUIET_TO:%H:%M}", local.time()):
        return now
    day = local.date() if local.time() < QUIET_TO else local.date() + timedelta(days=1)
    return datetime.combine(day, QUIET_TO, zone)
