"""How numbers, periods and times are written in answers."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.language import CURRENT
from bot.language import gettext as _
from contacts.losses import yuan
from kpi.periods import Period
from kpi.registry import COUNT, DAYS, FEN, MINUTES, PERCENT, Metric, Number

GROUP_TITLES = {"staff": "by member", "department": "by department", "store": "by store", "channel": "by channel",
                "campaign": "by campaign"}  # fmt: skip


def money(fen: Number) -> str:
    """¥ with thousands, minus first."""
    return f"{'-' if fen < 0 else ''}¥{yuan(abs(int(fen)))}"


def shown(value: Number | None, unit: str) -> str:
    """A number with its unit; a dash where there is nothing to divide by."""
    if value is None:
        return "—"
    if unit == FEN:
        return money(value)
    if unit == PERCENT:
        return f"{value:.1f}%"
    if unit == COUNT:
        return f"{int(value):,}"
    if unit == DAYS:
        return _("{number} days").format(number=f"{value:.1f}")
    return _("{number} minutes").format(number=f"{value:.1f}") if unit == MINUTES else f"{value:.2f}"


def days(period: Period) -> str:
    """First and last day; the year once where it is the same."""
    first, last = period.first, period.last
    if first == last:
        return f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d} – {last:%m-%d}" if first.year == last.year else f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"


def title(metric: Metric) -> str:
    """A metric's name in the language of the moment."""
    return metric.title("en" if CURRENT.get() == "en" else "zh")


def about(metric: Metric) -> str:
    """Its definition in the language of the moment."""
    return metric.about("en" if CURRENT.get() == "en" else "zh")


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Month, day, hour and minute."""
    return f"{at.astimezone(zone):%m-%d %H:%M}"
