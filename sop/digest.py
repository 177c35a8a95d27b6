"""The morning card: each member's numbered list in the platform's shape, and its states while she works through it.

A card holds at most six lines, one selection of ten and six buttons (wecom-api §7.2); its task id is given when it is
sent, so the buttons' keys say all that a press needs.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.database import Database
from bot.jobs import Done, Job, Priority
from bot.language import CURRENT, speaking
from bot.language import gettext as _
from bot.links import Links
from bot.outbox import send_card
from contacts.models import Customer, FollowUser
from sop.silence import SHRINK_AFTER, sent, silent
from sop.sops import OPEN, Todo
from sop.todos import RESULTS, Item

DIGEST = "digest"
LINES, OPTIONS, NAME, TEXT, OPTION = 6, 10, 5, 30, 16
"""The platform's limits: lines and options of a card, characters of a line's name and text, and of an option."""
PREFIX = "todo"
CHOICE = "todo"
"""The selection's question key."""
FIRST_HOUR = time(9, 3)
AT_ONCE = 200
"""Members whose cards one transaction asks for."""
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


def digest(
    database: Database, zone: ZoneInfo, clock: Clock, language: str, links: Links
) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the morning's cards: one per member who has something to do today.

    Some members at a time, so that a welcome need not wait for all: done again after a kill, each has one card.
    """

    async def run(_job: Job) -> Done:
        today = clock.now().astimezone(zone).date()
        if clock.now().astimezone(zone).time() < FIRST_HOUR:
            return Done("yesterday's, made up for too late")
        members, ignored = await database.read(lambda session: (on_the_list(session, today), silent(session, today)))
        morning = Morning(today, links, ignored)

        def some(session: Session, userids: list[str]) -> None:
            with speaking(language):
                send_cards(session, userids, morning, clock.now())

        for start in range(0, len(members), AT_ONCE):
            await database.write(partial(some, userids=members[start : start + AT_ONCE]))
        return Done("asked for")

    return run


def on_the_list(session: Session, today: date) -> list[str]:
    """Members with something to do today."""
    return sorted(session.scalars(select(col(Todo.userid)).where(*shown(today)).distinct()))


def shown(today: date) -> tuple[ColumnElement[bool], ...]:
    """To-dos on today's lists."""
    return (col(Todo.shown_on) == today, col(Todo.state) == OPEN)


@dataclass(frozen=True)
class Morning:
    """What all cards of a morning share."""

    today: date
    links: Links
    ignored: Mapping[str, int]
    """Cards in a row that a member left unanswered."""


def send_cards(session: Session, userids: list[str], morning: Morning, now: datetime) -> None:
    """Ask for these members' cards of today. Lists that went out already do not go out again."""
    today = morning.today
    theirs = col(Todo.userid).in_(userids)
    lists = by_member(items_where(session, *shown(today), theirs))
    for userid, items in lists.items():
        few = morning.ignored.get(userid, 0) >= SHRINK_AFTER
        made = (shrunk if few else card)(items, today, morning.links.address(userid, now))
        cause = card_cause(today, userid)
        send_card(session, userid, made, cause=cause, now=now, priority=Priority.PUSH, lane=f"push:{userid}")
    pushed = update(Todo).where(*shown(today), theirs, col(Todo.pushed_at).is_(None))
    session.execute(pushed.values(pushed_at=now))
    sent(session, lists, today)


def lists_of(session: Session, today: date, userid: str | None = None, *, new: bool = False) -> dict[str, list[Item]]:
    """Open to-dos of today by member, in the order of their numbers; `new`: those not told yet."""
    which = [*shown(today)]
    if userid is not None:
        which.append(col(Todo.userid) == userid)
    if new:
        which.append(col(Todo.pushed_at).is_(None))
    return by_member(items_where(session, *which))


def by_member(items: Iterable[Item]) -> dict[str, list[Item]]:
    """Each member's own, in their order."""
    lists: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        lists[item.todo.userid].append(item)
    return dict(lists)


def items_where(session: Session, *where: ColumnElement[bool]) -> list[Item]:
    """To-dos with the names of their customers, by member and number."""
    tie = (col(FollowUser.customer_id) == col(Todo.customer_id)) & (col(FollowUser.userid) == col(Todo.userid))
    query = (
        select(Todo, col(Customer.name), col(FollowUser.remark))
        .join(Customer, col(Customer.id) == col(Todo.customer_id))
        .join(FollowUser, tie, isouter=True)
        .where(*where)
        .order_by(col(Todo.userid), col(Todo.number))
    )
    return [Item(todo, remark or name or _("customer")) for todo, name, remark in session.execute(query)]


def card_cause(today: date, userid: str) -> str:
    """What the morning's card of a member is known by."""
    return f"digest:{today}:{userid}"


