"""A sync finds whatever callbacks missed, changes nothing twice, and goes on where a kill left it."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, func, select, update

from bot.database import Database
from bot.jobs import Job
from bot.settings import Settings
from contacts.changes import customer_of, follow_users_of
from contacts.cursors import AT_ONCE
from contacts.facts import SyncCursor
from contacts.models import CUSTOMER, STAFF, TRANSFER, Customer, FollowUser, HeldMerge, Identity, TieChange
from contacts.privacy import erase
from contacts.sync import SYNC_CUSTOMERS, ask_to_sync
from contacts.tags import PairTag, Tag, TagChange, TagGroup, TagPush
from tests.conftest import MONDAY_TEN, RunningBot, WeCom, bot_settings, running_bot
from tests.hand_clock import HandClock
from tests.stories.waiting import all_done

PAGES = "externalcontact/batch/get_by_user"
MEMBERS = 6
"""Of the simulated company; each is a part of a sync, and has one empty page at the bot's first start."""


@pytest.fixture
def clock() -> HandClock:
    """A clock to let ties grow older than the platform's lag."""
    return HandClock(MONDAY_TEN)


@pytest.fixture
def silent(bot: RunningBot, wecom: WeCom) -> WeCom:
    """A WeCom whose callbacks never reach the bot beside it."""
    wecom.corp.callback_url = ""
    return wecom


async def synced(bot: RunningBot, cause: str) -> str:
    """Sync everything; what the customers' part found."""
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: ask_to_sync(session, cause, now))
    await all_done(bot)
    return await bot.database.read(lambda session: outcome(session, f"{SYNC_CUSTOMERS}:{cause}"))


def outcome(session: Session, key: str) -> str:
    """How a job ended."""
    job = session.exec(select(Job).where(Job.key == key)).one()
    return job.outcome or job.error or ""


async def tie(bot: RunningBot, userid: str, external_userid: str) -> FollowUser:
    """A pair's tie."""

    def look(session: Session) -> FollowUser:
        customer = customer_of(session, external_userid)
        assert customer
        [mine] = [one for one in follow_users_of(session, customer.id or 0) if one.userid == userid]
        return mine

    return await bot.database.read(look)


async def rows(bot: RunningBot, *models: Any) -> list[Any]:
    """Every row of some tables, as plain values."""
    return await bot.database.read(
        lambda session: [one.model_dump() for model in models for one in session.exec(select(model)).all()]
    )


