"""Staff ask for words to say: the card that lists them, the tap that brings one in full, and for whom."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, select

from contacts.changes import customer_of
from contacts.facts import Booking
from contacts.models import Customer, FollowUser
from scripts_library.media import add_file
from scripts_library.models import Script, ScriptUse
from scripts_library.scripts import ScriptText, publish, retire, save
from tests.conftest import MONDAY_TEN, RunningBot, WeCom

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PRICE = "objection-too-expensive"


async def cards(wecom: WeCom, userid: str) -> list[dict[str, Any]]:
    """The cards a member got."""
    return [one for one in await wecom.chat(userid) if one["msgtype"] == "template_card"]


async def asked(bot: RunningBot, wecom: WeCom, text: str, userid: str = "lin") -> dict[str, Any]:
    """The card a question is answered with."""
    await wecom.types(userid, text)
    await bot.settle()
    return (await cards(wecom, userid))[-1]


async def press(
    bot: RunningBot, wecom: WeCom, card: dict[str, Any], userid: str = "lin", **selected: str
) -> str:  # fmt: skip
    """Press a card's only button; answers the text that comes."""
    body = card["body"]
    key = (body.get("submit_button") or body["button_list"][0])["key"]
    chosen = {name: [option] for name, option in selected.items()}
    await wecom.sim(
        "POST",
        "card-clicks",
        {"userid": userid, "task_id": card["task_id"], "key": key, "selected": chosen},
    )
    await bot.settle()
    return (await wecom.texts(userid))[-1].rsplit("\n", 1)[0]


async def script_id(bot: RunningBot, code: str) -> str:
    """The id a card offers a script under."""
    found = await bot.database.read(lambda session: session.exec(select(Script.id).where(Script.code == code)).one())
    return str(found)


async def befriended(bot: RunningBot, wecom: WeCom, name: str, userid: str = "lin", remark: str = "") -> int:
    """A customer of a member, by name: her id."""
    added = await wecom.adds_friend(userid, name=name)
    await bot.settle()

    def name_her(session: Session) -> int:
        customer = customer_of(session, added["external_userid"])
        assert customer is not None
        customer.name = name
        tie = session.exec(select(FollowUser).where(FollowUser.customer_id == customer.id)).one()
        tie.remark = remark
        session.add_all([customer, tie])
        return customer.id or 0

    return await bot.database.write(name_her)


def lines(card: dict[str, Any]) -> list[str]:
    """What the card lists."""
    return [line["value"] for line in card["body"]["horizontal_content_list"]]


@pytest.mark.parametrize(
    "question",
    ["话术 价格太贵", "怎么回 太贵了", "客户说太贵了怎么回？", "话术 tai gui le", "话术 tgl", "价格太贵的话术"],
)
async def test_a_question_is_answered_with_the_best_scripts_on_a_card(
    bot: RunningBot, wecom: WeCom, question: str
) -> None:
    card = await asked(bot, wecom, question)

    assert card["body"]["card_type"] == "button_interaction"
    assert lines(card)[0].startswith("客户说价格太贵：理解，花钱的事")
    assert 3 <= len(lines(card)) <= 5
    assert card["body"]["button_selection"]["selected_id"] == await script_id(bot, PRICE)
    assert card["body"]["button_list"][0]["text"] == "看全文"


async def test_an_english_question_is_answered_in_english(bot: RunningBot, wecom: WeCom) -> None:
    card = await asked(bot, wecom, "script price")

    assert card["body"]["main_title"] == {"title": "Scripts: price", "desc": "Choose one for its full text"}
    assert card["body"]["button_list"][0]["text"] == "Full text"
    assert any("贵" in line or "便宜" in line for line in lines(card))


async def test_one_tap_brings_a_script_in_full_and_another_tap_another(bot: RunningBot, wecom: WeCom) -> None:
    card = await asked(bot, wecom, "话术 价格太贵")
    first = await press(bot, wecom, card, script=await script_id(bot, PRICE))
    second = await press(bot, wecom, card, script=await script_id(bot, "objection-discount"))

    assert first.startswith("您好，理解，花钱的事谁都要掂量。")
    assert first.endswith("觉得不值我把差在哪儿说清楚。")
    assert second.startswith("您好，价格我这边没权限动")
    assert not any("{{" in text for text in (first, second))


