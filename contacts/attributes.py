"""Attributes: fields of customers that the company defines for itself; and birthdays, which work the same way.

Values are checked when given; a later value takes an earlier one's place, whatever order they arrive in.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table, bindparam, func, update
from sqlalchemy import select as select_rows
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from contacts.annual import next_on, read_annual
from contacts.models import Attribute, AttributeValue, Customer

TEXT, NUMBER, DATE, ANNUAL, CHOICE, YES_NO = "text", "number", "date", "annual", "choice", "yes_no"
BIRTHDAY = "birthday"
"""A key every company has; its values go into the customer's own row."""
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
TEXT_MAX = 500
ROWS_AT_ONCE = 500
YES, NO = frozenset({"yes", "y", "true", "1", "是", "有"}), frozenset({"no", "n", "false", "0", "否", "没有", "无"})
VALUES: Table = AttributeValue.__table__  # type: ignore[attr-defined]
CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]


class AttributeRefused(ValueError):
    """A definition or a value cannot be taken; the text names the field, the value and the remedy."""


@dataclass(frozen=True)
class Given:
    """A value somebody gave for a customer."""

    customer_id: int
    key: str
    value: str
    at: datetime
    source_id: str | None = None


@dataclass(frozen=True)
class Value:
    """A value as it is kept: `text` is what was given."""

    text: str
    number: float | None = None
    day: date | None = None
    next_on: date | None = None
    lunar: bool = False


def define(session: Session, attribute: Attribute) -> Attribute:
    """Add an attribute, or change one. Raises `AttributeRefused`."""
    check_definition(attribute)
    before = session.get(Attribute, attribute.key)
    if before and (before.type, before.lunar) != (attribute.type, attribute.lunar) and count(session, attribute.key):
        raise AttributeRefused(
            f"type {attribute.type!r}: {attribute.key} already has values of type {before.type}; define another key"
        )
    gone = set(before.choices if before else ()) - set(attribute.choices)
    used = session.exec(
        select(AttributeValue.text)
        .where(AttributeValue.key == attribute.key, col(AttributeValue.text).in_(gone))
        .limit(1)
    ).first()
    if used:
        raise AttributeRefused(f"choices: {used!r} is some customer's value; keep it, or change those customers first")
    return session.merge(attribute)


def check_definition(attribute: Attribute) -> None:
    """Refuse a definition that cannot work."""
    if not KEY.fullmatch(attribute.key) or attribute.key == BIRTHDAY:
        raise AttributeRefused(
            f"key {attribute.key!r}: expected up to 40 of a-z, 0-9 and _, a letter first, and not {BIRTHDAY}"
        )
    if not attribute.label.strip():
        raise AttributeRefused("label '': expected the words staff know it by")
    if attribute.type not in READERS:
        raise AttributeRefused(f"type {attribute.type!r}: expected one of {', '.join(READERS)}")
    if attribute.lunar and attribute.type != ANNUAL:
        raise AttributeRefused(f"lunar: only an annual date can be lunar; {attribute.key} is {attribute.type}")
    choices = [one.strip() for one in attribute.choices]
    if (attribute.type == CHOICE) != bool(choices) or len(set(choices)) != len(choices) or "" in choices:
        raise AttributeRefused(
            f"choices {attribute.choices!r}: a choice needs its values, each once and none empty; other types have none"
        )


def count(session: Session, key: str) -> int:
    """How many customers have a value."""
    return session.exec(select(func.count()).select_from(AttributeValue).where(AttributeValue.key == key)).one()


def read_value(attribute: Attribute, value: str, today: date) -> Value:
    """A value of an attribute. Raises `AttributeRefused`."""
    text = value.strip()
    if not text or len(text) > TEXT_MAX:
        raise AttributeRefused(f"{attribute.key} {text[:20]!r}: expected 1 to {TEXT_MAX} characters")
    try:
        return READERS[attribute.type](attribute, text, today)
    except ValueError as error:
        raise AttributeRefused(f"{attribute.key}: {error}") from error


def read_text(_attribute: Attribute, text: str, _today: date) -> Value:
    """Words."""
    return Value(text)


def read_number(_attribute: Attribute, text: str, _today: date) -> Value:
    """A number; thousands may have commas, 万 counts ten thousand."""
    plain = text.replace(",", "").removesuffix("元")
    try:
        number = float(plain.removesuffix("万")) * (10_000 if plain.endswith("万") else 1)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e15:
        raise ValueError(f"{text!r} is no number; expected for example 1200, 12.5 or 30万")
    return Value(text, number=number)