def without(names: Iterable[str], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without some columns, in a fixed order."""
    left = [{name: value for name, value in row.items() if name not in names} for row in found]
    return sorted(left, key=repr)


async def test_customers_whose_callbacks_never_came_are_found(bot: RunningBot, silent: WeCom) -> None:
    tags = await silent.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高意向"]})
    added = await silent.adds_friend("lin", name="陈女士", unionid="oChen", state="expo-2026")
    chen = added["external_userid"]
    await silent.sim("POST", "tag-edits", {"userid": "lin", "external_userid": chen, "add": ["高意向"]})
    remark = {"userid": "lin", "external_userid": chen, "remark": "陈-展会", "phones": ["13800000001"]}
    await silent.sim("POST", "remarks", remark)

    found = await synced(bot, "missed")
    mine = await tie(bot, "lin", chen)
    customer = await bot.database.read(lambda session: customer_of(session, chen))
    [pair_tag] = await rows(bot, PairTag)
    [change] = await rows(bot, TagChange)
    [history] = await rows(bot, TieChange)
    identities = {(one["kind"], one["value"]) for one in await rows(bot, Identity)}

    assert found == "1 ties of 6 staff: 1 customers new, 1 tags changed, 1 ties new"
    assert customer is not None
    assert (customer.name, customer.main_userid, customer.first_added_at) == ("陈女士", "lin", mine.added_at)
    assert (mine.remark, mine.phones, mine.state, mine.lost_at) == ("陈-展会", ["13800000001"], "expo-2026", None)
    assert pair_tag["tag_id"] == tags["tag_ids"]["高意向"]
    assert (change["added"], change["source"]) == (True, "sync")
    assert (history["kind"], history["source"], history["at"]) == ("added", "sync", mine.added_at)
    assert {("external_userid", chen), ("unionid", "oChen")} <= identities


async def test_a_second_sync_changes_nothing(bot: RunningBot, silent: WeCom) -> None:
    await silent.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高", "中", "低"]})
    await silent.sim("POST", "customers", {"count": 1300})
    first = await synced(bot, "first")
    tables = (Customer, Identity, FollowUser, TieChange, PairTag, TagChange)
    before = await rows(bot, *tables)
    second = await synced(bot, "second")
    after = await rows(bot, *tables)

    assert first == "1430 ties of 6 staff: 1300 customers new, 2860 tags changed, 1430 ties new"
    assert second == "1430 ties of 6 staff: no change"
    assert without(["fetched_at"], before) == without(["fetched_at"], after)
    assert await rows(bot, SyncCursor) == []


async def test_whoever_added_first_answers_for_a_shared_customer(bot: RunningBot, silent: WeCom) -> None:
    zhao = (await silent.adds_friend("wang", name="赵先生"))["external_userid"]
    await silent.adds_friend("lin", external_userid=zhao)
    silent.corp.follows["wang", zhao].createtime -= 3600
    await synced(bot, "shared")
    customer = await bot.database.read(lambda session: customer_of(session, zhao))
    ties = await bot.database.read(lambda session: session.exec(select(func.count(col(FollowUser.id)))).one())

    assert customer is not None
    assert (customer.main_userid, ties) == ("wang", 2)


async def test_a_tie_the_platform_no_longer_lists_has_ended(bot: RunningBot, wecom: WeCom, clock: HandClock) -> None:
    chen = (await wecom.adds_friend("lin", name="陈女士"))["external_userid"]
    zhao = (await wecom.adds_friend("wang", name="赵先生"))["external_userid"]
    half = (await wecom.adds_friend("wang", name="半个", half=True))["external_userid"]
    await all_done(bot)
    clock.forward(120)
    wecom.corp.callback_url = ""
    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": chen, "by": "staff"})
    await wecom.sim("POST", "transfers", {"from": "wang", "to": "lin", "external_userid": zhao})
    wecom.corp.follows["lin", zhao].add_way = 202
    found = await synced(bot, "ended")
    again = await synced(bot, "ended again")
    ended, handed, taken, waiting = [
        await tie(bot, *pair) for pair in (("lin", chen), ("wang", zhao), ("lin", zhao), ("wang", half))
    ]
    kinds = {(one["userid"], one["kind"], one["by"]) for one in await rows(bot, TieChange) if one["source"] == "sync"}

    assert found == "1 ties of 6 staff: 2 ties ended, 1 ties new"
    assert again == "1 ties of 6 staff: no change"
    assert (ended.lost_by, handed.lost_by, taken.lost_at, waiting.lost_at) == (STAFF, TRANSFER, None, None)
    assert kinds == {
        ("lin", "lost", STAFF), ("wang", "transferred_out", TRANSFER), ("lin", "transferred_in", None),
    }  # fmt: skip


async def test_a_customer_who_deleted_a_member_stays_lost_until_she_adds_again(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    chen = (await wecom.adds_friend("lin", name="陈女士"))["external_userid"]
    await all_done(bot)
    clock.forward(120)
    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": chen, "by": "customer"})
    await all_done(bot)
    one_way = await synced(bot, "one-way")
    lost = await tie(bot, "lin", chen)
    clock.forward(120)
    wecom.corp.callback_url = ""
    await wecom.adds_friend("lin", external_userid=chen)
    back = await synced(bot, "back")
    again = await tie(bot, "lin", chen)

    assert one_way.startswith("1 ties of 6 staff")
    assert (lost.lost_by, lost.lost_at is not None) == (CUSTOMER, True)
    assert "1 ties returned" in back
    assert (again.lost_at, again.added_at > lost.added_at) == (None, True)


async def test_changed_remarks_and_tags_are_put_right_and_our_own_waiting_tags_stay(
    bot: RunningBot, wecom: WeCom
) -> None:
    made = await wecom.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高", "中", "低"]})
    high, middle, low = (made["tag_ids"][name] for name in ("高", "中", "低"))
    wecom.corp.callback_url = ""
    chen = (await wecom.adds_friend("lin", name="陈女士"))["external_userid"]
    await wecom.sim("POST", "tag-edits", {"userid": "lin", "external_userid": chen, "add": ["高", "低"]})
    await synced(bot, "before")
    mine = await tie(bot, "lin", chen)
    now = bot.parts.clock.now()

    def waits(session: Session) -> None:
        session.add(PairTag(customer_id=mine.customer_id, userid="lin", tag_id=middle, since=now))
        later = now + timedelta(hours=1)
        session.add(TagPush(customer_id=mine.customer_id, userid="lin", tag_id=middle, added=True, at=later))

    await bot.database.write(waits)
    await wecom.sim("POST", "tag-edits", {"userid": "lin", "external_userid": chen, "remove": ["高"]})
    await wecom.sim("POST", "remarks", {"userid": "lin", "external_userid": chen, "remark": "陈姐"})
    found = await synced(bot, "after")
    borne = {one["tag_id"] for one in await rows(bot, PairTag)}
    log = [(one["tag_id"], one["added"], one["source"]) for one in await rows(bot, TagChange)]

    assert "1 remarks changed, 1 tags changed" in found
    assert borne == {middle, low}
    assert log[-1] == (high, False, "sync")


async def test_a_member_who_is_not_served_is_left_out_and_counted(
    bot: RunningBot, silent: WeCom, clock: HandClock
) -> None:
    for number in range(30):
        await silent.sim("POST", "members", {"userid": f"m{number}", "name": f"新人{number}", "departments": [4]})
    chen = (await silent.adds_friend("m7", name="陈女士"))["external_userid"]
    zhao = (await silent.adds_friend("m8", name="赵先生"))["external_userid"]
    await synced(bot, "all served")
    clock.forward(120)
    silent.corp.follows.pop(("m8", zhao))
    silent.corp.members["m7"].customer_contact = False
    # Only the customers' part: the staff's would already know it.
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: only_customers(session, "between", now))
    await all_done(bot)
    found = await bot.database.read(lambda session: outcome(session, f"{SYNC_CUSTOMERS}:between"))
    kept, ended = await tie(bot, "m7", chen), await tie(bot, "m8", zhao)

    assert found.endswith("1 members skipped, 1 ties ended")
    assert (kept.lost_at, ended.lost_by) == (None, STAFF)


def only_customers(session: Session, cause: str, now: Any) -> None:
    """The customers' part of a sync alone."""
    ask_to_sync(session, cause, now, kinds=[SYNC_CUSTOMERS])


@pytest.fixture
def settings(wecom: WeCom, database_url: str, tmp_path: Path) -> Settings:
    """A bot's settings, for tests that start it several times."""
    return bot_settings(wecom.corp, wecom.url, database_url, tmp_path)


@pytest.fixture
async def killed(wecom: WeCom, settings: Settings, clock: HandClock) -> int:
    """A bot stopped while it pulled 6,000 customers: how many pages it had asked for."""
    async with running_bot(wecom, settings, clock):
        await wecom.sim("POST", "customers", {"count": 6000})
    await wecom.fault(PAGES, latency_ms=40)
    async with running_bot(wecom, settings, clock) as bot:
        now = clock.now()
        await bot.database.write(lambda session: only_customers(session, "killed", now))
        newest = 0
        for _ in range(30):
            found = await wecom.sim("GET", f"calls?path={PAGES}&after={newest}&wait=10")
            newest = found["calls"][0]["n"]
    await wecom.sim("DELETE", "faults")
    return len(await wecom.calls(PAGES))


async def resumed(wecom: WeCom, settings: Settings, clock: HandClock) -> tuple[str, int]:
    """Start the bot again: what the sync found in all, and how many customers are on record."""
    async with running_bot(wecom, settings, clock) as bot:
        await all_done(bot)
        count = select(func.count(col(Customer.id)))
        found = await bot.database.read(lambda session: outcome(session, f"{SYNC_CUSTOMERS}:killed"))
        return found, await bot.database.read(lambda session: session.exec(count).one())


async def test_a_killed_sync_goes_on_at_its_cursor(
    killed: int, wecom: WeCom, settings: Settings, clock: HandClock
) -> None:
    found, customers = await resumed(wecom, settings, clock)
    asked = [(*one["body"]["userid_list"], one["body"]["cursor"]) for one in (await wecom.calls(PAGES))[MEMBERS:]]

    assert (found, customers) == ("6600 ties of 6 staff: 6000 customers new, 6600 ties new", 6000)
    assert 30 <= killed < 60
    assert len(asked) - len(set(asked)) <= AT_ONCE  # what was under way is asked for again, and nothing else


async def test_a_cursor_the_platform_has_forgotten_begins_its_part_again(
    killed: int, wecom: WeCom, settings: Settings, clock: HandClock
) -> None:
    database = Database(settings.database)
    stale = update(SyncCursor).where(col(SyncCursor.cursor) != "").values(cursor="forgotten")
    await database.write(lambda session: session.exec(stale))
    await database.close()
    found, customers = await resumed(wecom, settings, clock)

    assert (found, customers) == ("6600 ties of 6 staff: 6000 customers new, 6600 ties new", 6000)
    assert len(await wecom.calls(PAGES)) > killed + 60 - AT_ONCE


async def test_a_welcome_overtakes_a_sync(bot: RunningBot, wecom: WeCom) -> None:
    await wecom.sim("POST", "customers", {"count": 3000})
    await wecom.fault(PAGES, latency_ms=100)
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: only_customers(session, "long", now))
    added = await wecom.adds_friend("lin", name="陈女士")
    sent = await wecom.sim("GET", "calls?path=externalcontact/send_welcome_msg&wait=5")
    running = await bot.database.read(lambda session: session.exec(select(Job).where(Job.kind == SYNC_CUSTOMERS)).all())
    await wecom.sim("DELETE", "faults")
    await all_done(bot)

    assert [one["body"]["welcome_code"] for one in sent["calls"]] == [added["welcome_code"]]
    assert "running" in {one.state for one in running}