async def test_a_script_is_filled_for_the_customer_named(bot: RunningBot, wecom: WeCom) -> None:
    customer_id = await befriended(bot, wecom, "李春华")
    at = MONDAY_TEN + timedelta(days=2)
    row = Booking(
        source_id="b1",
        digest="",
        at=MONDAY_TEN,
        made_at=MONDAY_TEN,
        starts_at=at,
        first_starts_at=at,
        customer_id=customer_id,
        item="洗牙",
    )
    await bot.database.write(lambda session: session.add(row))
    card = await asked(bot, wecom, "话术 明天来店提醒 给李女士")
    text = await press(bot, wecom, card, script=await script_id(bot, "close-booking-confirm"))

    assert card["body"]["main_title"]["desc"] == "按李春华的情况填好了，选一条"
    assert text == "李女士，跟您确认一下：11月18日 10:00，洗牙，在店里。路上有变化随时跟我说。"


async def test_a_name_in_pinyin_is_filled_in_as_the_member_wrote_it_down(bot: RunningBot, wecom: WeCom) -> None:
    await befriended(bot, wecom, "李春华", remark="李姐")
    card = await asked(bot, wecom, "script too expensive for lijie")
    text = await press(bot, wecom, card, script=await script_id(bot, PRICE))

    assert text.startswith("李姐，理解，花钱的事")


async def test_of_several_customers_the_card_asks_which(bot: RunningBot, wecom: WeCom) -> None:
    await befriended(bot, wecom, "李春华")
    other = await befriended(bot, wecom, "李秋月")
    card = await asked(bot, wecom, "话术 价格太贵 给李女士")
    options = card["body"]["select_list"][1]["option_list"]
    await press(bot, wecom, card, script=await script_id(bot, PRICE), customer=str(other))

    assert card["body"]["card_type"] == "multiple_interaction"
    assert sorted(option["text"][2:] for option in options) == ["李春华", "李秋月"]
    assert (await uses(bot, "copied"))[0].customer_id == other


async def test_of_somebody_elses_customer_nothing_but_the_name_typed_is_filled_in(
    bot: RunningBot, wecom: WeCom
) -> None:
    customer_id = await befriended(bot, wecom, "李春华", userid="mo")

    def born(session: Session) -> None:
        session.get_one(Customer, customer_id).birthday_next = date(2026, 11, 20)

    await bot.database.write(born)
    given = ScriptText(
        code="own", title="生日到店", stage="care", body="{{ customer.name }}，{{ customer.birthday }}见。"
    )

    def install(session: Session) -> None:
        save(session, given, "su", MONDAY_TEN)
        publish(session, "own", 1, MONDAY_TEN)

    await bot.database.write(install)
    card = await asked(bot, wecom, "话术 生日到店 给李春华")
    text = await press(bot, wecom, card, script=await script_id(bot, "own"))

    assert card["body"]["main_title"]["desc"] == "您名下没找到“李春华”，只填了称呼"
    assert text == "李春华，生日见。"
    assert (await uses(bot, "copied"))[0].customer_id is None


async def test_a_card_is_worth_nothing_once_the_customer_has_gone_to_a_colleague(bot: RunningBot, wecom: WeCom) -> None:
    customer_id = await befriended(bot, wecom, "李春华")
    card = await asked(bot, wecom, "话术 价格太贵 给李春华")

    def hand_over(session: Session) -> None:
        session.get_one(Customer, customer_id).main_userid = "mo"
        session.exec(select(FollowUser).where(FollowUser.customer_id == customer_id)).one().lost_at = MONDAY_TEN

    await bot.database.write(hand_over)
    text = await press(bot, wecom, card, script=await script_id(bot, PRICE))

    assert text == "这位客户现在不在您名下了，换个名字再问我。"
    assert await uses(bot, "copied") == []