def read_date(_attribute: Attribute, text: str, _today: date) -> Value:
    """A date."""
    try:
        return Value(text, day=date.fromisoformat(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no date; expected YYYY-MM-DD") from error


def annual_value(attribute: Attribute, text: str, today: date) -> Value:
    """A day that comes back each year."""
    day, lunar = read_annual(text, lunar=attribute.lunar)
    return Value(text, day=day, next_on=next_on(day, today, lunar=lunar), lunar=lunar)


def read_choice(attribute: Attribute, text: str, _today: date) -> Value:
    """One of the choices."""
    if text not in attribute.choices:
        raise ValueError(f"{text!r} is no choice; expected one of {', '.join(attribute.choices)}")
    return Value(text)


def read_yes_no(_attribute: Attribute, text: str, _today: date) -> Value:
    """Yes or no, kept as 1 or 0."""
    word = text.casefold()
    if word not in YES | NO:
        raise ValueError(f"{text!r} is neither yes nor no; expected yes, no, 是 or 否")
    return Value("yes" if word in YES else "no", number=float(word in YES))


READERS: dict[str, Callable[[Attribute, str, date], Value]] = {
    TEXT: read_text,
    NUMBER: read_number,
    DATE: read_date,
    ANNUAL: annual_value,
    CHOICE: read_choice,
    YES_NO: read_yes_no,
}
BIRTHDAYS = Attribute(key=BIRTHDAY, label="birthday", type=ANNUAL)


def set_values(session: Session, given: Sequence[Given], today: date) -> dict[int, str]:
    """Keep what is good; answers the refused ones: place in `given` and reason."""
    attributes = {one.key: one for one in session.exec(select(Attribute))} | {BIRTHDAY: BIRTHDAYS}
    refused: dict[int, str] = {}
    latest: dict[tuple[int, str], tuple[Given, Value]] = {}
    for place, one in enumerate(given):
        try:
            if one.key not in attributes:
                raise AttributeRefused(f"key {one.key!r}: no such attribute; defined are {', '.join(attributes)}")
            value = read_value(attributes[one.key], one.value, today)
        except AttributeRefused as error:
            refused[place] = str(error)
            continue
        before = latest.get((one.customer_id, one.key))
        if before is None or one.at >= before[0].at:
            latest[one.customer_id, one.key] = (one, value)
    store_values(session, [pair for pair in latest.values() if pair[0].key != BIRTHDAY])
    store_birthdays(session, [pair for pair in latest.values() if pair[0].key == BIRTHDAY])
    return refused


def store_values(session: Session, values: Sequence[tuple[Given, Value]]) -> None:
    """Write values over older ones."""
    rows = [
        {
            "customer_id": given.customer_id,
            "key": given.key,
            "text": value.text,
            "number": value.number,
            "day": value.day,
            "next_on": value.next_on,
            "at": given.at,
            "source_id": given.source_id,
        }
        for given, value in values
    ]
    connection = session.connection()
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    for start in range(0, len(rows), ROWS_AT_ONCE):
        insert = dialect.insert(VALUES).values(rows[start : start + ROWS_AT_ONCE])
        fresh = {name: insert.excluded[name] for name in ("text", "number", "day", "next_on", "at", "source_id")}
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["customer_id", "key"], set_=fresh, where=VALUES.c.at <= insert.excluded.at
            )
        )


def store_birthdays(session: Session, values: Sequence[tuple[Given, Value]]) -> None:
    """Write birthdays into the customers' own rows."""
    rows = [
        {"which": given.customer_id, "day": value.day, "lunar": value.lunar, "next": value.next_on}
        for given, value in values
    ]
    if rows:
        change = update(CUSTOMERS).where(CUSTOMERS.c.id == bindparam("which"))
        born = change.values(
            birthday=bindparam("day"), birthday_lunar=bindparam("lunar"), birthday_next=bindparam("next")
        )
        session.connection().execute(born, rows)


def refresh(session: Session, today: date, limit: int = 5000) -> int:
    """Move annual days that have passed on to their next time, at most so many of each kind; answers how many."""
    return refresh_birthdays(session, today, limit) + refresh_values(session, today, limit)


def refresh_birthdays(session: Session, today: date, limit: int) -> int:
    """Birthdays that were before today."""
    born = CUSTOMERS.c
    passed = select_rows(born.id, born.birthday, born.birthday_lunar).where(born.birthday_next < today).limit(limit)
    rows = [
        {"which": one.id, "next": next_on(one.birthday, today, lunar=one.birthday_lunar) if one.birthday else None}
        for one in session.connection().execute(passed)
    ]
    change = update(CUSTOMERS).where(born.id == bindparam("which")).values(birthday_next=bindparam("next"))
    return execute_many(session, change, rows)


def refresh_values(session: Session, today: date, limit: int) -> int:
    """Other annual days that were before today."""
    annual = list(session.exec(select(Attribute).where(Attribute.type == ANNUAL)))
    rows: list[dict[str, Any]] = []
    for attribute in annual:
        passed = select_rows(VALUES.c.id, VALUES.c.text).where(VALUES.c.key == attribute.key, VALUES.c.next_on < today)
        for one in session.connection().execute(passed.limit(limit)):
            day, lunar = read_annual(one.text, lunar=attribute.lunar)
            rows.append({"which": one.id, "next": next_on(day, today, lunar=lunar)})
    change = update(VALUES).where(VALUES.c.id == bindparam("which")).values(next_on=bindparam("next"))
    return execute_many(session, change, rows)


def execute_many(session: Session, change: Any, rows: Iterable[dict[str, Any]]) -> int:
    """Run one statement for each row, prepared once; answers how many rows there were."""
    given = list(rows)
    if given:
        session.connection().execute(change, given)
    return len(given)
