"""Days that come back each year, by the solar or the lunar calendar.

A day is kept as the solar date on which it first was; one given without a year stands in 1904 or soon after. The lunar
30th falls on the 29th in a short month, a leap month's day on the plain month, 29 February on the 28th in common years.
"""

import re
from datetime import date
from functools import lru_cache

from lunardate import LunarDate

NO_YEAR = 1904
"""A leap year before everybody's birth: the year of days given without one. They are kept in 1904 to 1923."""
YEARS = range(1900, 2100)
"""The years the lunar calendar is known for."""
GIVEN = re.compile(
    r"(?P<lunar>农历|阴历|lunar)?\s*(?:(?P<year>\d{4})\s*[-/.年])?\s*(?P<leap>闰|leap\s+)?"
    r"(?P<month>\d{1,2})\s*[-/.月]\s*(?P<day>\d{1,2})\s*[日号]?",
    re.IGNORECASE,
)
EXPECTED = "expected YYYY-MM-DD or MM-DD, with 农历 or lunar before it (and 闰 before a leap month) for a lunar date"


def read_annual(text: str, *, lunar: bool = False) -> tuple[date, bool]:
    """The day a text gives, and whether it is counted by the lunar calendar. Raises ValueError."""
    match = GIVEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no day of the year; {EXPECTED}")
    by_moon = lunar or bool(match["lunar"])
    if match["leap"] and not by_moon:
        raise ValueError(f"{text!r} names a leap month without being lunar; {EXPECTED}")
    years = [int(match["year"])] if match["year"] else range(NO_YEAR, NO_YEAR + 20)
    for year in years:
        day = solar(year, int(match["month"]), int(match["day"]), by_moon=by_moon, leap=bool(match["leap"]))
        if day:
            return day, by_moon
    raise ValueError(f"{text!r}: there is no such day; {EXPECTED}")


def solar(year: int, month: int, day: int, *, by_moon: bool = False, leap: bool = False) -> date | None:
    """The solar date of a day, None if there is no such day."""
    if year not in YEARS:
        return None
    try:
        return LunarDate(year, month, day, leap).to_solar_date() if by_moon else date(year, month, day)
    except ValueError:
        return None


@lru_cache(maxsize=100_000)
def next_on(day: date, today: date, *, lunar: bool = False) -> date | None:
    """The next time the day comes, from today on; None when the calendar ends before it."""
    began, now = (moon(day), moon(today)) if lunar else ((day.year, day.month, day.day), (today.year, 0, 0))
    if began is None or now is None:
        return None
    _, month, number = began
    comes = (occurrence(year, month, number, lunar=lunar) for year in (now[0], now[0] + 1))
    return next((one for one in comes if one and one >= today), None)


def moon(day: date) -> tuple[int, int, int] | None:
    """A date's lunar year, month and day; leap months count as the plain month."""
    try:
        found = LunarDate.from_solar_date(day.year, day.month, day.day)
    except ValueError:
        return None
    return found.year, found.month, found.day


def occurrence(year: int, month: int, day: int, *, lunar: bool) -> date | None:
    """When a day comes in a year; where the month is too short, its last day."""
    return solar(year, month, day, by_moon=lunar) or solar(year, month, day - 1, by_moon=lunar)
