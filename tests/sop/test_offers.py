"""Offers: whom one may be given to, that no stock is given twice, and that a step's offer follows its to-do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.database import Database
from contacts.facts import Act, Complaint
from contacts.offers import GIVEN, REDEEMED, RESERVED, REVOKED, Offer, OfferGrant, counted, redeem, revoke
from sop import rules
from sop.conditions import day_of
from sop.offers import Handed, Reason, Wish, choices, give
from sop.sops import StepOutcome, publish, save
from sop.todo_log import last_act, take_back
from sop.todos import dismiss, finish
from tests.sop.company import NOW, TODAY, ZONE, at, booking, customer, on, planned, todos
from tests.sop.test_plan import days


def offer(session: Session, code: str = "gift", **fields: Any) -> Offer:
    """An offer on record."""
    row = Offer(code=code, name=fields.pop("name", "到店礼"), updated_at=NOW, **fields)
    session.add(row)
    session.flush()
    return row


def handed(session: Session, code: str, *customers: int, by: str = "lin", round_: int = 1) -> Handed:
    """Give an offer to these customers; each wish is named after its customer."""
    wishes = [Wish(one, by, f"{code}:{one}:{round_}") for one in customers]
    return give(session, code, wishes, day_of(session, TODAY, ZONE), Reason("chat", NOW, "送礼"))


async def test_the_stock_is_given_in_order_and_once_per_customer(database: Database) -> None:
    def build(session: Session) -> tuple[list[Handed], list[int], int]:
        offer(session, stock=3, cost_fen=1200, days=10)
        ids = [customer(session, name) for name in ("一", "二", "三", "四")]
        first = handed(session, "gift", *ids[:2])
        return [first, handed(session, "gift", *ids, round_=2)], ids, session.get_one(Offer, "gift").taken

    (first, second), ids, taken = await on(database, build=build)
    assert first.granted == {f"gift:{one}:1": TODAY + timedelta(days=10) for one in ids[:2]}
    assert second.granted == {f"gift:{ids[2]}:2": TODAY + timedelta(days=10)}
    assert second.refused == {
        f"gift:{ids[0]}:2": "she has had offer 到店礼 already",
        f"gift:{ids[1]}:2": "she has had offer 到店礼 already",
        f"gift:{ids[3]}:2": "offer 到店礼 is out of stock (3)",
    }
    assert taken == 3


async def test_the_same_reference_gives_nothing_more(database: Database) -> None:
    def build(session: Session) -> tuple[int, int]:
        offer(session, per_customer=5)
        who = customer(session, "一")
        for _ in range(2):
            assert list(handed(session, "gift", who).granted) == [f"gift:{who}:1"]
        return len(session.exec(select(OfferGrant)).all()), session.get_one(Offer, "gift").taken

    assert await on(database, build=build) == (1, 1)


async def test_of_welcome_gifts_a_customer_gets_one_whoever_gives_it(database: Database) -> None:
    def build(session: Session) -> Handed:
        offer(session, "hello", kind="welcome_gift", name="见面礼")
        offer(session, "mask", kind="welcome_gift", name="面膜", per_customer=3)
        who = customer(session, "一")
        assert handed(session, "hello", who).granted
        return handed(session, "mask", who, by="wang")

    assert list((await on(database, build=build)).refused.values()) == ["she has had offer 面膜 already"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ends_on": TODAY - timedelta(days=1)}, "ended on 2026-11-17"),
        ({"starts_on": TODAY + timedelta(days=1)}, "begins on 2026-11-19"),
        ({"active": False}, "was retired"),
        ({"stock": 0}, "out of stock (0)"),
        ({"conditions": {"kind": "gender", "value": "male"}}, "the conditions of offer 到店礼 do not hold for her"),
    ],
)
async def test_an_offer_that_is_not_for_her_or_not_for_today_is_refused_with_the_reason(
    database: Database, fields: dict[str, Any], reason: str
) -> None:
    def build(session: Session) -> Handed:
        offer(session, **fields)
        return handed(session, "gift", customer(session, "一", gender=2))

    made = await on(database, build=build)
    assert made.granted == {}
    assert [reason in told for told in made.refused.values()] == [True]


async def test_what_is_used_counts_and_what_is_taken_back_returns_to_the_stock(database: Database) -> None:
    def build(session: Session) -> tuple[dict[str, int], int, list[str]]:
        offer(session, stock=5)
        first, second, third = (customer(session, name) for name in ("一", "二", "三"))
        handed(session, "gift", first, second)
        redeem(session, "gift", first, "lin", NOW)
        revoke(session, "gift", second, "su", NOW, reason="送错了")
        open_to = choices(session, third, day_of(session, TODAY, ZONE))
        return counted(session, "gift"), session.get_one(Offer, "gift").taken, [one.reason for one in open_to]

    assert await on(database, build=build) == ({REDEEMED: 1, REVOKED: 1}, 1, [""])


async def test_what_the_till_tells_is_taken_once(database: Database) -> None:
    def build(session: Session) -> list[int]:
        offer(session, per_customer=2)
        who = customer(session, "一")
        handed(session, "gift", who)
        handed(session, "gift", who, round_=2)
        for number, name in enumerate(("offer_claimed", "offer_redeemed", "page_viewed")):
            told = Act(source_id=f"a{number}", digest="", at=at(TODAY, 7), customer_id=who, name=name)
            told.properties = {"offer": "gift"}
            session.add(told)
        return [who]

    await on(database, build=build)
    for number in range(2):
        await planned(database, days(number))

    def states(session: Session) -> list[tuple[str, bool, bool]]:
        rows = session.exec(select(OfferGrant).order_by(col(OfferGrant.id))).all()
        return [(one.state, one.claimed_at is not None, one.redeemed_at is not None) for one in rows]

    assert await database.read(states) == [(REDEEMED, True, True), (GIVEN, False, False)]


def rule(**action: Any) -> rules.RuleFile:
    """Whoever missed an appointment gets the gift with the call."""
    words = "{{ customer.name }}，给您留了{{ offer.name }}，{{ offer.ends_on }}前有效：{{ offer.terms }}。"
    todo = {"kind": "todo", "title": "送到店礼", "offer": "gift", "words": words, **action}
    body = rules.read_rule({"when": {"kind": "booking_missed"}, "what": [{"do": todo}]})
    return rules.RuleFile(code="gift", name="爽约送礼", rule=body)


def missed_by(*names: str, stock: int | None = None) -> Callable[[Session], list[int]]:
    """A company whose customers missed their appointments yesterday, and the rule."""

    def build(session: Session) -> list[int]:
        offer(session, stock=stock, days=7, terms="到店报手机号", cost_fen=900)
        made = [customer(session, name) for name in names]
        for number, one in enumerate(made):
            booking(session, one, at(days(-1), 9 + number))
        publish(session, save(session, rule(), NOW), "su", NOW)
        return made

    return build


async def grants(database: Database) -> list[tuple[int, str, str]]:
    """Customer, state and cause of each grant."""

    def read(session: Session) -> list[tuple[int, str, str]]:
        rows = session.exec(select(OfferGrant).order_by(col(OfferGrant.id))).all()
        return [(one.customer_id, one.state, one.cause) for one in rows]

    return await database.read(read)


async def test_a_step_sets_the_offer_aside_says_it_and_the_to_do_decides(database: Database) -> None:
    first, second, third = await on(database, build=missed_by("李女士", "王芳", "陈晨", stock=2))
    await planned(database, TODAY)

    made = await todos(database)
    assert [one.customer_id for one in made] == [first, second]
    assert made[0].words == "李女士，给您留了到店礼，11月25日前有效：到店报手机号。"
    assert await grants(database) == [(first, RESERVED, "爽约送礼 v1"), (second, RESERVED, "爽约送礼 v1")]

    def skipped(session: Session) -> list[str]:
        rows = session.exec(select(StepOutcome).where(StepOutcome.outcome == "skipped")).all()
        return [one.reason for one in rows]

    assert await database.read(skipped) == ["offer 到店礼 is out of stock (2)"]
    assert third not in {one.customer_id for one in made}

    def act(session: Session) -> None:
        finish(session, session.merge(made[0]), "lin", "replied", NOW)
        dismiss(session, session.merge(made[1]), "lin", "资料有误", NOW)

    await database.write(act)
    assert [state for _, state, _ in await grants(database)] == [GIVEN, REVOKED]
    assert await database.read(lambda session: session.get_one(Offer, "gift").taken) == 1

    await database.write(lambda session: take_back(session, last_act(session, "lin", NOW), NOW))
    assert [state for _, state, _ in await grants(database)] == [RESERVED, RESERVED]
    assert await database.read(lambda session: session.get_one(Offer, "gift").taken) == 2


async def test_a_to_do_that_is_taken_back_returns_its_offer(database: Database) -> None:
    [who] = await on(database, build=missed_by("李女士", stock=1))
    await planned(database, TODAY)
    assert [state for _, state, _ in await grants(database)] == [RESERVED]

    await database.write(lambda session: session.add(Complaint(at=NOW, customer_id=who, userid="lin", text="等太久")))
    await planned(database, days(1))
    assert [state for _, state, _ in await grants(database)] == [REVOKED]
    assert await database.read(lambda session: session.get_one(Offer, "gift").taken) == 0
