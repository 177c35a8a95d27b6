"""Which flow greets a customer, what arrives in her window, and what becomes of files and names on the way."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from contacts.offers import Offer, OfferGrant
from sop.flows import FlowRefused, read_flows, store_flows
from sop.models import NOT_SENT, SENT
from tests.conftest import MONDAY_TEN, RunningBot, WeCom, bot_settings, running_bot
from tests.hand_clock import HandClock
from tests.stories.ledger import ledger
from tests.stories.test_friend_added import contact_event
from tests.stories.waiting import all_done

SATURDAY = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
MAKE_UP_SATURDAY = datetime(2026, 2, 14, 2, 0, tzinfo=UTC)
HOLIDAY_THURSDAY = datetime(2026, 10, 1, 2, 0, tzinfo=UTC)
BEFORE_MIDNIGHT = datetime(2026, 11, 16, 15, 30, tzinfo=UTC)
AFTER_MIDNIGHT = datetime(2026, 11, 16, 16, 30, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PICTURE = "flows: [{name: 图, text: 您好, attachments: [{image: {file: card.png}}]}]"
NAMED = "flows: [{name: 名, text: '{{ customer.name }}，您好', otherwise: {customer.name: 朋友}}]"
GET, SEND, UPLOAD = "externalcontact/get", "externalcontact/send_welcome_msg", "media/upload"


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> HandClock:
    """Monday at ten, or when a test says."""
    return HandClock(getattr(request, "param", MONDAY_TEN))


async def use(bot: RunningBot, folder: Path, text: str) -> None:
    """Make these the flows in force."""
    (folder / "card.png").write_bytes(PNG)
    (folder / "tour.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    (folder / "价目表.pdf").write_bytes(b"%PDF-1.7 ...")
    path = folder / "my.yaml"
    path.write_text(text, "utf-8")
    flows, home, now = read_flows(path), bot.parts.settings.home, bot.parts.clock.now()
    await bot.database.write(lambda session: store_flows(session, flows, home, folder, now))


async def greeted(bot: RunningBot, wecom: WeCom, userid: str = "lin", **given: Any) -> list[dict[str, Any]]:
    """A customer adds a member: what her window shows when all is done."""
    added = await wecom.adds_friend(userid, **given)
    await all_done(bot)
    return await wecom.received(added["external_userid"])


CONDITIONS = [
    ("staff: [lin, mo]", {}, True),
    ("staff: [wang]", {}, False),
    ("departments: [2]", {}, True),
    ("departments: [3, 4]", {}, False),
    ("departments: [1]", {"userid": "mo"}, True),
    ('states: ["expo-*"]', {"state": "expo-2026"}, True),
    ('states: ["expo-*"]', {"state": "store-7"}, False),
    ('states: ["expo-*"]', {}, False),
    ("states: [store-7]", {"state": "store-7"}, True),
    ("half: true", {"half": True}, True),
    ("half: true", {}, False),
    ("half: false", {"half": True}, False),
    ("customer: [new]", {}, True),
    ("customer: [ours, returned]", {}, False),
    ('hours: "09:00-12:00"', {}, True),
    ('hours: "21:00-08:00"', {}, False),
    ("days: workdays", {}, True),
    ("days: days_off", {}, False),
    ("staff: [lin], states: [store-7]", {"state": "store-7"}, True),
    ("staff: [lin], states: [store-7]", {}, False),
]


@pytest.mark.parametrize(("when", "given", "holds"), CONDITIONS, ids=[f"{one[0]} {one[1]}" for one in CONDITIONS])
async def test_a_flow_is_sent_when_all_its_conditions_hold(
    bot: RunningBot, wecom: WeCom, tmp_path: Path, when: str, given: dict[str, Any], holds: bool
) -> None:
    await use(bot, tmp_path, f"flows: [{{name: 合适, when: {{{when}}}, text: 合适}}, {{name: 其他, text: 其他}}]")
    [message] = await greeted(bot, wecom, **given)

    expected = {True: "合适", False: "其他"}[holds]
    [row] = await ledger(bot)
    assert (message["body"]["content"], row.flow_name) == (expected, expected)
    assert bool(row.passed_over) is not holds


@pytest.mark.parametrize(
    ("clock", "when", "holds"),
    [
        (BEFORE_MIDNIGHT, 'hours: "21:00-08:00"', True),
        (AFTER_MIDNIGHT, 'hours: "21:00-08:00"', True),
        (AFTER_MIDNIGHT, 'hours: "08:00-21:00"', False),
        (SATURDAY, "days: days_off", True),
        (MAKE_UP_SATURDAY, "days: workdays", True),
        (HOLIDAY_THURSDAY, "days: days_off", True),
    ],
    indirect=["clock"],
)
async def test_days_and_hours_are_those_of_the_shop(
    bot: RunningBot, wecom: WeCom, tmp_path: Path, when: str, holds: bool
) -> None:
    await use(bot, tmp_path, f"flows: [{{name: 合适, when: {{{when}}}, text: 合适}}, {{name: 其他, text: 其他}}]")
    [message] = await greeted(bot, wecom)

    assert message["body"]["content"] == {True: "合适", False: "其他"}[holds]


@pytest.mark.parametrize("clock", [BEFORE_MIDNIGHT], indirect=True)
async def test_a_night_welcome_is_sent_at_night(bot: RunningBot, wecom: WeCom) -> None:
    [message] = await greeted(bot, wecom)

    assert "明早9点回您" in message["body"]["content"]


async def test_where_no_flow_holds_nothing_is_sent_and_the_reason_is_kept(
    bot: RunningBot, wecom: WeCom, tmp_path: Path
) -> None:
    await use(bot, tmp_path, "flows: [{name: 王的, when: {staff: [wang]}, text: 您好}]")

    assert await greeted(bot, wecom) == []
    [row] = await ledger(bot)
    assert (row.outcome, row.reason) == (NOT_SENT, "no flow: no welcome flow holds for this add")
    assert row.passed_over == {"王的": "staff"}


async def test_attachments_of_every_kind_arrive_in_order(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    parts = (
        "{image: {file: card.png}}, {video: {file: tour.mp4}}, {file: {file: 价目表.pdf}}, "
        "{link: {title: 预约, url: 'https://example.com/book', desc: 不用排队}}, "
        "{miniprogram: {title: 我的预约, appid: wx0123456789abcdef, page: pages/book, file: card.png}}"
    )
    await use(bot, tmp_path, f"flows: [{{name: 全, text: 您好, attachments: [{parts}]}}]")
    first = await greeted(bot, wecom)
    await greeted(bot, wecom, "wang")

    kinds = ["text", "image", "video", "file", "link", "miniprogram"]
    assert [one["msgtype"] for one in first] == kinds
    assert first[4]["body"] == {"title": "预约", "url": "https://example.com/book", "desc": "不用排队"}
    assert wecom.corp.state.media[first[3]["body"]["media_id"]].filename == "价目表.pdf"
    assert len(await wecom.calls(UPLOAD)) == 3
    assert [row.reason for row in await ledger(bot)] == [None, None]


async def test_twenty_at_once_upload_a_new_file_once(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    await use(bot, tmp_path, PICTURE)
    await asyncio.gather(*(wecom.adds_friend("lin") for _ in range(20)))
    await all_done(bot)

    assert len(await wecom.calls(UPLOAD)) == 1
    assert {row.outcome for row in await ledger(bot)} == {SENT}


async def test_a_file_wecom_has_forgotten_is_uploaded_again(
    bot: RunningBot, wecom: WeCom, clock: HandClock, tmp_path: Path
) -> None:
    await use(bot, tmp_path, PICTURE)
    await greeted(bot, wecom)
    wecom.corp.state.media.clear()
    lost = await greeted(bot, wecom)
    clock.forward(timedelta(days=4).total_seconds())
    expired = await greeted(bot, wecom)

    assert [[one["msgtype"] for one in window] for window in (lost, expired)] == [["text", "image"]] * 2
    assert len(await wecom.calls(UPLOAD)) == 3
    assert [call["errcode"] for call in await wecom.calls(SEND)] == [0, 40007, 0, 0]


async def test_a_file_lost_under_many_welcomes_is_uploaded_once_more(
    bot: RunningBot, wecom: WeCom, tmp_path: Path
) -> None:
    await use(bot, tmp_path, PICTURE)
    await greeted(bot, wecom)
    wecom.corp.state.media.clear()
    await asyncio.gather(*(wecom.adds_friend("lin") for _ in range(15)))
    await all_done(bot)

    assert len(await wecom.calls(UPLOAD)) == 2
    assert {row.outcome for row in await ledger(bot)} == {SENT}


async def test_a_file_that_cannot_be_uploaded_is_left_out_and_the_rest_is_sent(
    bot: RunningBot, wecom: WeCom, tmp_path: Path
) -> None:
    await use(bot, tmp_path, PICTURE)
    await wecom.fault(UPLOAD, status=502)
    window = await greeted(bot, wecom)

    assert [one["msgtype"] for one in window] == ["text"]
    [row] = await ledger(bot)
    assert (row.outcome, row.reason) == (SENT, "sent without image (WeComUnreachable)")


@pytest.fixture
async def hurried_bot(wecom: WeCom, database_url: str, tmp_path: Path, clock: HandClock) -> AsyncIterator[RunningBot]:
    """A bot whose welcome codes live two seconds."""
    settings = bot_settings(wecom.corp, wecom.url, database_url, tmp_path, welcome_seconds=2.0)
    async with running_bot(wecom, settings, clock) as running:
        yield running


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # aiohttp leaves a cut upload's file open
async def test_a_slow_upload_does_not_cost_the_welcome(hurried_bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    await use(hurried_bot, tmp_path, PICTURE)
    await wecom.fault(UPLOAD, latency_ms=4000)
    window = await greeted(hurried_bot, wecom)

    assert [one["msgtype"] for one in window] == ["text"]
    [row] = await ledger(hurried_bot)
    assert (row.outcome, row.reason) == (SENT, "sent without image (TimeoutError)")
    assert row.latency_ms is not None
    assert row.latency_ms < 2000


async def test_her_name_is_waited_for_only_where_it_is_said(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    await wecom.fault(GET, latency_ms=4000, times=1)  # what is fetched after the add must not hold up the welcome
    await greeted(bot, wecom, name="陈女士")
    [row] = await ledger(bot)
    await use(bot, tmp_path, NAMED)
    [message] = await greeted(bot, wecom, name="陈女士")

    assert row.latency_ms is not None
    assert row.latency_ms < 2000
    assert message["body"]["content"] == "陈女士，您好"


@pytest.mark.parametrize(
    "fault",
    [{"latency_ms": 4000}, {"errcode": 84061}, {"status": 500}, {"drop": "request"}, {"errcode": 45009}],
    ids=str,
)
async def test_without_her_name_in_time_the_fallback_is_said(
    bot: RunningBot, wecom: WeCom, tmp_path: Path, fault: dict[str, Any]
) -> None:
    await use(bot, tmp_path, NAMED)
    await wecom.fault(GET, **fault)
    added = await wecom.adds_friend("lin", name="陈女士")
    await bot.settle()
    [message] = await wecom.received(added["external_userid"])

    assert message["body"]["content"] == "朋友，您好"
    [row] = await ledger(bot)
    assert row.latency_ms is not None
    assert row.latency_ms < 3000


async def test_a_half_add_has_no_name_yet(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    await use(bot, tmp_path, NAMED)
    [message] = await greeted(bot, wecom, name="陈女士", half=True)

    assert message["body"]["content"] == "朋友，您好"


async def test_a_name_full_of_signs_is_said_as_it_is(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    await use(bot, tmp_path, NAMED)
    [message] = await greeted(bot, wecom, name="{{ staff.name }}<b>&😀]]>")

    assert message["body"]["content"] == "{{ staff.name }}<b>&😀]]>，您好"


async def test_new_flows_hold_from_the_next_add_and_the_ledger_names_the_version(
    bot: RunningBot, wecom: WeCom, tmp_path: Path
) -> None:
    for text in ("第一版", "第二版"):
        await use(bot, tmp_path, f"flows: [{{name: 默认, text: {text}}}]")
        [message] = await greeted(bot, wecom)
        assert message["body"]["content"] == text

    assert [row.flow_version for row in await ledger(bot)] == [2, 3]


async def test_a_welcome_on_its_way_keeps_its_text(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    await use(bot, tmp_path, "flows: [{name: 默认, text: 旧}]")
    await wecom.fault(SEND, status=503, times=1)
    added = await wecom.adds_friend("lin")
    await wecom.sim("GET", f"calls?path={SEND}&wait=10")
    await use(bot, tmp_path, "flows: [{name: 默认, text: 新}]")
    await all_done(bot)

    [message] = await wecom.received(added["external_userid"])
    assert message["body"]["content"] == "旧"


async def test_consent_to_the_archive_brings_the_welcome_that_was_refused_before(
    bot: RunningBot, wecom: WeCom, tmp_path: Path
) -> None:
    await wecom.fault(SEND, errcode=41053, times=1)
    added = await wecom.adds_friend("lin")
    await all_done(bot)
    consent = contact_event("msg_audit_approved", added["external_userid"], WelcomeCode=added["welcome_code"])
    await wecom.sim("POST", "callbacks/raw", {"xml": consent})
    await all_done(bot)

    assert len(await wecom.received(added["external_userid"])) == 1
    assert [row.outcome for row in await ledger(bot)] == [NOT_SENT, SENT]


GIFT = """
flows:
  - name: 见面礼
    text: "您好，送您一份{{ offer.name }}，{{ offer.terms }}，{{ offer.ends_on }}前有效。"
    offer: kit
  - {name: 没有礼, text: 您好}
