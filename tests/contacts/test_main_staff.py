"""Who may decide who answers for a customer, and what is kept of it."""

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from bot.database import Database
from contacts.changes import follow
from contacts.handover import ask_transfer
from contacts.main_staff import ADMIN, SYSTEM, ChangeRefused, NotAllowed, change_main_staff
from contacts.models import Customer, Department, MainStaffChange, Staff, StaffDepartment
from tests.conftest import MONDAY_TEN


def company(session: Session) -> int:
    """Two stores: Su leads Lin and Wang, He leads Mo; a head above them. A customer of Lin's: her id."""
    paths = {1: "/1/", 2: "/1/2/", 3: "/1/3/"}
    session.add_all(Department(id=one, name=str(one), path=path) for one, path in paths.items())
    people = {"lin": 2, "wang": 2, "su": 2, "mo": 3, "he": 3, "head": 1}
    session.add_all(Staff(userid=userid, name=userid, customer_contact=True, synced_at=MONDAY_TEN) for userid in people)
    session.add(Staff(userid="gone", name="gone", active=False, synced_at=MONDAY_TEN))
    session.flush()
    session.add_all(
        StaffDepartment(userid=userid, department_id=department, leads=userid in {"su", "he", "head"})
        for userid, department in people.items()
    )
    session.flush()
    return follow(session, "lin", "wmChen", at=MONDAY_TEN).customer_id


@pytest.mark.parametrize("by", ["su", "he", "head", SYSTEM, ADMIN])
async def test_a_leader_above_the_old_or_the_new_member_decides(database: Database, by: str) -> None:
    with Session(database.engine) as session:
        whose = company(session)
        change_main_staff(session, whose, "mo", by=by, reason="换店", now=MONDAY_TEN)
        again = change_main_staff(session, whose, "mo", by=SYSTEM, reason="换店", now=MONDAY_TEN)
        [change] = session.exec(select(MainStaffChange)).all()
        customer = session.get(Customer, whose)

    assert again is None
    assert (change.before, change.after, change.by, change.reason, change.at) == ("lin", "mo", by, "换店", MONDAY_TEN)
    assert customer is not None
    assert customer.main_userid == "mo"


@pytest.mark.parametrize(("userid", "by"), [("wang", "lin"), ("wang", "wang"), ("wang", "he"), ("mo", "nobody")])
async def test_nobody_else_does(database: Database, userid: str, by: str) -> None:
    with Session(database.engine) as session:
        whose = company(session)
        with pytest.raises(NotAllowed):
            change_main_staff(session, whose, userid, by=by, reason="", now=MONDAY_TEN)
        with pytest.raises(NotAllowed):
            ask_transfer(session, "lin", userid, [whose], by=by, now=MONDAY_TEN)
        assert session.exec(select(MainStaffChange)).all() == []


@pytest.mark.parametrize("userid", ["gone", "nobody"])
async def test_only_active_staff_answer_for_customers(database: Database, userid: str) -> None:
    with Session(database.engine) as session:
        whose = company(session)
        with pytest.raises(ChangeRefused, match=userid):
            change_main_staff(session, whose, userid, by=ADMIN, reason="", now=MONDAY_TEN)
        with pytest.raises(ChangeRefused, match=userid):
            ask_transfer(session, "lin", userid, [whose], by=ADMIN, now=MONDAY_TEN)


async def test_a_hundred_customers_go_in_one_call_and_none_is_asked_for_twice(database: Database) -> None:
    with Session(database.engine) as session:
        company(session)
        for number in range(120):
            follow(session, "lin", f"wm{number}", at=MONDAY_TEN + timedelta(seconds=number))
        everybody = list(session.exec(select(Customer.id).order_by(col(Customer.id))).all())
        asked = ask_transfer(session, "lin", "mo", [one or 0 for one in everybody], by="he", now=MONDAY_TEN)
        again = ask_transfer(session, "lin", "wang", [one or 0 for one in everybody], by="su", now=MONDAY_TEN)

    assert (len(asked), again) == (121, [])