def card(items: list[Item], today: date, page: str | None = None, *, as_of: datetime | None = None) -> dict[str, Any]:
    """The list as a card; empty it says so and has nothing to press.

    `page`: where the whole list can be read. `as_of`: the card was replaced unasked, so it tells when, and can be
    brought up to date.
    """
    if not items:
        return finished(today)
    return {
        "card_type": "button_interaction",
        "main_title": {
            "title": _("To do today: {count}").format(count=len(items)),
            "desc": spoken(today) + (f" {as_of:%H:%M}" if as_of else ""),
        },
        "sub_title_text": _("Pick one and press; “3” shows the reason and the words of number 3."),
        "horizontal_content_list": [line(item) for item in items[:LINES]],
        "button_selection": {
            "question_key": CHOICE,
            "title": _("Which one"),
            "option_list": [{"id": str(one.todo.id), "text": option(one)} for one in items[:OPTIONS]],
        },
        "button_list": [
            {"text": _("Complete"), "style": 1, "key": key("done", today)},
            {"text": _("Put off"), "style": 2, "key": key("later", today)},
            {"text": _("Not applicable"), "style": 2, "key": key("na", today)},
            {"text": _("Why"), "style": 2, "key": key("why", today)},
            *([{"type": 1, "text": _("All"), "style": 2, "url": page}] if page else []),
            *([{"text": _("Refresh"), "style": 2, "key": key("list", today)}] if as_of else []),
        ],
    }


def shrunk(items: list[Item], today: date, page: str | None = None) -> dict[str, Any]:
    """The card of who answered none lately: the one most valuable item."""
    best = max(items, key=lambda one: (one.todo.value_fen, one.todo.priority, -(one.todo.number or 0)))
    whole = card([best], today, page)
    title = {"title": _("If only one thing today"), "desc": spoken(today)}
    more = _("“my todos” shows all {count}.").format(count=len(items))
    return whole | {"main_title": title, "sub_title_text": more}


def line(item: Item) -> dict[str, Any]:
    """One line: whom, and what."""
    how = _("call: ") if item.todo.via == "call" else ""
    return {"keyname": cut(item.customer, NAME), "value": cut(f"{how}{item.todo.title}", TEXT)}


def option(item: Item) -> str:
    """One option: number and name."""
    return cut(f"{item.todo.number} {item.customer}", OPTION)


def cut(text: str, limit: int) -> str:
    """A text of at most so many characters, with a sign where it was longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def key(act: str, what: object) -> str:
    """A button's key."""
    return f"{PREFIX}:{act}:{what}"


def result_card(item: Item, today: date) -> dict[str, Any]:
    """After “done”: what came of it, one tap."""
    names = result_names()
    return {
        "card_type": "button_interaction",
        "main_title": {
            "title": _("Done: {name}").format(name=cut(item.customer, 20)),
            "desc": cut(item.todo.title, 40),
        },
        "button_selection": {
            "question_key": CHOICE,
            "title": _("Result"),
            "option_list": [{"id": one, "text": names[one]} for one in RESULTS],
        },
        "button_list": [
            {"text": _("Save"), "style": 1, "key": key("result", f"{item.todo.id}:{today}")},
            {"text": _("Skip"), "style": 2, "key": key("list", today)},
        ],
    }


def reason_card(item: Item, today: date) -> dict[str, Any]:
    """After “not applicable”: why not."""
    return {
        "card_type": "button_interaction",
        "main_title": {
            "title": _("Not applicable: {name}").format(name=cut(item.customer, 18)),
            "desc": item.todo.title,
        },
        "button_selection": {
            "question_key": CHOICE,
            "title": _("Because"),
            "option_list": [{"id": one, "text": text} for one, text in reason_names().items()],
        },
        "button_list": [
            {"text": _("Save"), "style": 1, "key": key("reason", f"{item.todo.id}:{today}")},
            {"text": _("Back"), "style": 2, "key": key("list", today)},
        ],
    }


def titled(title: str, item: Item) -> dict[str, str]:
    """A card's title about one to-do."""
    return {"title": title.format(name=cut(item.customer, 18)), "desc": cut(item.todo.title, 40)}


def finished(today: date) -> dict[str, Any]:
    """The card when nothing is left; what is taken back or comes up later is a press away."""
    return {
        "card_type": "button_interaction",
        "main_title": {"title": _("All done for today"), "desc": spoken(today)},
        "sub_title_text": _("Thank you. What comes up during the day is told here."),
        "button_list": [{"text": _("Refresh"), "style": 2, "key": key("list", today)}],
    }


def result_names() -> dict[str, str]:
    """Results as staff read them."""
    return {
        "replied": _("She replied"),
        "no_reply": _("No reply"),
        "booked": _("Booked"),
        "deal": _("Deal"),
        "refused": _("Refused"),
        "unreachable": _("Not reached"),
    }


def reason_names() -> dict[str, str]:
    """Why a to-do may not apply."""
    return {
        "done_already": _("Done already"),
        "wrong_person": _("Wrong customer"),
        "not_interested": _("No interest"),
        "wrong_data": _("Data is wrong"),
        "other": _("Other reason"),
    }


def spoken(day: date) -> str:
    """11月20日 周五; in English Fri 20 Nov."""
    if CURRENT.get() == "en":
        return f"{day:%a} {day.day} {day:%b}"
    return f"{day.month}月{day.day}日 {WEEKDAYS[day.weekday()]}"
