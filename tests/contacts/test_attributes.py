"""Attributes and birthdays: what is taken, what is refused, and which value holds."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlmodel import Session, col, select

from bot.database import Database
from contacts.attributes import AttributeRefused, Given, define, refresh, set_values
from contacts.models import Attribute, AttributeValue, Customer
from tests.conftest import MONDAY_TEN

TODAY = date(2026, 11, 16)
DEFINED = (
    Attribute(key="skin", label="肤质", type="choice", choices=["干性", "油性"]),
    Attribute(key="budget", label="预算", type="number"),
    Attribute(key="due_on", label="预产期", type="date"),
    Attribute(key="wedding", label="结婚纪念日", type="annual"),
    Attribute(key="mother", label="妈妈生日", type="annual", lunar=True),
    Attribute(key="smokes", label="吸烟", type="yes_no"),
    Attribute(key="hobby", label="爱好", type="text"),
)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """The attributes above and two customers."""
    with Session(database.engine) as session:
        for one in DEFINED:
            define(session, Attribute(**one.model_dump()))
        session.add_all([Customer(id=1, name="Chen"), Customer(id=2, name="Zhao")])
        session.flush()
        yield session


def give(session: Session, key: str, value: str, *, minutes: int = 0, customer: int = 1) -> dict[int, str]:
    """One value given."""
    return set_values(session, [Given(customer, key, value, MONDAY_TEN + timedelta(minutes=minutes))], TODAY)


def kept(session: Session, key: str) -> AttributeValue:
    """The first customer's value."""
    session.expire_all()
    return session.exec(select(AttributeValue).where(AttributeValue.key == key, AttributeValue.customer_id == 1)).one()


@pytest.mark.parametrize(
    ("key", "value", "column", "stored"),
    [
        ("skin", "干性", "text", "干性"),
        ("budget", "30万", "number", 300_000.0),
        ("budget", "1,200元", "number", 1200.0),
        ("due_on", "2027-03-01", "day", date(2027, 3, 1)),
        ("wedding", "2015-05-20", "next_on", date(2027, 5, 20)),
        ("mother", "1960-08-15", "next_on", date(2027, 9, 15)),
        ("smokes", "否", "number", 0.0),
        ("hobby", " 钓鱼 ", "text", "钓鱼"),
    ],
)
def test_a_value_is_kept_in_the_column_of_its_type(
    session: Session, key: str, value: str, column: str, stored: object
) -> None:
    assert give(session, key, value) == {}
    assert getattr(kept(session, key), column) == stored


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("skin", "中性", "skin: '中性' is no choice; expected one of 干性, 油性"),
        ("budget", "很多", "budget: '很多' is no number; expected for example 1200, 12.5 or 30万"),
        ("budget", "nan", "budget: 'nan' is no number"),
        ("due_on", "2027-02-30", "due_on: '2027-02-30' is no date; expected YYYY-MM-DD"),
        ("wedding", "05-32", "wedding: '05-32': there is no such day"),
        ("smokes", "maybe", "smokes: 'maybe' is neither yes nor no"),
        ("hobby", " ", "hobby '': expected 1 to 500 characters"),
        ("shoe", "38", "key 'shoe': no such attribute; defined are"),
        ("birthday", "yesterday", "birthday: 'yesterday' is no day of the year"),
    ],
)
def test_a_bad_value_is_refused_with_field_value_and_remedy(
    session: Session, key: str, value: str, reason: str
) -> None:
    assert give(session, key, value)[0].startswith(reason)
    assert session.exec(select(AttributeValue)).all() == []


def test_the_later_value_holds_in_whatever_order_they_come(session: Session) -> None:
    give(session, "hobby", "钓鱼", minutes=5)
    give(session, "hobby", "下棋", minutes=1)
    assert kept(session, "hobby").text == "钓鱼"

    both = [
        Given(1, "hobby", "跑步", MONDAY_TEN + timedelta(minutes=9)),
        Given(1, "hobby", "游泳", MONDAY_TEN + timedelta(minutes=8)),
    ]
    assert set_values(session, both, TODAY) == {}
    assert kept(session, "hobby").text == "跑步"


def test_thousands_of_values_go_in_at_once_and_bad_ones_are_named_by_place(session: Session) -> None:
    session.add_all([Customer(id=number, name="x") for number in range(10, 3010)])
    session.flush()
    given = [Given(number, "budget", str(number), MONDAY_TEN) for number in range(10, 3010)]
    given[7] = Given(17, "budget", "?", MONDAY_TEN)

    assert list(set_values(session, given, TODAY)) == [7]
    assert len(session.exec(select(AttributeValue.id)).all()) == 2999


def test_birthdays_stand_in_the_customers_row(session: Session) -> None:
    assert give(session, "birthday", "1990-11-20") == {}
    assert give(session, "birthday", "农历1990-08-15", customer=2) == {}
    session.expire_all()

    solar, lunar = session.exec(select(Customer).order_by(col(Customer.id))).all()
    assert (solar.birthday, solar.birthday_next) == (date(1990, 11, 20), date(2026, 11, 20))
    assert (lunar.birthday, lunar.birthday_lunar) == (date(1990, 10, 3), True)
    assert lunar.birthday_next == date(2027, 9, 15)


def test_days_that_passed_move_on_to_their_next_time(session: Session) -> None:
    give(session, "birthday", "1990-11-17")
    give(session, "mother", "1960-10-08")
    give(session, "wedding", "2015-05-20")
    assert kept(session, "mother").next_on == date(2026, 11, 16)

    assert refresh(session, TODAY + timedelta(days=2)) == 2
    assert refresh(session, TODAY + timedelta(days=2)) == 0
    assert kept(session, "mother").next_on == date(2027, 11, 5)
    assert kept(session, "wedding").next_on == date(2027, 5, 20)
    assert session.get_one(Customer, 1).birthday_next == date(2027, 11, 17)


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        (Attribute(key="Skin!", label="x", type="text"), "key 'Skin!'"),
        (Attribute(key="birthday", label="x", type="annual"), "key 'birthday'"),
        (Attribute(key="a", label=" ", type="text"), "label ''"),
        (Attribute(key="a", label="x", type="colour"), "type 'colour': expected one of text, number"),
        (Attribute(key="a", label="x", type="choice"), r"choices \[\]"),
        (Attribute(key="a", label="x", type="text", choices=["b"]), r"choices \['b'\]"),
        (Attribute(key="a", label="x", type="choice", choices=["b", "b"]), "choices"),
        (Attribute(key="a", label="x", type="date", lunar=True), "lunar"),
    ],
)
def test_a_definition_that_cannot_work_is_refused(session: Session, attribute: Attribute, reason: str) -> None:
    with pytest.raises(AttributeRefused, match=reason):
        define(session, attribute)


def test_values_in_use_keep_their_type_and_their_choice(session: Session) -> None:
    give(session, "skin", "干性")

    with pytest.raises(AttributeRefused, match="already has values"):
        define(session, Attribute(key="skin", label="肤质", type="text"))
    with pytest.raises(AttributeRefused, match="'干性' is some customer's value"):
        define(session, Attribute(key="skin", label="肤质", type="choice", choices=["油性"]))
    define(session, Attribute(key="skin", label="肤质", type="choice", choices=["干性"]))
