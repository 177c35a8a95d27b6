"""Tags of a pair: what a change leaves behind; and that any order of events ends in the platform's state."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from bot.database import Database
from bot.jobs import Job
from bot.wecom.crypto import Crypto
from contacts.domain_events import DOMAIN_EVENT
from contacts.models import Customer, FollowUser, Identity
from contacts.tag_lookup import closest, tags_named, undo_last
from contacts.tag_push import MARK_TAG, Pair
from contacts.tagging import Changed, Why, change_tags, expired, follow_platform
from contacts.tags import CHAT, CLIENT, RULE, PairTag, Tag, TagChange, TagGroup, TagPush
from tests.conftest import MONDAY_TEN, RunningBot, WeCom
from tests.stories.waiting import all_done

PAIR = Pair(1, "lin")
WHY = Why(RULE, MONDAY_TEN, cause="rule 7 v2")


@pytest.fixture
async def tagged(database: Database) -> Database:
    """Lin's customer; a single-choice group that expires after 30 days, and one of any choice with a deleted tag."""

    def fill(session: Session) -> None:
        session.add(Customer(id=1, name="李春华", main_userid="lin"))
        session.add_all(
            [TagGroup(id="g1", name="意向", single_choice=True, expires_days=30), TagGroup(id="g2", name="关注点")]
        )
        session.flush()
        session.add_all(
            [
                Identity(customer_id=1, kind="external_userid", value="wmLi"),
                FollowUser(customer_id=1, userid="lin", added_at=MONDAY_TEN),
                Tag(id="high", group_id="g1", name="高意向"),
                Tag(id="low", group_id="g1", name="低意向"),
                Tag(id="pain", group_id="g2", name="怕疼"),
                Tag(id="gone", group_id="g2", name="旧标签", deleted=True),
            ]
        )

    await database.write(fill)
    return database


async def change(database: Database, why: Why = WHY, **given: Any) -> list[Changed]:
    """Change the pair's tags."""
    return await database.write(lambda session: change_tags(session, PAIR, why, **given))


async def rows(database: Database, model: Any) -> list[Any]:
    """Every row, oldest first."""
    return await database.read(lambda session: list(session.exec(select(model).order_by(col(model.id))).all()))


async def test_a_change_is_kept_logged_told_and_pushed(tagged: Database) -> None:
    assert await change(tagged, add=["pain"]) == [Changed("pain", "怕疼", True)]

    [tag], [log], [push] = [await rows(tagged, model) for model in (PairTag, TagChange, TagPush)]
    assert (tag.customer_id, tag.userid, tag.tag_id, tag.since) == (1, "lin", "pain", MONDAY_TEN)
    assert (log.tag_name, log.group_name, log.added, log.source, log.cause) == (
        "怕疼",
        "关注点",
        True,
        RULE,
        "rule 7 v2",
    )
    assert (push.tag_id, push.added) == ("pain", True)
    event, mark = sorted(await rows(tagged, Job), key=lambda job: job.kind)
    assert (event.kind, event.payload["name"], event.payload["facts"]["tag"]) == (DOMAIN_EVENT, "tag_added", "怕疼")
    assert (mark.kind, mark.run_at) == (MARK_TAG, MONDAY_TEN + timedelta(seconds=2))


async def test_what_is_so_already_changes_nothing(tagged: Database) -> None:
    await change(tagged, add=["pain"])
    jobs = len(await rows(tagged, Job))

    assert await change(tagged, add=["pain"], remove=["high"]) == []
    assert await change(tagged, add=["gone", "nowhere"]) == []
    assert (len(await rows(tagged, TagChange)), len(await rows(tagged, Job))) == (1, jobs)


async def test_in_a_single_choice_group_the_new_one_takes_the_place(tagged: Database) -> None:
    await change(tagged, add=["low", "pain"])
    changed = await change(tagged, add=["high"])

    assert changed == [Changed("high", "高意向", True), Changed("low", "低意向", False)]
    assert {one.tag_id for one in await rows(tagged, PairTag)} == {"high", "pain"}
    assert {(one.tag_id, one.added) for one in await rows(tagged, TagPush)} == {
        ("high", True),
        ("low", False),
        ("pain", True),
    }


