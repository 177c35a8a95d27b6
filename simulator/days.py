"""Counting what members do, day by day on the platform's clock: numbers for the statistics, never words."""

from typing import Literal

from simulator.corp import Corp
from simulator.records import DayCount, Follow

DAY = 24 * 3600
AHEAD_OF_UTC = 8 * 3600


def day_start(at: int) -> int:
    """The midnight in China before `at`, both in seconds since 1970."""
    return at - (at + AHEAD_OF_UTC) % DAY


def count_of(corp: Corp, userid: str, at: int | None = None) -> DayCount:
    """A member's counters of the day of `at`, today when None."""
    return corp.days[userid, day_start(corp.now() if at is None else at)]


def count_chat(corp: Corp, follow: Follow, by: Literal["customer", "staff"], at: int) -> None:
    """Count one message between a member and a customer."""
    day = count_of(corp, follow.userid, at)
    follow.chatted = True
    follow.chatted_at = max(follow.chatted_at, at)
    if by == "customer":
        follow.written += 1
        day.asked.setdefault(follow.external_userid, at)
        return
    day.messages += 1
    day.chats.add(follow.external_userid)
    if follow.external_userid in day.asked:
        day.replied.setdefault(follow.external_userid, at - day.asked[follow.external_userid])
