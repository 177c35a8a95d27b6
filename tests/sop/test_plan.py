"""The day plan: who is found on which day, what ends it, and that planning again changes nothing."""

from datetime import date, timedelta
from functools import partial

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from bot.database import Database
from contacts.facts import Complaint, StaffDay, Watermark
from contacts.models import Customer, Staff
from contacts.tags import Tag
from sop.plan import begin, move
from sop.rules import RuleFile
from sop.sops import OPEN, Run, Sop, StepOutcome, publish, save
from tests.sop.company import (
    NOW,
    TODAY,
    ZONE,
    at,
    attribute,
    booking,
    customer,
    on,
    order,
    planned,
    policy,
    todos,
    visit,
)


def days(number: int) -> date:
    """So many days from today."""
    return TODAY + timedelta(days=number)


async def test_a_missed_booking_makes_its_to_dos_on_day_two_and_within_the_week_and_is_lost_after_fifteen(
    database: Database,
) -> None:
    def build(session: Session) -> int:
        missed = customer(session, "爽约客", "wang")
        booking(session, missed, at(days(-1)), userid="lin")
        came = customer(session, "守时客")
        visit(session, came, at(days(-1), 15), booking(session, came, at(days(-1))))
        booking(session, customer(session, "取消客"), at(days(-1)), status="cancelled")
        return missed

    missed = await on(database, "dental", build=build)
    seen = {}
    for number in range(17):
        await planned(database, days(number))
        seen[number] = len(await todos(database))

    # The visit would have been yesterday: its second day is tomorrow, its seventh a Tuesday.
    made = await todos(database)
    assert [(one.customer_id, one.userid, one.day) for one in made] == [
        (missed, "lin", days(1)),
        (missed, "lin", days(6)),
    ]
    assert "11月17日约了没来" in made[0].reason
    assert "林晓" in made[0].words

    def over(session: Session) -> list[Run]:
        return list(session.exec(select(Run).where(Run.customer_id == missed)).all())

    [run] = await database.read(over)
    assert (run.state, run.reason) == ("finished", "")  # its last step was on day six
    assert seen[16] == 2


async def test_a_missed_booking_waits_until_the_visits_of_its_store_are_complete(database: Database) -> None:
    def build(session: Session) -> None:
        booking(session, customer(session, "爽约客"), at(days(-2)))
        session.get_one(Watermark, ("visits", "")).complete_to = at(days(-2), 9)

    await on(database, "dental", build=build)

    def plan_without_data(session: Session) -> int:
        from sop.plan import plan  # noqa: PLC0415 - the watermark stays where it is

        return plan(session, TODAY, NOW, ZONE).enrolled

    assert await database.write(plan_without_data) == 0
    assert (await planned(database, TODAY)).enrolled == 1


async def test_a_visit_reported_late_withdraws_the_to_do(database: Database) -> None:
    def build(session: Session) -> int:
        who = customer(session, "其实来了")
        booking(session, who, at(days(-2), 9))
        return who

    who = await on(database, "dental", build=build)
    await planned(database, TODAY)
    assert [one.state for one in await todos(database)] == [OPEN]

    await database.write(lambda session: visit(session, who, at(days(-2), 11)))
    await planned(database, days(1))
    [todo] = await todos(database)
    assert (todo.state, todo.result) == ("withdrawn", "goal reached: visited")


async def test_a_birthday_in_fifteen_days_reaches_the_under_insured_within_budget_only(database: Database) -> None:
    born = date(1990, 12, 3)

    def build(session: Session) -> dict[str, int]:
        made = {}
        for name, budget, held in (
            ("缺口大", 6000, 0),
            ("已足额", 6000, 80_000_000),
            ("没预算", 500, 0),
            ("没说预算", None, 0),
            ("有一点", 3500, 50_000_000),
        ):
            made[name] = customer(session, name, birthday=born, birthday_next=date(2026, 12, 3))
            if budget:
                attribute(session, made[name], "insurance_budget", budget)
            if held:
                policy(session, made[name], "重疾险", held, date(2027, 6, 1))
        customer(session, "别的日子", birthday=born, birthday_next=date(2026, 12, 4))
        return made

    made = await on(database, "insurance", build=build)
    for number in (-1, 0, 1):
        await planned(database, days(number))

    found = {one.customer_id: one for one in await todos(database)}
    assert set(found) == {made["缺口大"], made["有一点"]}
    first = found[made["缺口大"]]
    assert first.day == TODAY
    assert first.reason == "12月3日生日，还有15天涨一岁保费；重疾缺口80万，预算约够配53.3万。推荐：安心重疾50万。"
    assert "推荐：安心重疾30万" in found[made["有一点"]].reason