async def test_a_person_who_is_no_wecom_contact_has_tags_here_only(tagged: Database) -> None:
    await tagged.write(lambda session: session.add(Customer(id=2, name="电话客户", main_userid="lin")))
    await tagged.write(lambda session: change_tags(session, Pair(2, "lin"), WHY, add=["pain"]))

    assert [one.customer_id for one in await rows(tagged, PairTag)] == [2]
    assert await rows(tagged, TagPush) == []


async def test_old_tags_of_an_expiring_group_are_asked_about(tagged: Database) -> None:
    await change(tagged, add=["high", "pain"])
    later = MONDAY_TEN + timedelta(days=31)
    old = await tagged.read(lambda session: expired(session, [1], later))
    await change(tagged, Why(CHAT, later, "lin"), add=["high"])
    fresh = await tagged.read(lambda session: expired(session, [1], later))

    assert ([one.tag_id for one in old], fresh) == (["high"], [])
    assert len(await rows(tagged, TagChange)) == 2, "still true is no change"


async def test_the_platform_wins_but_for_what_it_does_not_know_yet(tagged: Database) -> None:
    await change(tagged, add=["pain"])
    why = Why(CLIENT, MONDAY_TEN, "lin")
    names = {"high": "高意向", "rule": "规则组标签"}
    seen = await tagged.write(lambda session: follow_platform(session, {PAIR: names}, why, names=names))
    again = await tagged.write(lambda session: follow_platform(session, {PAIR: names}, why, names=names))

    assert (seen, again) == ({PAIR: [Changed("high", "高意向", True), Changed("rule", "规则组标签", True)]}, {})
    assert {one.tag_id for one in await rows(tagged, PairTag)} == {"high", "rule", "pain"}
    assert [one.tag_id for one in await rows(tagged, TagPush)] == ["pain"]


async def test_undo_takes_back_own_recent_changes_only(tagged: Database) -> None:
    await change(tagged, Why(CHAT, MONDAY_TEN, "lin", "给李女士打标签 高意向"), add=["high"])
    await change(tagged, Why(CHAT, MONDAY_TEN, "su", "给李女士打标签 怕疼"), add=["pain"])
    late = MONDAY_TEN + timedelta(minutes=11)

    assert await tagged.write(lambda session: undo_last(session, "lin", late)) is None
    assert await tagged.write(lambda session: undo_last(session, "lin", MONDAY_TEN)) == (
        PAIR,
        [Changed("high", "高意向", False)],
    )
    assert await tagged.write(lambda session: undo_last(session, "lin", MONDAY_TEN)) is None
    assert [one.tag_id for one in await rows(tagged, PairTag)] == ["pain"]


async def test_tags_are_found_by_name_by_group_and_nearly(tagged: Database) -> None:
    named = await tagged.read(lambda session: tags_named(session, ["怕疼", "意向:高意向", "旧标签"]))

    assert {name: [one.id for one in found] for name, found in named.items()} == {
        "怕疼": ["pain"],
        "意向:高意向": ["high"],
        "旧标签": [],
    }


@pytest.mark.parametrize(
    ("words", "likest"), [("怕痛", ["怕疼"]), ("高意象", ["高意向"]), ("gaoyixiang", ["高意向"]), ("退休", [])]
)
async def test_the_closest_tags_are_suggested(tagged: Database, words: str, likest: list[str]) -> None:
    near = await tagged.read(lambda session: closest(session, words))
    assert [one.name for one in near][: len(likest) or None] == likest


ACTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "add": ("friend-adds", "add_external_contact", {}),
    "tag A": ("tag-edits", "edit_external_contact", {"add": ["甲"]}),
    "tag B": ("tag-edits", "edit_external_contact", {"add": ["乙"], "remove": ["甲"]}),
    "untag": ("tag-edits", "edit_external_contact", {"remove": ["甲", "乙"]}),
    "remark": ("remarks", "edit_external_contact", {"remark": "老客户"}),
    "left": ("deletions", "del_follow_user", {"by": "customer"}),
    "dropped": ("deletions", "del_external_contact", {"by": "staff"}),
}
"""What happens: the control call, its event, and what the call is given."""
histories = st.lists(
    st.tuples(st.sampled_from(sorted(ACTIONS)), st.lists(st.integers(0, 3), min_size=1, max_size=2)),
    min_size=2,
    max_size=7,
)
"""(what happens, after how many more steps each of its deliveries arrives)."""
few = settings(deadline=None, max_examples=5, suppress_health_check=list(HealthCheck))


