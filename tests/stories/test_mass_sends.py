"""Mass sends: one task per member and day, confirmed in her client; what becomes of each customer is on record."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.jobs import DONE, Job
from contacts.changes import customer_of
from contacts.facts import Complaint, Touch, Watermark
from sop import rules
from sop.mass_sends import MassSend
from sop.plan import plan
from sop.sops import StepOutcome, publish, save
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.sop.company import ZONE, visit
from tests.stories.waiting import all_done

TEXT = "林晓提醒：周末到店复查免费，回复1预约。"
ADD, RESULT = "externalcontact/add_msg_template", "externalcontact/get_groupmsg_send_result"
TODAY = MONDAY_TEN.astimezone(ZONE).date()
AN_HOUR = 3600.0


@pytest.fixture
def clock() -> HandClock:
    """Monday, ten in the morning, moved by hand."""
    return HandClock(MONDAY_TEN)


def number(session: Session, external_userid: str) -> int:
    """The id of a customer."""
    known = customer_of(session, external_userid)
    assert known
    return known.id or 0


async def came(bot: RunningBot, wecom: WeCom, *members: str) -> list[str]:
    """Customers of these members who came to the store today; answers their external userids."""
    known = [(await wecom.adds_friend(userid))["external_userid"] for userid in members]
    await all_done(bot)

    def build(session: Session) -> None:
        session.merge(Watermark(feed="visits", store="", complete_to=bot.parts.clock.now()))
        for one in known:
            visit(session, number(session, one), bot.parts.clock.now() - timedelta(minutes=30))

    await bot.database.write(build)
    return known


async def sent_off(bot: RunningBot, days: int = 0) -> None:
    """A rule that sends whoever came one text, and the plan of a day."""
    body = {
        "when": {"kind": "visit_made"},
        "what": [{"do": {"kind": "mass_send", "text": "{{ staff.name }}提醒：周末到店复查免费，回复1预约。"}}],
    }
    now = bot.parts.clock.now()

    def work(session: Session) -> None:
        rule = rules.RuleFile(code="check-up", name="到店后群发", rule=rules.read_rule(body))
        publish(session, save(session, rule, now), "su", now)
        plan(session, TODAY + timedelta(days=days), now, ZONE)

    await bot.database.write(work)
    bot.parts.loop.wake()
    await bot.settle()


async def looked(bot: RunningBot, clock: HandClock) -> None:
    """Two hours later the results are fetched."""
    clock.forward(2 * AN_HOUR + 60)
    bot.parts.loop.wake()
    await bot.settle()


async def outcomes(bot: RunningBot) -> list[tuple[str, str]]:
    """What the runs' steps ended with."""

    def read(session: Session) -> list[tuple[str, str]]:
        rows = session.exec(select(StepOutcome).order_by(col(StepOutcome.id))).all()
        return [(one.outcome, one.reason) for one in rows]

    return await bot.database.read(read)


async def tasks(bot: RunningBot) -> list[MassSend]:
    """Every task."""
    return await bot.database.read(lambda session: list(session.exec(select(MassSend).order_by(col(MassSend.userid)))))


async def touches(bot: RunningBot) -> int:
    """How many customers are on record as reached by a mass send."""
    return len(
        await bot.database.read(lambda session: session.exec(select(Touch).where(Touch.scene == "mass_send")).all())
    )


async def got(wecom: WeCom, external_userid: str) -> list[str]:
    """Texts of mass sends a customer received."""
    return [one["body"]["content"] for one in await wecom.received(external_userid) if one["source"] == "group_send"]


