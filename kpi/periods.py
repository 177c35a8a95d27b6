"""Periods as people say them, in Chinese and English: words → a short written form → days in the company's zone.

The written form (`last_week`, `2026-08`, `2026-08-01..2026-08-31`, `last_7_days`, `--08` for August of whichever year,
`campaign:双11`) depends on no date, so it can be stored, sent to the API and asked again tomorrow.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from contacts.channels import Campaign

DEFAULT = "this_month"
MOST_DAYS = 3700


class BadPeriod(ValueError):
    """The words name no period that can be answered; the text says why, `code` which sort: unknown or future."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Period:
    """Whole days in the company's zone, both included; `name` is the written form it came from."""

    first: date
    last: date
    zone: ZoneInfo
    name: str = ""

    @property
    def start(self) -> datetime:
        """The first moment, in UTC."""
        return datetime.combine(self.first, time(), self.zone).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first moment after it, in UTC."""
        return datetime.combine(self.last + timedelta(days=1), time(), self.zone).astimezone(UTC)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    def before(self) -> "Period":
        """The period of the same length just before."""
        return Period(self.first - timedelta(days=self.days), self.first - timedelta(days=1), self.zone)

    def previous(self) -> "Period":
        """The week, month, quarter or year before, where it is one; else the same number of days just before."""
        around = next((one for one in UNITS.values() if one(self.first) == (self.first, self.last)), None)
        return Period(*around(self.first - timedelta(days=1)), self.zone) if around else self.before()

    def split(self, unit: str, today: date) -> list["Period"]:
        """Its days, weeks or months that have begun, the first and the last cut to it."""
        pieces, first = [], self.first
        while first <= min(self.last, today):
            last = UNITS[unit](first)[1]
            pieces.append(Period(first, min(last, self.last), self.zone))
            first = last + timedelta(days=1)
        return pieces


def month_of(day: date) -> tuple[date, date]:
    """The first and last day of a day's month."""
    return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])


def week_of(day: date) -> tuple[date, date]:
    """Monday to Sunday."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def quarter_of(day: date) -> tuple[date, date]:
    """The three months a day is in."""
    first = date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)
    return first, month_of(first + timedelta(days=70))[1]


def year_of(day: date) -> tuple[date, date]:
    """January to December."""
    return date(day.year, 1, 1), date(day.year, 12, 31)


Around = Callable[[date], tuple[date, date]]
UNITS: dict[str, Around] = {
    "day": lambda day: (day, day),
    "week": week_of,
    "month": month_of,
    "quarter": quarter_of,
    "year": year_of,
}
ALIASES = {
    "today": "this_day", "yesterday": "last_day", "before_yesterday": "before_last_day", "tomorrow": "next_day",
}  # fmt: skip
MONTH = re.compile(r"(\d{4}|-|last_year)-(\d{2})")
DAY = r"(?:\d{4}|-)-\d{2}-\d{2}"
RANGE = re.compile(rf"({DAY})(?:\.\.({DAY}))?")
LAST_DAYS = re.compile(r"last_(\d{1,4})_(day|week|month)s")
TURN = re.compile(r"(this|last|before_last|next)_(day|week|month|quarter|year)")


def resolve(session: Session, name: str, now: datetime, zone: ZoneInfo) -> Period:
    """The days a written form means today. Raises `BadPeriod`: an unknown form, or one that has not begun."""
    today = now.astimezone(zone).date()
    first, last = campaign_days(session, name) if name.startswith("campaign:") else days_of(name, today)
    if first > today:
        raise BadPeriod("future", f"period {name!r} has not begun: it starts on {first}; ask for one up to {today}")
    if (last - first).days >= MOST_DAYS:
        raise BadPeriod("unknown", f"period {name!r} is longer than ten years; ask for a shorter one")
    return Period(first, last, zone, name)


def days_of(name: str, today: date) -> tuple[date, date]:
    """First and last day of a written form. Raises `BadPeriod`."""
    name = ALIASES.get(name, name)
    try:
        if turn := TURN.fullmatch(name):
            return turned(turn[1], UNITS[turn[2]], today)
        if last := LAST_DAYS.fullmatch(name):
            return last_days(int(last[1]) or 1, last[2], today)
        if month := MONTH.fullmatch(name):
            return named_month(month[1], int(month[2]), today)
        if days := RANGE.fullmatch(name):
            return ordered(name, named_day(days[1], today), named_day(days[2] or days[1], today))
        if re.fullmatch(r"\d{4}", name):
            return year_of(date(int(name), 1, 1))
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadPeriod):
            raise
        raise BadPeriod("unknown", f"period {name!r} names a day that does not exist") from error
    known = "today, this_week, last_month, this_quarter, last_year, last_30_days, 2026-08 or 2026-08-01..2026-08-31"
    raise BadPeriod("unknown", f"period {name!r} is not known; write {known}")


def turned(which: str, around: Around, today: date) -> tuple[date, date]:
    """This, the last, the one before, or the next of a unit."""
    first, last = around(today)
    for _ in range({"last": 1, "before_last": 2}.get(which, 0)):
        first, last = around(first - timedelta(days=1))
    return around(last + timedelta(days=1)) if which == "next" else (first, last)


def last_days(number: int, unit: str, today: date) -> tuple[date, date]:
    """The last N days, today included; a week is 7 and a month 30."""
    return today - timedelta(days=number * {"day": 1, "week": 7, "month": 30}[unit] - 1), today


def named_month(year: str, month: int, today: date) -> tuple[date, date]:
    """A month of a year, or the latest such month that has begun."""
    if year == "-":
        return month_of(date(today.year - (month > today.month), month, 1))
    return month_of(date(today.year - 1 if year == "last_year" else int(year), month, 1))


def named_day(text: str, today: date) -> date:
    """An ISO day; one without a year (`--08-15`) is the latest such day that has begun."""
    if not text.startswith("-"):
        return date.fromisoformat(text)
    day = date.fromisoformat(f"{today.year}{text[1:]}")
    return day if day <= today else date.fromisoformat(f"{today.year - 1}{text[1:]}")


def ordered(name: str, first: date, last: date) -> tuple[date, date]:
    """Two days, the earlier first. Raises `BadPeriod`."""
    if last < first:
        raise BadPeriod("unknown", f"period {name!r} ends before it begins; write the earlier day first")
    return first, last


def campaign_days(session: Session, name: str) -> tuple[date, date]:
    """A campaign's own days, by code or a part of its name; the latest wins. Raises `BadPeriod`."""
    words = name.removeprefix("campaign:")
    named = (col(Campaign.code) == words) | col(Campaign.name).contains(words, autoescape=True)
    found = session.exec(select(Campaign).where(named).order_by(col(Campaign.starts_on).desc())).first()
    if not found:
        raise BadPeriod("unknown", f"no campaign is called {words!r}")
    return found.starts_on, found.ends_on
