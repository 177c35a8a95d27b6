"""Touches: reports in a burst are doubtful, and the week's are counted over all staff."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from bot.database import Database
from contacts.changes import follow
from contacts.facts import STEP, Touch
from contacts.models import Customer
from contacts.touches import report, touches_of_week, welcomed
from tests.conftest import MONDAY_TEN


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """Two customers of Lin's."""
    with Session(database.engine) as session:
        for name in ("wmChen", "wmZhao"):
            follow(session, "lin", name, at=MONDAY_TEN)
        yield session


def weekly(session: Session, days: int = 0) -> list[int]:
    """How often each customer was reached in the last seven days."""
    counted = touches_of_week(Customer.__table__.c.id, MONDAY_TEN + timedelta(days=days))  # type: ignore[attr-defined]
    return list(session.exec(select(counted).select_from(Customer).order_by(col(Customer.id))).all())


def test_more_than_five_reports_within_a_minute_are_doubtful(session: Session) -> None:
    seconds = [0, 10, 20, 30, 40, 50, 59, 130]
    touches = [
        report(session, 1, "lin", STEP, reference=str(second), at=MONDAY_TEN + timedelta(seconds=second))
        for second in seconds
    ]
    other = report(session, 1, "wang", STEP, reference="other", at=MONDAY_TEN + timedelta(seconds=59))

    assert [one.doubtful for one in touches] == [False] * 5 + [True, True, False]
    assert not other.doubtful


def test_the_week_counts_every_members_touches_but_no_welcome(session: Session) -> None:
    welcomed(session, "lin", "wmChen", reference="7", at=MONDAY_TEN, confirmed=True)
    for number, userid in enumerate(("lin", "wang", "lin")):
        at = MONDAY_TEN - timedelta(days=3 * number)
        report(session, 1, userid, STEP, reference=str(number), at=at)

    assert weekly(session) == [3, 0]
    assert weekly(session, days=2) == [2, 0]
    assert weekly(session, days=8) == [0, 0]
    [welcome] = session.exec(select(Touch).where(Touch.scene == "welcome")).all()
    assert (welcome.customer_id, welcome.confirmed) == (1, True)