async def test_a_list_too_short_to_believe_ends_nothing_until_a_second_sync_or_a_person_says_so(
    bot: RunningBot, silent: WeCom, clock: HandClock
) -> None:
    await silent.sim("POST", "customers", {"count": 120})
    await synced(bot, "whole")
    clock.forward(120)
    follows = {pair: tie for pair, tie in silent.corp.follows.items() if pair[0] == "lin"}
    for pair in follows:
        silent.corp.follows.pop(pair)
    doubted = await synced(bot, "doubted")
    standing = await living(bot, "lin")
    silent.corp.follows.update(follows)
    await synced(bot, "right again")
    for pair in follows:
        silent.corp.follows.pop(pair)
    clock.forward(120)
    again = await synced(bot, "doubted again")
    clock.forward(120)
    confirmed = await synced(bot, "confirmed")

    many = len(follows)
    assert many > 10
    assert f"{many} ties held back; too many customers are missing" in doubted
    assert f"(lin {many})" in doubted
    assert standing == many
    assert f"{many} ties held back" in again
    assert f"{many} ties ended" in confirmed
    assert await living(bot, "lin") == 0


async def test_losses_too_many_to_believe_are_accepted_on_demand(
    bot: RunningBot, silent: WeCom, clock: HandClock
) -> None:
    await silent.sim("POST", "customers", {"count": 120})
    await synced(bot, "whole")
    clock.forward(120)
    for pair in [pair for pair in silent.corp.follows if pair[0] == "lin"]:
        silent.corp.follows.pop(pair)
    now = bot.parts.clock.now()
    await bot.database.write(lambda session: ask_to_sync(session, "accepted", now, accept_losses=True))
    await all_done(bot)
    said = await bot.database.read(lambda session: outcome(session, f"{SYNC_CUSTOMERS}:accepted"))

    assert "ties ended" in said
    assert "held back" not in said
    assert await living(bot, "lin") == 0