async def test_planning_twice_or_again_the_next_day_makes_each_to_do_once(database: Database) -> None:
    await on(database, "dental", build=lambda session: booking(session, customer(session, "爽约客"), at(days(-2))))
    first = await planned(database, TODAY)
    again = await planned(database, TODAY)
    await planned(database, days(1))

    assert (first.enrolled, first.todos, again.enrolled, again.todos) == (1, 1, 0, 0)
    assert len(await todos(database)) == 1


async def test_two_members_who_share_a_customer_never_both_get_her_and_one_to_do_a_day_is_enough(
    database: Database,
) -> None:
    def build(session: Session) -> None:
        who = customer(session, "李女士")
        booking(session, who, at(days(-2)))
        order(session, who, at(days(-3)), 9900, "引流", userid="wang")

    await on(database, "dental", build=build)
    await planned(database, TODAY)

    made = await todos(database)
    assert len(made) == 2
    assert [(one.number, one.carried) for one in made if one.shown_on == TODAY] == [(1, "")]
    assert [one.carried for one in made if one.shown_on is None] == ["another to-do for this customer goes first"]


async def test_a_customer_without_a_wecom_friend_is_to_be_called(database: Database) -> None:
    def build(session: Session) -> None:
        booking(session, customer(session, "电话预约客", friend=False), at(days(-2)))

    await on(database, "dental", build=build)
    await planned(database, TODAY)

    assert [one.via for one in await todos(database)] == ["call"]


@pytest.mark.parametrize("how", ["complaint", "left"])
async def test_what_forbids_it_takes_a_to_do_back_or_moves_it(database: Database, how: str) -> None:
    def build(session: Session) -> int:
        who = customer(session, "爽约客")
        booking(session, who, at(days(-2)), userid="wang")
        return who

    who = await on(database, "dental", build=build)
    await planned(database, TODAY)

    def change(session: Session) -> None:
        if how == "complaint":
            session.add(Complaint(at=NOW, customer_id=who, userid="lin", text="等太久"))
        else:
            session.get_one(Staff, "wang").active = False

    await database.write(change)
    await planned(database, days(1))
    [todo] = await todos(database)
    assert (todo.state, todo.userid) == (("withdrawn", "wang") if how == "complaint" else (OPEN, "lin"))


async def test_a_step_waits_for_the_members_next_workday(database: Database) -> None:
    def build(session: Session) -> None:
        booking(session, customer(session, "爽约客"), at(days(-2)))
        for number in range(4):
            session.add(StaffDay(userid="lin", day=days(number), works=False, stand_in="wang"))

    await on(database, "dental", build=build)
    await planned(database, TODAY)
    assert await todos(database) == []  # the step waits for a workday of hers

    await planned(database, days(5))
    made = await todos(database)
    assert [(one.userid, one.number) for one in made] == [("lin", 1), ("lin", None)]


async def test_a_split_is_stable_and_the_holdout_gets_nothing(database: Database) -> None:
    def build(session: Session) -> None:
        for number in range(60):
            silent = at(days(-60))
            customer(session, f"沉默{number}", orders=1, last_contact_at=silent, last_order_at=silent)

    await on(database, "retail", build=build)
    await planned(database, TODAY)

    runs = await database.read(lambda session: list(session.exec(select(Run)).all()))
    made = await todos(database)
    arms = {arm: sum(run.arm == arm for run in runs) for arm in ("送券", "问近况", "对照")}
    assert sum(arms.values()) == 60
    assert all(arms.values())
    assert len(made) == arms["送券"] + arms["问近况"]
    assert {one.title for one in made} == {"沉默唤醒：送老客券", "沉默唤醒：问问近况"}
    assert max(one.number or 0 for one in made) == 15
    assert {one.carried for one in made if one.number is None} == {
        "15 a day; what ends first and is worth most goes first"
    }


