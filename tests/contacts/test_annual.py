"""Days that come back each year."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lunardate import LunarDate

from contacts.annual import NO_YEAR, moon, next_on, read_annual

born = st.dates(date(1920, 1, 1), date(2026, 12, 31))
todays = st.dates(date(2024, 1, 1), date(2050, 12, 31))


@given(day=born, today=todays)
@example(day=date(2000, 2, 29), today=date(2026, 3, 1))
@example(day=date(2000, 2, 29), today=date(2028, 2, 29))
def test_a_solar_day_comes_within_a_year_on_the_same_day(day: date, today: date) -> None:
    comes = next_on(day, today)

    assert comes is not None
    assert today <= comes < today + timedelta(days=367)
    assert (comes.month, comes.day) == (day.month, day.day) or (day.day, comes.day, comes.month) == (29, 28, 2)


@given(day=born, today=todays)
def test_a_lunar_day_comes_within_a_lunar_year_on_the_same_lunar_day(day: date, today: date) -> None:
    comes = next_on(day, today, lunar=True)

    assert comes is not None
    assert today <= comes < today + timedelta(days=386)
    _, month, number = moon(day) or (0, 0, 0)
    _, its_month, its_number = moon(comes) or (0, 0, 0)
    assert its_month == month
    assert its_number == number or (number, its_number) == (30, 29)


@given(day=born, today=todays, lunar=st.booleans())
def test_it_does_not_come_between_today_and_its_next_time(day: date, today: date, lunar: bool) -> None:
    comes = next_on(day, today, lunar=lunar)

    assert comes is not None
    assert next_on(day, comes, lunar=lunar) == comes
    assert next_on(day, comes + timedelta(days=1), lunar=lunar) != comes


@pytest.mark.parametrize(
    ("text", "today", "comes"),
    [
        ("农历1990-08-15", date(2026, 1, 1), date(2026, 9, 25)),  # mid-autumn
        ("农历01-01", date(2026, 2, 1), date(2026, 2, 17)),  # the lunar new year
        ("lunar 12-30", date(2026, 1, 1), date(2026, 2, 16)),  # the twelfth month is short: the 29th
        ("农历1976-闰8-08", date(2026, 1, 1), date(2026, 9, 18)),  # of a leap month: on the plain one
        ("02-29", date(2026, 1, 1), date(2026, 2, 28)),
        ("02-29", date(2028, 1, 1), date(2028, 2, 29)),
        ("1990年6月15日", date(2026, 6, 15), date(2026, 6, 15)),
        ("1990/6/15", date(2026, 6, 16), date(2027, 6, 15)),
    ],
)
def test_the_next_time_of_well_known_days(text: str, today: date, comes: date) -> None:
    day, lunar = read_annual(text)

    assert next_on(day, today, lunar=lunar) == comes


@given(month=st.integers(1, 12), day=st.integers(1, 30))
def test_every_lunar_day_can_be_given_without_a_year(month: int, day: int) -> None:
    kept, lunar = read_annual(f"农历{month}-{day}")

    assert lunar
    assert moon(kept) == (LunarDate.from_solar_date(kept.year, kept.month, kept.day).year, month, day)
    assert NO_YEAR <= kept.year < NO_YEAR + 21


@pytest.mark.parametrize("text", ["", "soon", "1990-02-30", "13-01", "农历1990-13-01", "1990-闰5-01", "1990", "0-0"])
def test_what_is_no_day_of_the_year_is_refused_with_what_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match="expected YYYY-MM-DD or MM-DD"):
        read_annual(text)
