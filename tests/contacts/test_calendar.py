"""Who works on which day."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlmodel import Session

from bot.database import Database
from contacts.calendar import is_workday, next_workday, previous_workday, rota, set_days, stand_in, weekdays, works
from contacts.facts import Holiday, StoreHours
from contacts.models import Department, Staff, StaffDepartment, Store
from tests.conftest import MONDAY_TEN

MONDAY, SATURDAY, SUNDAY = date(2026, 11, 16), date(2026, 11, 21), date(2026, 11, 22)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 11, 16), True),  # a Monday
        (date(2026, 11, 21), False),  # a Saturday
        (date(2026, 10, 1), False),  # National Day, a Thursday
        (date(2026, 1, 1), False),
        (date(2026, 2, 17), False),  # the first day of the lunar year
        (date(2026, 2, 14), True),  # a Saturday that makes up for the spring holiday
        (date(2025, 1, 26), True),  # a Sunday that does
        (date(2025, 9, 28), True),  # a Sunday that makes up for National Day
    ],
)
def test_workdays_follow_chinas_calendar_with_make_up_days(day: date, works: bool) -> None:
    assert is_workday(day) is works


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """Lin and Wang in the eastern store, Mo in the western one, He in the office."""
    with Session(database.engine) as session:
        for number, name, path in (
            (1, "公司", "/1/"),
            (2, "城东店", "/1/2/"),
            (3, "城西店", "/1/3/"),
            (5, "柜台", "/1/2/5/"),
        ):
            session.add(Department(id=number, name=name, path=path))
        for userid in ("lin", "wang", "mo", "he"):
            session.add(Staff(userid=userid, name=userid, synced_at=MONDAY_TEN))
        session.add_all(
            [Store(code="east", name="城东店", department_id=2), Store(code="west", name="城西店", department_id=3)]
        )
        session.flush()
        for userid, department in (("lin", 2), ("wang", 5), ("mo", 3), ("he", 1)):
            session.add(StaffDepartment(userid=userid, department_id=department))
        session.flush()
        yield session


def test_without_rota_or_hours_the_public_calendar_holds(session: Session) -> None:
    assert works(session, "he", MONDAY)
    assert not works(session, "he", SATURDAY)


def test_a_stores_hours_hold_for_departments_below_it_too(session: Session) -> None:
    session.add_all([StoreHours(store="east", days="always"), StoreHours(store="west", days="1-6")])

    assert works(session, "lin", SUNDAY)
    assert works(session, "wang", SUNDAY)
    assert works(session, "mo", SATURDAY)
    assert not works(session, "mo", SUNDAY)
    assert works(session, "mo", date(2026, 10, 1))


def test_the_companys_decision_goes_before_the_public_calendar_and_a_stores_before_its_hours(session: Session) -> None:
    session.add_all(
        [
            StoreHours(store="east", days="always"),
            Holiday(day=MONDAY, works=False),
            Holiday(day=SUNDAY, store="east", works=False),
            Holiday(day=SATURDAY, works=True),
        ]
    )

    assert not works(session, "he", MONDAY)
    assert works(session, "he", SATURDAY)
    assert works(session, "lin", MONDAY)
    assert not works(session, "lin", SUNDAY)


def test_the_members_own_rota_goes_before_everything(session: Session) -> None:
    session.add(Holiday(day=SUNDAY, store="east", works=False))
    set_days(session, "lin", SUNDAY, SUNDAY, works=True, by="su")
    set_days(session, "lin", MONDAY, MONDAY + timedelta(days=2), works=False, by="lin", stand_in="wang")
    session.flush()

    known = rota(session, ["lin", "wang"], MONDAY, SUNDAY)
    assert known.works("lin", SUNDAY)
    assert not known.works("wang", SUNDAY)
    assert [known.works("lin", MONDAY + timedelta(days=number)) for number in range(4)] == [False, False, False, True]
    assert stand_in(session, "lin", MONDAY) == "wang"
    assert stand_in(session, "lin", SUNDAY) is None
    assert stand_in(session, "wang", MONDAY) is None


def test_the_next_and_previous_workday_go_around_days_off(session: Session) -> None:
    set_days(session, "he", date(2026, 11, 20), date(2026, 11, 24), works=False, by="he")
    session.flush()

    assert next_workday(session, "he", MONDAY) == MONDAY
    assert next_workday(session, "he", date(2026, 11, 20)) == date(2026, 11, 25)
    assert previous_workday(session, "he", date(2026, 11, 24)) == date(2026, 11, 19)


def test_somebody_away_for_long_has_no_next_workday(session: Session) -> None:
    set_days(session, "he", MONDAY, MONDAY + timedelta(days=100), works=False, by="su")
    session.flush()

    assert next_workday(session, "he", MONDAY) is None


@pytest.mark.parametrize("days", ["", "0-5", "1-8", "every day", "1-"])
def test_hours_nobody_can_read_are_refused_with_what_is_expected(days: str) -> None:
    with pytest.raises(ValueError, match="expected always, national, or weekdays such as"):
        weekdays(days)
