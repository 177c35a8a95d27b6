"""Rules looking at customers something just happened to: in sets, and never with a part that is gone."""

from typing import Any

from sqlalchemy import event
from sqlmodel import Session, col, select

from bot.database import Database
from bot.jobs import Job
from contacts.domain_events import DOMAIN_EVENT
from contacts.tag_push import MARK_TAG
from contacts.tags import PairTag, Tag, TagChange, TagGroup
from sop import rules
from sop.exits import WINDOW_OVER
from sop.fire import fire
from sop.plan import Counts
from sop.sops import Run, Sop, StepOutcome, publish, save
from tests.sop.company import NOW, TODAY, ZONE, at, customer, on, order, planned
from tests.sop.test_plan import days

BOUGHT = {"kind": "tag", "add": ["已成交"]}


def rule(session: Session, code: str = "bought", until: dict[str, Any] | None = None, **step: Any) -> None:
    """Whoever pays is tagged."""
    if session.get(TagGroup, "g1") is None:
        session.add(TagGroup(id="g1", name="成交"))
        session.flush()
        session.add(Tag(id="t1", group_id="g1", name="已成交"))
        session.flush()
    body = {"when": {"kind": "order_paid"}, "what": [{"do": BOUGHT, **step}], "until": until or {}}
    file = rules.RuleFile(code=code, name="成交打标", rule=rules.read_rule(body))
    publish(session, save(session, file, NOW), "su", NOW)


def buyers(session: Session, many: int) -> list[int]:
    """Customers who paid this morning."""
    made = [customer(session, f"客户{number}") for number in range(many)]
    for one in made:
        order(session, one, at(TODAY, 7), 9900)
    return made


async def fired(database: Database, ids: list[int]) -> Counts:
    """The rules look at these customers."""
    return await database.write(lambda session: fire(session, ids, NOW, ZONE))


async def rows(database: Database, model: Any) -> list[Any]:
    """Every row, oldest first."""
    return await database.read(lambda session: list(session.exec(select(model).order_by(col(model.id))).all()))


async def test_all_who_bought_are_tagged_logged_told_of_and_pushed(database: Database) -> None:
    def build(session: Session) -> list[int]:
        rule(session)
        return buyers(session, 3)

    ids = await on(database, build=build)
    counts = await fired(database, ids)

    assert (counts.enrolled, (await fired(database, ids)).enrolled) == (3, 0)
    assert [(one.customer_id, one.userid, one.tag_id) for one in await rows(database, PairTag)] == [
        (one, "lin", "t1") for one in ids
    ]
    log = await rows(database, TagChange)
    assert [(one.customer_id, one.cause) for one in log] == [(one, "成交打标 v1") for one in ids]
    jobs = await rows(database, Job)
    told = [
        job.payload["customer_id"] for job in jobs if job.kind == DOMAIN_EVENT and job.payload["name"] == "tag_added"
    ]
    pushed = [job.payload for job in jobs if job.kind == MARK_TAG]
    assert (sorted(told), pushed) == (ids, [{"customer_id": one, "userid": "lin"} for one in ids])
    assert {one.outcome for one in await rows(database, StepOutcome)} == {"tagged"}


async def test_forty_customers_need_as_many_statements_as_two(database: Database) -> None:
    def build(session: Session) -> tuple[list[int], list[int]]:
        rule(session)
        rule(session, "again")
        return buyers(session, 2), buyers(session, 40)

    few, many = await on(database, build=build)
    statements: list[str] = []
    needed = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    for ids in (few, many):
        statements.clear()
        await fired(database, ids)
        needed.append(len(statements))

    assert needed[0] == needed[1]
    assert len(await rows(database, PairTag)) == 42


async def test_a_tag_deleted_under_a_rule_enrols_nobody_and_pauses_it(database: Database) -> None:
    def build(session: Session) -> list[int]:
        rule(session)
        session.get_one(Tag, "t1").deleted = True
        return buyers(session, 1)

    ids = await on(database, build=build)
    assert (await fired(database, ids)).enrolled == 0

    [sop] = await rows(database, Sop)
    assert (sop.active, sop.paused_reason) == (
        False,
        "what.0.do.add: there is no tag 已成交; make it first or choose another",
    )
    assert await rows(database, Run) == []


async def test_a_window_that_is_found_over_between_two_plans_leaves_its_mark(database: Database) -> None:
    def build(session: Session) -> list[int]:
        rule(session, until={"window_days": 2, "mark": "已成交"}, do={"kind": "stage", "to": "repeat"}, day=9)
        return buyers(session, 1)

    ids = await on(database, build=build)
    await fired(database, ids)
    await database.write(lambda session: fire(session, ids, at(days(3), 8), ZONE))
    await planned(database, days(3))

    assert [one.reason for one in await rows(database, Run)] == [WINDOW_OVER]
    assert [one.tag_id for one in await rows(database, PairTag)] == ["t1"]
