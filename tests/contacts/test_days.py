"""Dates as people say them."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.days import find_day, read_day

MONDAY = date(2026, 11, 16)


@pytest.mark.parametrize(
    ("words", "day"),
    [
        ("今天", date(2026, 11, 16)),
        ("明天", date(2026, 11, 17)),
        ("后天", date(2026, 11, 18)),
        ("大后天", date(2026, 11, 19)),
        ("周一", date(2026, 11, 16)),
        ("周五", date(2026, 11, 20)),
        ("星期天", date(2026, 11, 22)),
        ("这周六", date(2026, 11, 21)),
        ("下周三", date(2026, 11, 25)),
        ("下下周一", date(2026, 11, 30)),
        ("下周", date(2026, 11, 23)),
        ("上周五", date(2026, 11, 13)),
        ("12月1日", date(2026, 12, 1)),
        ("十二月一号", date(2026, 12, 1)),
        ("3月8号", date(2027, 3, 8)),
        ("明年3月8号", date(2027, 3, 8)),
        ("2028年2月29日", date(2028, 2, 29)),
        ("20号", date(2026, 11, 20)),
        ("5号", date(2026, 12, 5)),
        ("下个月5号", date(2026, 12, 5)),
        ("下个月", date(2026, 12, 1)),
        ("月底", date(2026, 11, 30)),
        ("下月底", date(2026, 12, 31)),
        ("三天后", date(2026, 11, 19)),
        ("两周后", date(2026, 11, 30)),
        ("3个月后", date(2027, 2, 16)),
        ("2026-12-01", date(2026, 12, 1)),
        ("12/1", date(2026, 12, 1)),
        ("tomorrow", date(2026, 11, 17)),
        ("the day after tomorrow", date(2026, 11, 18)),
        ("Friday", date(2026, 11, 20)),
        ("next Wed", date(2026, 11, 25)),
        ("next week", date(2026, 11, 23)),
        ("next month", date(2026, 12, 1)),
        ("December 1", date(2026, 12, 1)),
        ("Dec 1st, 2027", date(2027, 12, 1)),
        ("1 March", date(2027, 3, 1)),
        ("in 3 days", date(2026, 11, 19)),
    ],
)
def test_a_day_is_read_as_people_mean_it(words: str, day: date) -> None:
    assert read_day(words, MONDAY) == day


@pytest.mark.parametrize("words", ["", "李女士", "13月1日", "2月30日", "一月", "may", "2026", "周", "11/31", "三"])
def test_what_is_no_day_is_none(words: str) -> None:
    assert read_day(words, MONDAY) is None


def test_a_day_inside_a_sentence_leaves_the_rest() -> None:
    said = find_day("李女士下周三联系", MONDAY)

    assert said is not None
    assert (said.before, said.day, said.after) == ("李女士", date(2026, 11, 25), "联系")


@given(today=st.dates(date(2024, 1, 1), date(2040, 12, 31)), ahead=st.integers(0, 364))
def test_a_day_without_a_year_is_the_next_one(today: date, ahead: int) -> None:
    day = today + timedelta(days=ahead)

    assert read_day(f"{day.month}月{day.day}日", today) == day
    assert read_day(f"{day:%B} {day.day}", today) == day
    assert read_day(day.isoformat(), today) == day


@given(text=st.text("李天月日号周12三下一后- /nextmay", max_size=20))
def test_no_text_breaks_the_reading(text: str) -> None:
    said = find_day(text, MONDAY)

    assert said is None or isinstance(said.day, date)
