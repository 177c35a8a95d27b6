"""Personal data: what is shown, what is given out, and that nothing of a person stays after erasing her."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import Session, SQLModel, select

from bot.clock import Clock
from bot.database import Database
from bot.jobs import Job, NewJob, insert
from contacts.attributes import Given, define, set_values
from contacts.care import complain, leave_in_peace, note
from contacts.changes import follow, lose
from contacts.facts import Act, CustomerGroup, GroupMember, Order, OrderItem
from contacts.models import CUSTOMER, Attribute, Customer, Erasure, FollowUser, Identity
from contacts.privacy import RETENTION, erase, erase_expired, export, mask_name, mask_phone
from kpi.models import CreditDecision
from tests.conftest import MONDAY_TEN

NOW = MONDAY_TEN
PERSONAL = ("wmLi", "wmOld", "李婷", "李女士", "13812345678", "怕疼", "等太久", "别再发了", "1990", "朝阳路")


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """李婷, known by much, with a record merged into hers; and Chen, of whom nothing may be touched."""
    with Session(database.engine) as session:
        li = follow(session, "lin", "wmLi", at=NOW).customer_id
        old = follow(session, "wang", "wmOld", at=NOW).customer_id
        chen = follow(session, "lin", "wmChen", at=NOW).customer_id
        for number, name in ((li, "李婷"), (old, "李女士"), (chen, "陈晨")):
            session.get_one(Customer, number).name = name
        session.get_one(Customer, old).merged_into = li
        tie = session.exec(select(FollowUser).where(FollowUser.customer_id == li)).one()
        tie.remark, tie.phones = "李女士", ["13812345678"]
        session.add(Identity(customer_id=li, kind="phone", value="13812345678"))
        session.add(Order(id=100, source_id="o1", digest="", at=NOW, customer_id=li, amount_fen=100))
        session.add(Act(source_id="a1", digest="", at=NOW, customer_id=li, name="cart", properties={"to": "朝阳路"}))
        session.add(CustomerGroup(chat_id="g"))
        session.flush()
        session.add(OrderItem(order_id=100, sku="x", name="x", qty=1, amount_fen=100))
        session.add(CreditDecision(order_id=100, userid="lin", by="su", at=NOW, words="李婷是林晓跟的"))
        session.add(GroupMember(chat_id="g", member="wmLi", customer_id=li, name="李婷", joined_at=NOW))
        define(session, Attribute(key="fear", label="顾虑", type="text"))
        given = [Given(li, "birthday", "1990-05-01", NOW), Given(li, "fear", "怕疼", NOW)]
        set_values(session, [*given, Given(chen, "fear", "贵", NOW)], NOW.date())
        note(session, li, "lin", "怕疼", NOW)
        complain(session, li, "lin", "等太久", NOW)
        leave_in_peace(session, li, "lin", NOW, words="李女士别再发了")
        jobs = [NewJob(key="a", kind="message", created_at=NOW, payload={"text": "李女士生日"})]
        insert(session, [*jobs, NewJob(key="b", kind="message", created_at=NOW, payload={"text": "陈晨生日"})])
        yield session


def everything(session: Session) -> str:
    """The whole database as one text."""
    session.expire_all()
    tables = SQLModel.metadata.sorted_tables
    rows = {table.name: [list(row) for row in session.connection().execute(table.select())] for table in tables}
    return json.dumps(rows, ensure_ascii=False, default=str)


def test_after_erasing_nothing_of_the_person_is_left_and_the_facts_are(session: Session) -> None:
    before = everything(session)
    assert all(word in before for word in PERSONAL)

    erase(session, 1, by="su", reason="she asked", now=NOW)

    after = everything(session)
    assert [word for word in PERSONAL if word in after] == []
    assert [word for word in ("wmChen", "陈晨", "贵") if word not in after] == []
    assert session.exec(select(Order.amount_fen).where(Order.customer_id == 1)).one() == 100
    assert session.get_one(Customer, 1).erased_at == NOW
    assert session.get_one(Customer, 3).erased_at is None
    erasures = session.exec(select(Erasure)).all()
    assert [(one.customer_id, one.by, one.reason) for one in erasures] == [
        (1, "su", "she asked"),
        (2, "su", "she asked"),
    ]
    jobs = {one.key: one.state for one in session.exec(select(Job))}
    assert (jobs["a"], jobs["b"]) == ("done", "ready")


def test_the_export_holds_everything_about_one_person_and_is_json(session: Session) -> None:
    given = export(session, 1)

    text = json.dumps(given, ensure_ascii=False)
    assert [word for word in PERSONAL if word not in text] == []
    assert "wmChen" not in text
    assert "陈晨" not in text
    assert {"customer", "identity", "followuser", "orders", "orderitem", "note", "complaint"} <= set(given)
    assert given["attributevalue"][0]["text"] == "怕疼"


async def test_lost_customers_without_orders_are_erased_after_the_days_kept(
    database: Database, session: Session
) -> None:
    for number, days in enumerate((400, 300, 400, 400)):
        gone = NOW - timedelta(days=days)
        follow(session, "lin", f"wm{number}", at=gone - timedelta(days=1))
        lose(session, "lin", f"wm{number}", by=CUSTOMER, at=gone)
    follow(session, "wang", "wm2", at=NOW)  # somebody else has her
    bought = session.exec(select(Identity.customer_id).where(Identity.value == "wm3")).one()
    session.add(Order(source_id="o2", digest="", at=NOW, customer_id=bought, amount_fen=1))
    session.commit()
    job = Job(key="night", kind=RETENTION, run_at=NOW, created_at=NOW)

    assert (await erase_expired(database, Clock(NOW), None)(job)).outcome == "0 customers erased"
    assert (await erase_expired(database, Clock(NOW), 365)(job)).outcome == "1 customers erased"
    kept = set(session.exec(select(Identity.value).where(Identity.kind == "external_userid")).all())
    assert kept == {"wmLi", "wmOld", "wmChen", "wm1", "wm2", "wm3"}


@pytest.mark.parametrize(
    ("name", "shown"), [("李婷", "李*"), ("欧阳娜娜", "欧**"), ("Mary Chen", "M**"), ("王", "王"), ("", "")]
)
def test_a_name_is_shown_by_its_first_character(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@pytest.mark.parametrize(
    ("phone", "shown"), [("13812345678", "138****5678"), ("+8613812345678", "+86****5678"), ("8001", "****"), ("", "")]
)
def test_a_phone_is_shown_by_its_ends(phone: str, shown: str) -> None:
    assert mask_phone(phone) == shown