async def test_a_wait_goes_one_way_when_she_bought_and_the_other_when_the_days_are_over(database: Database) -> None:
    def build(session: Session) -> tuple[int, int]:
        both = (customer(session, "买了"), customer(session, "没买"))
        for who in both:
            attribute(session, who, "trial_on", days(-1))
        return both

    bought, not_bought = await on(database, "exam", build=build)
    for number in range(12):
        if number == 4:
            await database.write(lambda session: order(session, bought, at(days(4), 7), 500_000))
        await planned(database, days(number))

    titles = {
        who: [one.title for one in await todos(database) if one.customer_id == who] for who in (bought, not_bought)
    }
    assert titles == {bought: ["试听次日回访"], not_bought: ["试听次日回访", "试听一周未报名，给学习规划"]}
    outcomes = await database.read(lambda session: {one.outcome for one in session.exec(select(StepOutcome)).all()})
    assert "did not come" in outcomes


async def test_erased_and_merged_customers_are_left_alone(database: Database) -> None:
    def build(session: Session) -> None:
        for field in ("erased_at", "merged_into"):
            who = customer(session, field)
            booking(session, who, at(days(-2)))
            setattr(session.get_one(Customer, who), field, NOW if field == "erased_at" else 1)

    await on(database, "dental", build=build)
    assert (await planned(database, TODAY)).enrolled == 0


async def test_a_tag_deleted_under_a_running_rule_pauses_it_until_it_is_mended(
    database: Database,
) -> None:
    await on(database, "dental", build=lambda session: booking(session, customer(session, "爽约客"), at(days(-1))))
    await planned(database, TODAY)

    def delete_tag(session: Session, *, deleted: bool) -> None:
        tag = session.exec(select(Tag).where(Tag.name == "爽约已流失")).one()
        tag.deleted = deleted

    await database.write(partial(delete_tag, deleted=True))
    await planned(database, days(1))

    def state(session: Session) -> tuple[bool, str, str]:
        sop = session.exec(select(Sop).where(Sop.code == "dental-missed")).one()
        run = session.exec(select(Run).where(Run.sop_id == sop.id)).one()
        return sop.active, sop.paused_reason, run.state

    reason = "until.mark: there is no tag 爽约已流失; make it first or choose another"
    assert await database.read(state) == (False, reason, "paused")
    assert await todos(database) == []

    def mend(session: Session) -> None:
        delete_tag(session, deleted=False)
        session.flush()
        publish(session, session.exec(select(Sop).where(Sop.code == "dental-missed")).one(), "su", NOW)

    await database.write(mend)
    await planned(database, days(2))
    assert len(await todos(database)) == 1


async def test_a_rule_more_needs_no_more_than_finding_and_moving_its_own(database: Database) -> None:
    def build(session: Session) -> None:
        for number in range(20):
            born = TODAY + timedelta(days=5 * number)
            customer(session, f"寿星{number}", birthday_next=born)
            todo = {"kind": "todo", "title": "祝福", "words": "{{ customer.name }}您好，祝您生日快乐"}
            body = {"when": {"kind": "date", "field": "birthday", "days": -5 * number}, "what": [{"do": todo}]}
            file = {"code": f"birthday{number}", "name": f"生日{number}", "rule": body}
            publish(session, save(session, RuleFile.model_validate(file), NOW), "", NOW)
        for sop in session.exec(select(Sop)):
            sop.active = sop.code in ("birthday0", "birthday1")

    await on(database, build=build)
    statements: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    assert (await planned(database, TODAY)).todos == 2
    few = len(statements)

    def wake(session: Session) -> None:
        for sop in session.exec(select(Sop)):
            sop.active = True

    await database.write(wake)
    statements.clear()
    assert (await planned(database, TODAY)).todos == 18
    # Finding is one for each rule; where their runs stand differs by the day they are about.
    assert len(statements) - few <= 2 * 18
    assert {one.words for one in await todos(database)} == {f"寿星{number}您好，祝您生日快乐" for number in range(20)}


async def test_a_plan_killed_between_two_transactions_is_finished_by_the_next_and_makes_each_to_do_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sop.plan.MOVED_AT_ONCE", 2)

    def build(session: Session) -> list[int]:
        made = [customer(session, f"爽约客{number}") for number in range(5)]
        for number, one in enumerate(made):
            booking(session, one, at(days(-2), 9 + number))
        return made

    made = await on(database, "dental", build=build)
    await database.write(lambda session: begin(session, TODAY, NOW, ZONE))
    first = await database.write(lambda session: move(session, TODAY, NOW, ZONE))
    assert first.todos == 2
    assert (await planned(database, TODAY)).todos == 3

    assert sorted(one.customer_id for one in await todos(database)) == made
    assert sorted(one.number or 0 for one in await todos(database)) == [1, 2, 3, 4, 5]