@few
@given(history=histories)
async def test_any_order_and_repetition_of_events_ends_in_the_platforms_state(
    bot: RunningBot, wecom: WeCom, history: list[tuple[str, list[int]]]
) -> None:
    await two_corp_tags(bot, wecom)
    wecom.corp.callback_url = ""
    external_userid = f"wm{len(wecom.corp.customers)}"
    due: list[tuple[int, str, int]] = []
    for step, (what, delays) in enumerate([("add", [0]), *history]):
        event = await happens(wecom, what, external_userid)
        due += [(step + delay, event, int(wecom.corp.clock.now().timestamp())) for delay in delays if event]
        for _, change_type, at in [one for one in due if one[0] == step]:
            await arrives(bot, wecom, change_type, external_userid, at)
        wecom.corp.clock.jump(wecom.corp.clock.now() + timedelta(seconds=2))
    for _, change_type, at in [one for one in due if one[0] > len(history)]:
        await arrives(bot, wecom, change_type, external_userid, at)
    await all_done(bot)

    assert await ours(bot, external_userid) == await theirs(wecom, external_userid)


async def two_corp_tags(bot: RunningBot, wecom: WeCom) -> None:
    """甲 and 乙, made once."""
    if not wecom.corp.tags:
        await wecom.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["甲", "乙"]})
        await all_done(bot)


async def happens(wecom: WeCom, what: str, external_userid: str) -> str:
    """Something happens in the client: the change type of its event; nothing where it is not possible."""
    call, event, given = ACTIONS[what]
    body = {"userid": "lin", "external_userid": external_userid, **given}
    async with wecom.http.post(f"{wecom.url}/sim/{call}", json=body) as answer:
        return event if answer.status == 200 else ""


async def arrives(bot: RunningBot, wecom: WeCom, change_type: str, external_userid: str, at: int) -> None:
    """A signed callback reaches the bot."""
    crypto = Crypto(wecom.corp.callback_token, wecom.corp.callback_aes_key, wecom.corp.corp_id)
    encrypted = crypto.encrypt(
        f"<xml><ToUserName>{wecom.corp.corp_id}</ToUserName><FromUserName>sys</FromUserName>"
        f"<CreateTime>{at}</CreateTime><MsgType>event</MsgType><Event>change_external_contact</Event>"
        f"<ChangeType>{change_type}</ChangeType><UserID>lin</UserID>"
        f"<ExternalUserID>{external_userid}</ExternalUserID></xml>"
    )
    signed = {"msg_signature": crypto.sign("1", "2", encrypted), "timestamp": "1", "nonce": "2"}
    body = f"<xml><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
    async with asyncio.timeout(20), wecom.http.post(f"{bot.url}/wecom/callback", params=signed, data=body) as answer:
        assert answer.status == 200


async def ours(bot: RunningBot, external_userid: str) -> tuple[str, set[str], str]:
    """How the tie stands on our record: who ended it, its tags and remark while it lives."""

    def look(session: Session) -> tuple[str, set[str], str]:
        known = select(FollowUser).join(Identity, col(Identity.customer_id) == col(FollowUser.customer_id))
        tie = session.exec(known.where(Identity.value == external_userid)).one()
        tags = select(PairTag.tag_id).where(PairTag.customer_id == tie.customer_id, PairTag.userid == "lin")
        return tie.lost_by or "", set(session.exec(tags)) if not tie.lost_at else set(), tie.remark * (not tie.lost_at)

    return await bot.database.read(look)


async def theirs(wecom: WeCom, external_userid: str) -> tuple[str, set[str], str]:
    """The same as the control side records it."""
    found = (await wecom.sim("GET", f"customers/{external_userid}"))["follow_users"]
    [tie] = found or [{"deleted_by_customer": False, "tag_ids": [], "remark": "", "gone": True}]
    lost = "staff" if "gone" in tie else "customer" * tie["deleted_by_customer"]
    return lost, set(tie["tag_ids"]) if not lost else set(), tie["remark"] * (not lost)