async def test_one_task_per_member_reaches_customers_once_she_confirms(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    first, second, other = await came(bot, wecom, "lin", "lin", "wang")
    await sent_off(bot)

    asked = [one["body"] for one in await wecom.calls(ADD)]
    assert sorted((one["sender"], sorted(one["external_userid"])) for one in asked) == [
        ("lin", sorted([first, second])),
        ("wang", [other]),
    ]
    assert await got(wecom, first) == []
    lin, _wang = await tasks(bot)
    await wecom.sim("POST", "confirm-group-send", {"userid": "lin", "msgid": lin.msgid})
    assert await got(wecom, first) == [TEXT]
    assert await touches(bot) == 0

    await looked(bot, clock)
    assert [(one.userid, one.state) for one in await tasks(bot)] == [("lin", "confirmed"), ("wang", "created")]
    assert await touches(bot) == 2
    assert await outcomes(bot) == [("mass send asked", "")] * 3 + [("sent", "")] * 2
    await looked(bot, clock)
    assert await touches(bot) == 2


@pytest.mark.parametrize("drop", ["answer", "request"])
async def test_a_lost_answer_makes_no_second_task_and_a_lost_request_is_made_up_for(
    bot: RunningBot, wecom: WeCom, clock: HandClock, drop: str
) -> None:
    [customer] = await came(bot, wecom, "lin")
    await wecom.fault(ADD, drop=drop, times=1)
    await sent_off(bot)
    await all_done_but_results(bot, clock)

    [task] = await tasks(bot)
    assert task.state == "created"
    assert len(wecom.corp.group_sends) == 1
    await wecom.sim("POST", "confirm-group-send", {"userid": "lin", "msgid": task.msgid})
    assert await got(wecom, customer) == [TEXT]


async def all_done_but_results(bot: RunningBot, clock: HandClock) -> None:
    """Wait for the job that asks, repeats included."""
    for _ in range(20):
        clock.forward(60)
        bot.parts.loop.wake()
        await bot.settle()
        jobs = await bot.database.read(lambda session: session.exec(select(Job).where(Job.kind == "mass_send")).all())
        if all(job.state == DONE for job in jobs):
            return


async def test_planning_again_asks_nothing_more(bot: RunningBot, wecom: WeCom) -> None:
    await came(bot, wecom, "lin")
    await sent_off(bot)
    await sent_off(bot)
    await sent_off(bot, days=1)

    assert len(await wecom.calls(ADD)) == 1


async def test_a_member_who_never_confirms_is_on_record_with_the_reason(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    await came(bot, wecom, "lin")
    await sent_off(bot)
    for _ in range(37):
        await looked(bot, clock)

    reason = "lin did not confirm it within 3 days"
    assert [(one.state, one.reason) for one in await tasks(bot)] == [("unconfirmed", reason)]
    assert (await outcomes(bot))[-1] == ("skipped", f"mass send: {reason}")
    assert len(await wecom.calls(RESULT)) == 36
    assert await touches(bot) == 0


async def test_what_keeps_single_customers_from_getting_it_is_on_record_for_each(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    reached, full, gone = await came(bot, wecom, "lin", "lin", "lin")
    await wecom.sim("POST", "limits", {"group_sends_a_month": 1})
    before = await bot.parts.gateway.ask_mass_send("lin", [full], "早上好")
    await wecom.sim("POST", "confirm-group-send", {"userid": "lin", "msgid": before[0]})
    await sent_off(bot)
    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": gone, "by": "staff"})
    [task] = await tasks(bot)
    await wecom.sim("POST", "confirm-group-send", {"userid": "lin", "msgid": task.msgid})
    await looked(bot, clock)

    assert await got(wecom, reached) == [TEXT]
    assert await got(wecom, full) == ["早上好"]
    assert sorted((await outcomes(bot))[3:]) == [
        ("sent", ""),
        ("skipped", "mass send: she had as many mass sends as the platform lets her get"),
        ("skipped", "mass send: she is no WeCom friend of the member any more"),
    ]


def complain(customer_id: int) -> Callable[[Session], Any]:
    """A complaint of a customer."""
    return lambda session: session.add(Complaint(at=MONDAY_TEN, customer_id=customer_id, userid="lin", text="等太久"))


async def test_whoever_complained_since_is_left_out_at_the_last_moment(bot: RunningBot, wecom: WeCom) -> None:
    first, second = await came(bot, wecom, "lin", "lin")
    await wecom.fault("*", status=503)
    await sent_off(bot)
    await bot.database.write(lambda session: complain(number(session, first))(session))
    await wecom.sim("DELETE", "faults")
    await bot.settle()
    await until_asked(bot)

    assert (await wecom.calls(ADD))[-1]["body"]["external_userid"] == [second]
    [task] = await tasks(bot)
    assert task.state == "created"
    assert ("skipped", "mass send: do not contact, or a complaint is open") in await outcomes(bot)


async def until_asked(bot: RunningBot) -> None:
    """Let the job that asks have its next attempts."""
    for _ in range(20):
        clock = bot.parts.clock
        assert isinstance(clock, HandClock)
        clock.forward(60)
        bot.parts.loop.wake()
        await bot.settle()


async def test_a_refused_task_says_why(bot: RunningBot, wecom: WeCom) -> None:
    await came(bot, wecom, "lin")
    await wecom.fault(ADD, errcode=48002)
    await sent_off(bot)

    [task] = await tasks(bot)
    assert task.state == "refused"
    assert "48002" in task.reason
    assert (await outcomes(bot))[-1][0] == "skipped"
    assert len(await wecom.calls(ADD)) == 1
