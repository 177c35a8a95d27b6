"""A customer adds a member of staff: what she receives, and what the ledger says."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from bot.jobs import DONE, Job
from bot.wecom.crypto import Crypto
from contacts.models import Customer, FollowUser
from sop.models import NOT_SENT, SENT, Welcome
from tests.conftest import RunningBot, WeCom


async def ledger(bot: RunningBot) -> list[Welcome]:
    """Every row of the ledger, oldest first."""
    return await bot.database.read(lambda session: list(session.exec(select(Welcome).order_by(Welcome.id)).all()))  # type: ignore[arg-type]


async def test_a_new_friend_is_greeted_by_name_of_staff_and_company(bot: RunningBot, wecom: WeCom) -> None:
    added = await wecom.adds_friend("lin", name="陈女士", state="expo-2026")
    await bot.settle()

    [greeting] = await wecom.received(added["external_userid"])
    assert greeting["source"] == "welcome"
    assert "上午好！我是示例公司的林晓" in greeting["body"]["content"]
    [row] = await ledger(bot)
    assert (row.outcome, row.state, row.flow_name, row.code_present) == (SENT, "expo-2026", "默认", True)
    assert row.latency_ms is not None
    assert row.passed_over == {"已是老朋友": "customer", "夜间": "hours", "欢迎回来": "customer"}


async def test_an_add_without_a_code_is_recorded_with_its_reason(bot: RunningBot, wecom: WeCom) -> None:
    added = await wecom.adds_friend("lin", console_welcome="控制台欢迎语")
    await bot.settle()

    [row] = await ledger(bot)
    assert (row.outcome, row.code_present) == (NOT_SENT, False)
    assert row.reason is not None
    assert row.reason.startswith("no code")
    assert [one["source"] for one in await wecom.received(added["external_userid"])] == ["console_welcome"]


async def test_a_half_add_is_greeted_once_and_confirmed_later(bot: RunningBot, wecom: WeCom) -> None:
    added = await wecom.adds_friend("lin", half=True)
    await bot.settle()
    pair = {"userid": "lin", "external_userid": added["external_userid"]}
    await wecom.sim("POST", "half-confirmations", pair)
    await bot.settle()

    assert len(await wecom.received(added["external_userid"])) == 1
    assert [(row.half, row.outcome) for row in await ledger(bot)] == [(True, SENT), (False, NOT_SENT)]
    [tie] = await bot.database.read(lambda session: session.exec(select(FollowUser)).all())
    assert tie.half is False


async def test_a_shared_customer_is_known_and_both_members_are_told(bot: RunningBot, wecom: WeCom) -> None:
    added = await wecom.adds_friend("lin")
    await bot.settle()
    await wecom.adds_friend("mo", external_userid=added["external_userid"])
    await bot.settle()

    assert [row.flow_name for row in await ledger(bot)] == ["默认", "已是老朋友"]
    for userid in ("lin", "mo"):
        [text] = await wecom.texts(userid)
        assert "有位您名下的客户刚刚也加了莫然。主跟进人：林晓" in text


async def test_a_customer_who_comes_back_is_welcomed_back(bot: RunningBot, wecom: WeCom) -> None:
    added = await wecom.adds_friend("lin")
    await bot.settle()
    pair = {"userid": "lin", "external_userid": added["external_userid"]}
    await wecom.sim("POST", "deletions", {**pair, "by": "customer"})
    await bot.settle()
    wecom.corp.clock.jump(wecom.corp.clock.now().replace(minute=30))
    await wecom.adds_friend(**pair)
    await bot.settle()

    assert [row.kind for row in await ledger(bot)] == ["new", "returned"]
    [customer] = await bot.database.read(lambda session: session.exec(select(Customer)).all())
    assert customer.main_userid == "lin"


async def test_the_same_delivery_a_hundred_times_is_one_event(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "delivery", {"repeat": 100})
    added = await wecom.adds_friend("lin")
    await bot.settle()

    assert [one["status"] for one in added["deliveries"]] == [200] * 100
    assert len(await wecom.received(added["external_userid"])) == 1
    assert len(await ledger(bot)) == 1


async def test_two_kinds_of_event_about_one_person_in_one_second_are_two(bot: RunningBot, wecom: WeCom) -> None:
    for change in ("edit_external_contact", "del_follow_user"):
        await wecom.sim("POST", "callbacks/raw", {"xml": contact_event(change, "wmSame")})
    await bot.settle()

    assert len(await events(bot)) == 2


async def test_any_documented_event_is_accepted_and_an_unknown_one_is_stored(bot: RunningBot, wecom: WeCom) -> None:
    xml = contact_event("invented_tomorrow", "wmX")
    answered = await wecom.sim("POST", "callbacks/raw", {"xml": xml})
    await bot.settle()

    assert [one["status"] for one in answered["deliveries"]] == [200]
    [job] = await events(bot)
    assert (job.state, job.payload["ChangeType"]) == ("done", "invented_tomorrow")
    async with wecom.http.get(f"{bot.url}/metrics") as answer:
        assert 'kind="unknown",outcome="stored"' in await answer.text()


@pytest.mark.timeout(600)
async def test_ten_thousand_different_events_of_one_second_have_ten_thousand_effects(
    bot: RunningBot, wecom: WeCom
) -> None:
    corp = wecom.corp
    crypto = Crypto(corp.callback_token, corp.callback_aes_key, corp.corp_id)
    numbers = iter(range(10_000))

    async def deliver() -> None:
        for number in numbers:
            encrypted = crypto.encrypt(contact_event("add_external_contact", f"wm{number}"))
            signed = {"msg_signature": crypto.sign("1", "2", encrypted), "timestamp": "1", "nonce": "2"}
            body = f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
            async with wecom.http.post(f"{bot.url}/wecom/callback", params=signed, data=body) as answer:
                assert answer.status == 200

    await asyncio.gather(*(deliver() for _ in range(16)))
    under_way = select(func.count()).select_from(Job).where(Job.kind == "event", col(Job.state) != DONE)
    async with asyncio.timeout(400):
        # What an add leaves to do beside its welcome may go on.
        while await bot.database.read(lambda session: session.exec(under_way).one()):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(1)

    assert len({row.external_userid for row in await ledger(bot)}) == 10_000
    assert len(await ledger(bot)) == 10_000


async def events(bot: RunningBot) -> list[Job]:
    """Every stored callback."""
    return await bot.database.read(lambda session: list(session.exec(select(Job).where(Job.kind == "event")).all()))


def contact_event(change: str, external_userid: str, **more: Any) -> str:
    """The inner document of a customer event, always of the same second."""
    extra = "".join(f"<{name}><![CDATA[{value}]]></{name}>" for name, value in more.items())
    return (
        "<xml><ToUserName><![CDATA[ww5de0f00d5de0f00d]]></ToUserName><FromUserName><![CDATA[sys]]></FromUserName>"
        "<CreateTime>1700000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[{change}]]></ChangeType>"
        f"<UserID><![CDATA[lin]]></UserID><ExternalUserID><![CDATA[{external_userid}]]></ExternalUserID>{extra}</xml>"
    )
