"""What scripts are filled with: from the record, for many customers in a handful of queries."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event
from sqlmodel import Session

from bot.database import Database
from bot.language import speaking
from contacts.channels import Campaign, CampaignStaff, Channel
from contacts.facts import Booking, Order, OrderItem, Product
from contacts.models import Customer, Department, FollowUser, Staff, StaffDepartment, Store
from scripts_library.context import ScriptContext, context_for, contexts
from tests.conftest import MONDAY_TEN as NOW

ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture
async def company(database: Database) -> Database:
    """Lin has Li, who bought twice and is booked twice, and 1,200 customers nobody knows a thing about."""

    def fill(session: Session) -> None:
        session.add(Department(id=1, name="示例公司", path="/1/"))
        session.add(Staff(userid="lin", name="林晓", synced_at=NOW))
        session.add(Store(code="east", name="城东店"))
        session.add(Channel(id=1, name="展会", state="expo", remark="展会-", created_at=NOW))
        session.add(Product(sku="w1", name="洁牙套餐", price_fen=29850))
        session.flush()
        session.add(StaffDepartment(userid="lin", department_id=1))
        session.add(
            Customer(id=1, name="小太阳", birthday_next=date(2026, 11, 20), last_order_at=NOW - timedelta(days=3))
        )
        session.add_all(Customer(id=n) for n in range(2, 1202))
        session.flush()
        session.add(FollowUser(customer_id=1, userid="lin", remark="展会-李女士", channel_id=1, added_at=NOW))
        session.add(FollowUser(customer_id=1, userid="wang", remark="李姐", added_at=NOW))
        for number, days, items in ((1, 30, ["旧"]), (2, 3, ["小样", "洁牙套餐"])):
            at = NOW - timedelta(days=days)
            session.add(Order(id=number, source_id=f"o{number}", digest="", at=at, customer_id=1, amount_fen=1))
            session.flush()
            session.add_all(
                OrderItem(order_id=number, sku=name, name=name, qty=1, amount_fen=fen) for fen, name in enumerate(items)
            )
        for number, hours, status in ((1, -2, "booked"), (2, 5, "cancelled"), (3, 28, "moved"), (4, 99, "booked")):
            session.add(booking(number, hours, status))
        for number, name, ends in ((1, "双十一", date(2026, 11, 16)), (2, "年终", date(2026, 12, 31))):
            session.add(
                Campaign(id=number, code=name, name=name, starts_on=date(2026, 11, 1), ends_on=ends, created_at=NOW)
            )
            session.flush()
            session.add(CampaignStaff(campaign_id=number, userid="lin"))

    await database.write(fill)
    return database


def booking(number: int, hours: int, status: str) -> Booking:
    """An appointment so many hours from now."""
    at = NOW + timedelta(hours=hours)
    return Booking(
        source_id=f"b{number}",
        digest="",
        at=NOW,
        made_at=NOW,
        starts_at=at,
        first_starts_at=at,
        customer_id=1,
        item=f"项目{number}",
        store="east",
        status=status,
    )


async def made(company: Database, userid: str = "lin", customer_id: int | None = 1, **given: Any) -> ScriptContext:
    """One context."""
    return await company.read(lambda session: context_for(session, userid, customer_id, NOW, ZONE, **given))


async def test_everything_the_record_knows_stands_in_the_context(company: Database) -> None:
    context = await made(company, sku="w1")

    assert context.values({}) == {
        "customer.name": "李女士",
        "customer.birthday": "11月20日",
        "customer.last_product": "洁牙套餐",
        "customer.last_order_on": "11月13日",
        "staff.name": "林晓",
        "company.name": "示例公司",
        "campaign.name": "双十一",
        "campaign.ends_on": "11月16日",
        "booking.item": "项目3",
        "booking.time": "11月17日 14:00",
        "booking.store": "城东店",
        "product.name": "洁牙套餐",
        "product.price": "298.50元",
        "offer.name": "一份心意",
        "offer.terms": "到店时告诉我就行",
        "offer.ends_on": "活动结束那天",
    }


async def test_each_member_calls_a_customer_her_own_way(company: Database) -> None:
    assert (await made(company, "wang")).customer.name == "李姐"
    assert (await made(company, "mo")).customer.name == "小太阳"


@pytest.mark.parametrize("customer_id", [None, 2, 99_999])
async def test_who_is_not_known_has_no_values_and_the_member_still_has_hers(
    company: Database, customer_id: int | None
) -> None:
    context = await made(company, customer_id=customer_id)

    assert (context.customer, context.booking) == (ScriptContext().customer, ScriptContext().booking)
    assert (context.staff.name, context.campaign.name) == ("林晓", "双十一")


async def test_an_erased_customer_has_no_name(company: Database) -> None:
    def erase(session: Session) -> None:
        session.get_one(Customer, 1).erased_at = NOW

    await company.write(erase)
    assert (await made(company)).customer == ScriptContext().customer


async def test_days_are_said_in_the_language_of_the_moment(company: Database) -> None:
    def work(session: Session) -> ScriptContext:
        with speaking("en"):
            return context_for(session, "lin", 1, NOW, ZONE)

    assert (await company.read(work)).customer.birthday == "November 20"


async def test_queries_grow_with_the_hundreds_and_not_with_the_customers(company: Database) -> None:
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    pairs = [("lin", number) for number in range(1, 1202)]
    event.listen(company.engine, "before_cursor_execute", count)
    found = await company.read(lambda session: contexts(session, pairs, NOW, ZONE))
    event.remove(company.engine, "before_cursor_execute", count)

    assert len(found) == 1201
    assert len([one for one in statements if one.startswith("SELECT")]) <= 18