async def living(bot: RunningBot, userid: str) -> int:
    """How many ties of a member stand."""
    mine = select(func.count(col(FollowUser.id))).where(FollowUser.userid == userid, col(FollowUser.lost_at).is_(None))
    return await bot.database.read(lambda session: session.exec(mine).one())


async def test_an_erased_customer_comes_back_only_by_adding_again(
    bot: RunningBot, wecom: WeCom, clock: HandClock
) -> None:
    chen = (await wecom.adds_friend("lin", name="陈女士"))["external_userid"]
    await all_done(bot)
    before = await tie(bot, "lin", chen)
    clock.forward(120)
    now = clock.now()
    await bot.database.write(lambda session: erase(session, before.customer_id, by="su", reason="she asked", now=now))
    found = await synced(bot, "erased")
    gone = await bot.database.read(lambda session: customer_of(session, chen))
    clock.forward(120)
    await wecom.sim("POST", "deletions", {"userid": "lin", "external_userid": chen, "by": "customer"})
    await all_done(bot)
    unknown = await bot.database.read(lambda session: customer_of(session, chen))
    clock.forward(120)
    await wecom.adds_friend("lin", external_userid=chen)
    await all_done(bot)
    await synced(bot, "back")
    after = await tie(bot, "lin", chen)

    assert found == "1 ties of 6 staff: no change"
    assert (gone, unknown) == (None, None)
    assert after.customer_id != before.customer_id
    assert after.lost_at is None


