"""The history of ties is the same in whatever order, and however often, its events arrive."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event
from sqlmodel import Session, col, select

from bot.database import Database
from bot.statements import Statement
from contacts.changes import follow, lose
from contacts.channels import SOURCES, Channel
from contacts.models import (
    ADDED,
    CONFIRMED,
    CUSTOMER,
    ENDED_AGAIN,
    HALF_ADDED,
    LOST,
    REPEATED,
    STAFF,
    TRANSFER,
    TRANSFERRED_IN,
    TRANSFERRED_OUT,
    FollowUser,
    TieChange,
)
from tests.conftest import MONDAY_TEN

ADD, HALF = "add", "half"
Event = tuple[int, str, str]
anything = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """(minute, member, what happened) of different minutes: as it happened, and as it arrives."""
    minutes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=8, unique=True))
    kinds = st.sampled_from([ADD, HALF, CUSTOMER, STAFF, TRANSFER])
    events = [(minute, draw(st.sampled_from(["lin", "wang"])), draw(kinds)) for minute in sorted(minutes)]
    again = draw(st.lists(st.sampled_from(events), max_size=6))
    return events, draw(st.permutations(events + again))


def happens(session: Session, arrived: Event, external_userid: str) -> None:
    """One event arrives."""
    minute, userid, what = arrived
    at = MONDAY_TEN + timedelta(minutes=minute)
    adds = {ADD: False, HALF: True}
    if what in adds:
        follow(session, userid, external_userid, at=at, half=adds[what])
    else:
        lose(session, userid, external_userid, by=what, at=at)


def history(session: Session, events: list[Event], external_userid: str = "wmChen") -> list[tuple[Any, ...]]:
    """What the log says after these events."""
    for one in events:
        happens(session, one, external_userid)
    rows = session.exec(select(TieChange).order_by(col(TieChange.at), col(TieChange.userid))).all()
    return [(row.at, row.userid, row.kind, row.by, row.returned) for row in rows]


def kinds(session: Session, events: list[Event]) -> list[tuple[str, bool]]:
    """The kinds in the log after these events, and whether she came back."""
    return [(kind, returned) for _, _, kind, _, returned in history(session, events)]


@anything
@given(both=histories())
async def test_the_log_is_the_same_in_any_order(database: Database, both: tuple[list[Event], list[Event]]) -> None:
    happened, arrived = both
    with Session(database.engine) as session:
        expected = history(session, happened)
    with Session(database.engine) as session:
        found = history(session, arrived)

    assert found == expected
    assert len(found) == len(happened)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([(0, "lin", ADD), (1, "lin", CUSTOMER), (2, "lin", ADD)], [(ADDED, False), (LOST, False), (ADDED, True)]),
        ([(0, "lin", ADD), (1, "lin", CUSTOMER), (2, "mo", ADD)], [(ADDED, False), (LOST, False), (ADDED, True)]),
        ([(0, "lin", ADD), (1, "mo", ADD), (2, "lin", STAFF), (3, "lin", ADD)],
         [(ADDED, False), (ADDED, False), (LOST, False), (ADDED, False)]),
        ([(0, "lin", HALF), (1, "lin", ADD), (2, "lin", ADD)],
         [(HALF_ADDED, False), (CONFIRMED, False), (REPEATED, False)]),
        ([(0, "lin", CUSTOMER), (1, "lin", HALF), (2, "lin", ADD)],
         [(LOST, False), (HALF_ADDED, True), (CONFIRMED, True)]),
        ([(0, "lin", ADD), (1, "lin", CUSTOMER), (2, "lin", STAFF)],
         [(ADDED, False), (LOST, False), (ENDED_AGAIN, False)]),
        ([(0, "lin", ADD), (1, "lin", TRANSFER), (2, "mo", ADD)],
         [(ADDED, False), (TRANSFERRED_OUT, False), (TRANSFERRED_IN, False)]),
        ([(0, "lin", ADD), (1, "mo", ADD), (2, "lin", TRANSFER)],
         [(ADDED, False), (TRANSFERRED_IN, False), (TRANSFERRED_OUT, False)]),
        ([(0, "lin", ADD), (1, "lin", TRANSFER), (50, "mo", ADD)],
         [(ADDED, False), (TRANSFERRED_OUT, False), (ADDED, False)]),
    ],
)  # fmt: skip
async def test_what_each_event_meant(database: Database, events: list[Event], expected: list[tuple[str, bool]]) -> None:
    with Session(database.engine) as session:
        assert kinds(session, events) == expected


async def test_a_tie_and_its_history_name_the_channel_of_the_state(database: Database) -> None:
    def add(session: Session) -> int | None:
        channel = Channel(name="地推展会", state="expo-2026", created_at=MONDAY_TEN)
        session.add(channel)
        session.flush()
        SOURCES.forget()
        follow(session, "lin", "wmChen", at=MONDAY_TEN, state="expo-2026", half=True)
        follow(session, "lin", "wmChen", at=MONDAY_TEN + timedelta(minutes=1))
        follow(session, "lin", "wmZhao", at=MONDAY_TEN, state="nobody-made-this")
        return channel.id

    channel = await database.write(add)
    with Session(database.engine) as session:
        ties = session.exec(select(FollowUser.channel_id).order_by(col(FollowUser.id))).all()
        log = session.exec(select(TieChange.state, TieChange.channel_id).order_by(col(TieChange.id))).all()

    assert list(ties) == [channel, None]
    assert list(log) == [("expo-2026", channel), ("expo-2026", channel), ("nobody-made-this", None)]


async def test_an_add_of_somebody_new_costs_five_statements(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    carry_out = Statement.run

    def counted(self: Statement, connection: Connection, values: Mapping[str, Any]) -> Any:
        statements.append(str(self.clause).split(maxsplit=1)[0])
        return carry_out(self, connection, values)

    monkeypatch.setattr(Statement, "run", counted)
    with Session(database.engine) as session:
        event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2].split()[0]))
        follow(session, "lin", "wmChen", at=MONDAY_TEN)

    assert [one for one in statements if one != "BEGIN"] == ["SELECT", "INSERT", "INSERT", "INSERT", "INSERT"]