async def test_what_was_shown_and_what_was_taken_is_on_record(bot: RunningBot, wecom: WeCom) -> None:
    card = await asked(bot, wecom, "话术 价格太贵")
    await press(bot, wecom, card, script=await script_id(bot, PRICE))
    shown, copied = await uses(bot, "shown"), await uses(bot, "copied")

    assert len(shown) == len(lines(card))
    assert [(use.script_id, use.version, use.userid) for use in copied] == [
        (int(await script_id(bot, PRICE)), 1, "lin")
    ]


async def uses(bot: RunningBot, act: str) -> list[ScriptUse]:
    """The use log's rows of one kind."""
    rows = select(ScriptUse).where(ScriptUse.act == act).order_by(col(ScriptUse.id))
    return list(await bot.database.read(lambda session: session.exec(rows).all()))


async def test_a_script_published_a_moment_ago_is_found_and_a_retired_one_is_not(bot: RunningBot, wecom: WeCom) -> None:
    given = ScriptText(code="own-parking", title="停车怎么收费", stage="engage", body="停车两小时内免费。")
    await bot.database.write(lambda session: save(session, given, "su", MONDAY_TEN))
    await wecom.types("lin", "话术 停车收费")
    await bot.settle()
    before = [lines(card) for card in await cards(wecom, "lin")]
    await bot.database.write(lambda session: publish(session, "own-parking", 1, MONDAY_TEN))
    card = await asked(bot, wecom, "话术 停车收费")
    await bot.database.write(lambda session: retire(session, "own-parking", MONDAY_TEN))
    text = await press(bot, wecom, card, script=await script_id(bot, "own-parking"))

    assert not any("停车" in line for listed in before for line in listed)
    assert lines(card)[0] == "停车怎么收费：停车两小时内免费。"
    assert text == "这条话术已经下架了，重新问我一次看看别的。"


async def test_the_files_of_a_script_follow_its_text(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    (tmp_path / "map.png").write_bytes(PNG)

    def install(session: Session) -> None:
        sha256 = add_file(session, bot.parts.settings.home, "image", tmp_path / "map.png")
        link = {"msgtype": "link", "title": "停车场入口", "url": "https://example.com/p"}
        parts = [{"msgtype": "image", "sha256": sha256}, link]
        given = ScriptText(code="map", title="到店路线图", stage="close", body="路线发您。", attachments=parts)
        save(session, given, "su", MONDAY_TEN)
        publish(session, "map", 1, MONDAY_TEN)

    await bot.database.write(install)
    card = await asked(bot, wecom, "话术 路线图")
    text = await press(bot, wecom, card, script=await script_id(bot, "map"))

    assert text == "路线发您。\n停车场入口 https://example.com/p"
    assert [one["msgtype"] for one in await wecom.chat("lin")] == ["template_card", "text", "image"]


async def test_what_nothing_fits_and_an_empty_question_get_a_hint(bot: RunningBot, wecom: WeCom) -> None:
    for text in ("话术 🦄🦄", "话术", "script"):
        await wecom.types("lin", text)
        await bot.settle()
    nothing, empty, english = await wecom.texts("lin")

    assert nothing.startswith("没找到“🦄🦄”的话术。换个说法试试")
    assert empty.startswith("后面写上客户说了什么就行，比如：话术 价格太贵。")
    assert english.startswith("Write what the customer said after it")


@pytest.mark.parametrize(
    "words", ["'; DROP TABLE script; --", "{{ customer.name }}", "贵" * 600, "%%%", "\\", "a" * 2000]
)
async def test_strange_words_are_only_words(bot: RunningBot, wecom: WeCom, words: str) -> None:
    await wecom.types("lin", f"话术 {words}")
    await bot.settle()

    assert len(await wecom.chat("lin")) == 1


async def test_a_birthday_wish_asked_for_in_a_sentence(bot: RunningBot, wecom: WeCom) -> None:
    customer_id = await befriended(bot, wecom, "李春华")

    def born(session: Session) -> None:
        session.get_one(Customer, customer_id).birthday_next = date(2026, 11, 20)

    await bot.database.write(born)
    card = await asked(bot, wecom, "帮我写一条给李女士的生日问候")
    text = await press(bot, wecom, card)

    assert text.startswith("李女士，生日快乐！")