"""


async def gifts(bot: RunningBot) -> list[tuple[str, str, str]]:
    """Member, state and reason of every offer that was set aside, and how many are out of stock now."""

    def read(session: Session) -> list[tuple[str, str, str]]:
        grants = session.exec(select(OfferGrant).order_by(col(OfferGrant.id))).all()
        assert session.get_one(Offer, "kit").taken == sum(one.state != "revoked" for one in grants)
        return [(one.userid, one.state, one.reason.partition(":")[0]) for one in grants]

    return await bot.database.read(read)


@pytest.fixture
async def gift(bot: RunningBot, tmp_path: Path) -> None:
    """Two of a welcome gift, and the flow that hands it over."""
    kit: dict[str, Any] = {"code": "kit", "name": "护牙包", "kind": "welcome_gift", "terms": "到店领取"}
    kit |= {"stock": 2, "days": 14, "updated_at": MONDAY_TEN}
    await bot.database.write(lambda session: session.add(Offer(**kit)))
    await use(bot, tmp_path, GIFT)


async def test_a_welcome_hands_over_its_offer_once_per_customer_while_there_is_any(
    bot: RunningBot, wecom: WeCom, gift: None
) -> None:
    added = await wecom.adds_friend("lin", unionid="u1")
    await all_done(bot)
    [first] = await wecom.received(added["external_userid"])
    assert first["body"]["content"] == "您好，送您一份护牙包，到店领取，11月30日前有效。"
    assert await gifts(bot) == [("lin", "given", "")]

    again = await greeted(bot, wecom, "wang", external_userid=added["external_userid"])
    assert again[-1]["body"]["content"] == "您好"
    assert (await ledger(bot))[-1].passed_over == {"见面礼": "offer: she has had offer 护牙包 already"}

    [second], [third] = [await greeted(bot, wecom, "lin", name=name) for name in ("二", "三")]
    assert (second["body"]["content"][:8], third["body"]["content"]) == ("您好，送您一份护", "您好")
    assert [one[:2] for one in await gifts(bot)] == [("lin", "given")] * 2


async def test_an_offer_returns_to_the_stock_when_its_welcome_is_not_sent(
    bot: RunningBot, wecom: WeCom, gift: None
) -> None:
    await wecom.fault(SEND, errcode=41050, times=1)
    assert await greeted(bot, wecom) == []
    assert await gifts(bot) == [("lin", "revoked", "not sent")]

    await greeted(bot, wecom, console_welcome=True)
    assert len(await gifts(bot)) == 1, "without a code there is nothing to hand over"


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (
            "{name: 礼, text: 您好, offer: nothing}",
            "flow '礼': offer (now 'nothing'): there is no such offer; there are kit",
        ),
        ("{name: 礼, text: '送{{ offer.name }}'}", "flow '礼': text names offer.name; give the flow an offer"),
    ],
)
async def test_a_flow_that_promises_what_is_not_there_is_refused(
    bot: RunningBot, gift: None, tmp_path: Path, flow: str, said: str
) -> None:
    with pytest.raises(FlowRefused, match=re.escape(said)):
        await use(bot, tmp_path, f"flows: [{flow}]")
