"""Hours past midnight, and the hours in which staff are left alone."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sop.calendar import QUIET_FROM, QUIET_TO, polite_time, within

SHANGHAI = ZoneInfo("Asia/Shanghai")
times = st.times().map(lambda moment: moment.replace(second=0, microsecond=0))
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 12, 31), timezones=st.just(SHANGHAI))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("hours", "moment", "inside"),
    [
        ("09:00-21:00", time(9), True),
        ("09:00-21:00", time(20, 59, 59), True),
        ("09:00-21:00", time(21), False),
        ("21:00-08:00", time(23), True),
        ("21:00-08:00", time(0), True),
        ("21:00-08:00", time(7, 59), True),
        ("21:00-08:00", time(8), False),
        ("21:00-08:00", time(12), False),
    ],
)
def test_a_span_of_hours_holds_its_begin_and_not_its_end(hours: str, moment: time, inside: bool) -> None:
    assert within(hours, moment) is inside


@given(begin=times, end=times, moment=st.times())
def test_every_moment_lies_in_a_span_or_in_the_rest_of_the_day(begin: time, end: time, moment: time) -> None:
    span, rest = f"{begin:%H:%M}-{end:%H:%M}", f"{end:%H:%M}-{begin:%H:%M}"

    assert (within(span, moment) + within(rest, moment)) == (begin != end)


@given(now=moments)
@example(now=datetime(2026, 11, 16, 20, 30, tzinfo=SHANGHAI))
@example(now=datetime(2026, 11, 16, 8, 29, 59, tzinfo=SHANGHAI))
@example(now=datetime(2026, 12, 31, 23, 0, tzinfo=SHANGHAI))
def test_an_unasked_message_waits_for_the_morning_and_no_longer(now: datetime) -> None:
    at = polite_time(now, SHANGHAI)
    local = at.astimezone(SHANGHAI).time()

    assert QUIET_TO <= local < QUIET_FROM
    assert now <= at <= now + timedelta(hours=12)
    assert at == now or local == QUIET_TO


def test_by_day_nothing_waits() -> None:
    noon = datetime(2026, 11, 16, 4, 0, tzinfo=ZoneInfo("UTC"))

    assert polite_time(noon, SHANGHAI) == noon
