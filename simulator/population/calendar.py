"""Random moments with the rhythm of a shop, and dice that fall the same every time."""

from datetime import date, datetime, time, timedelta, timezone
from random import Random

CHINA = timezone(timedelta(hours=8))
SEED = "一线助手"
WEEKDAYS = (0.85, 0.8, 0.9, 0.95, 1.15, 1.55, 1.4)
"""How busy Monday to Sunday are."""
HOURS = {"shop": (10, 20.5), "evening": (18.5, 23), "day": (8.5, 22.5)}


def dice_for(topic: str, day: date) -> Random:
    """Dice of their own for each topic, so that a change to one leaves the others alone."""
    return Random(f"{SEED} {topic} {day}")  # noqa: S311 - a demo's customers are no secret


def midnight(day: date) -> datetime:
    """When a day begins in China."""
    return datetime.combine(day, time(), CHINA)


def moment(dice: Random, begin: datetime, hours: str = "day") -> datetime:
    """A second within some hours of the day that begins then."""
    first, last = HOURS[hours]
    return begin + timedelta(seconds=int(3600 * (first + (last - first) * dice.random())))


def busy_days(day: date, span: int) -> dict[int, float]:
    """How many customers come on each of the `span` days before the demo day, by days ago; it grows with time."""
    return {ago: WEEKDAYS[(day - timedelta(ago)).weekday()] * (1.25 - 0.5 * ago / span) for ago in range(1, span + 1)}