async def test_a_phone_of_a_remark_that_another_customer_has_is_left_to_a_person(
    bot: RunningBot, silent: WeCom
) -> None:
    def by_phone(session: Session) -> None:
        session.add(Customer(id=900, name="电话预约"))
        session.flush()
        session.add(Identity(customer_id=900, kind="phone", value="13800000001"))

    await bot.database.write(by_phone)
    chen = (await silent.adds_friend("lin", name="陈女士"))["external_userid"]
    phones = ["13800000001", "13800000002"]
    await silent.sim("POST", "remarks", {"userid": "lin", "external_userid": chen, "remark": "陈", "phones": phones})
    await synced(bot, "phones")
    await synced(bot, "once more")
    mine = await tie(bot, "lin", chen)
    owner = {one["value"]: one["customer_id"] for one in await rows(bot, Identity) if one["kind"] == "phone"}
    [held] = await rows(bot, HeldMerge)

    assert owner == {"13800000001": 900, "13800000002": mine.customer_id}
    assert {held["first_id"], held["second_id"]} == {900, mine.customer_id}
    assert held["reason"] == "phone in a remark"


async def test_tags_found_late_are_news_for_rules_and_those_of_old_ties_are_not(
    bot: RunningBot, silent: WeCom, clock: HandClock
) -> None:
    await silent.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高", "低"]})
    chen = (await silent.adds_friend("lin", name="陈女士"))["external_userid"]
    silent.corp.follows["lin", chen].createtime -= 10 * 86400
    await silent.sim("POST", "tag-edits", {"userid": "lin", "external_userid": chen, "add": ["低"]})
    await synced(bot, "old")
    await silent.sim("POST", "tag-edits", {"userid": "lin", "external_userid": chen, "add": ["高"]})
    await synced(bot, "new")
    news = [one["key"] for one in await rows(bot, Job) if one["key"].startswith("domain:tag_added")]
    changes = await rows(bot, TagChange)

    assert len(changes) == 2
    assert news == [f"domain:tag_added:tag-change:{changes[1]['id']}:{changes[1]['customer_id']}"]


async def test_the_platforms_twin_takes_the_place_of_a_packs_tag(bot: RunningBot, silent: WeCom) -> None:
    chen = (await silent.adds_friend("lin", name="陈女士"))["external_userid"]
    await synced(bot, "before")
    mine = await tie(bot, "lin", chen)
    now = bot.parts.clock.now()

    def packed(session: Session) -> None:
        session.add(TagGroup(id="local:意向", name="意向", expires_days=30))
        session.flush()
        session.add(Tag(id="local:意向/高", group_id="local:意向", name="高", ours=True))
        session.flush()
        pair: dict[str, Any] = {"customer_id": mine.customer_id, "userid": "lin", "tag_id": "local:意向/高"}
        session.add(PairTag(**pair, since=now))
        session.add(TagChange(**pair, at=now, tag_name="高", added=True, source="chat"))

    await bot.database.write(packed)
    made = await silent.sim("POST", "corp-tags", {"action": "create", "group": "意向", "tags": ["高"]})
    high = made["tag_ids"]["高"]
    await synced(bot, "twins")
    [group] = await rows(bot, TagGroup)

    assert [one["id"] for one in await rows(bot, Tag)] == [high]
    assert [one["tag_id"] for one in await rows(bot, PairTag)] == [high]
    assert {one["tag_id"] for one in await rows(bot, TagChange)} == {high}
    assert group["expires_days"] == 30
    assert silent.corp.follows["lin", chen].tag_ids == [high]
