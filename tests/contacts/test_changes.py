"""What adds and deletions leave in the record, in whatever order and however often they arrive."""

from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from bot.database import Database
from contacts.changes import NEW, OURS, RETURNED, follow, follow_users_of, lose
from contacts.models import CUSTOMER, STAFF, Customer
from tests.conftest import MONDAY_TEN

ADD = "add"
anything = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[int, str]]:
    """(minute, what happened) of different minutes, in the order of arrival, some delivered more than once."""
    minutes = draw(st.lists(st.integers(0, 50), min_size=1, max_size=8, unique=True))
    events = [(minute, draw(st.sampled_from([ADD, CUSTOMER, STAFF]))) for minute in minutes]
    again = draw(st.lists(st.sampled_from(events), max_size=8))
    return draw(st.permutations(events + again))


def happens(session: Session, minute: int, what: str, external_userid: str = "wmChen") -> None:
    """One event of the customer and Lin arrives."""
    at = MONDAY_TEN + timedelta(minutes=minute)
    event = {ADD: lambda: follow(session, "lin", external_userid, at=at)}
    event.get(what, lambda: lose(session, "lin", external_userid, by=what, at=at))()


@anything
@given(history=histories())
async def test_the_latest_of_adds_and_deletions_holds_in_any_order(
    database: Database, history: list[tuple[int, str]]
) -> None:
    with Session(database.engine) as session:
        for minute, what in history:
            happens(session, minute, what)
        [customer] = session.exec(select(Customer)).all()
        [tie] = follow_users_of(session, customer.id or 0)

    minute, latest = max(history)
    adds = [minute for minute, what in history if what == ADD]
    ends = [minute for minute, what in history if what != ADD]
    assert (tie.lost_at is None) == (latest == ADD)
    assert tie.lost_by == {ADD: None}.get(latest, latest)
    assert tie.added_at == MONDAY_TEN + timedelta(minutes=max(adds or ends))


@anything
@given(history=histories(), other=histories())
async def test_ties_of_two_customers_do_not_touch(
    database: Database, history: list[tuple[int, str]], other: list[tuple[int, str]]
) -> None:
    with Session(database.engine) as session:
        for (minute, what), (also, too) in zip(history, other, strict=False):
            happens(session, minute, what)
            happens(session, also, too, "wmZhao")
        customers = session.exec(select(Customer)).all()
        ties = [follow_users_of(session, customer.id or 0) for customer in customers]

    assert [len(one) for one in ties] == [1, 1]


async def test_what_a_customer_was_before_is_told_by_her_other_ties(database: Database) -> None:
    def meets(userid: str, minute: int) -> str:
        return follow(session, userid, "wmChen", at=MONDAY_TEN + timedelta(minutes=minute)).kind

    with Session(database.engine) as session:
        assert meets("lin", 0) == NEW
        assert meets("wang", 1) == OURS
        for userid in ("lin", "wang"):
            lose(session, userid, "wmChen", by=CUSTOMER, at=MONDAY_TEN + timedelta(minutes=2))
        assert meets("mo", 3) == RETURNED


async def test_whom_she_added_first_answers_for_her(database: Database) -> None:
    with Session(database.engine) as session:
        first = follow(session, "lin", "wmChen", at=MONDAY_TEN, state="expo")
        second = follow(session, "wang", "wmChen", at=MONDAY_TEN + timedelta(minutes=1))

    assert (first.main_userid, second.main_userid) == ("lin", "lin")
    assert (first.state, second.state) == ("expo", "")


async def test_a_deletion_that_comes_first_is_no_reason_to_call_her_new_later(database: Database) -> None:
    with Session(database.engine) as session:
        lose(session, "lin", "wmChen", by=STAFF, at=MONDAY_TEN)
        returned = follow(session, "lin", "wmChen", at=MONDAY_TEN + timedelta(hours=1))
        [customer] = session.exec(select(Customer)).all()

    assert (returned.kind, returned.confirmed) == (RETURNED, False)
    assert (customer.main_userid, customer.first_added_at) == ("lin", MONDAY_TEN + timedelta(hours=1))
