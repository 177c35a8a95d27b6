"""The morning card: each member's numbered list in the platform's shape, and its states while she works through it.

A card holds at most six lines, one selection of ten and six buttons (wecom-api §7.2); its task id is given when it is
sent, so the buttons' keys say all that a press needs.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.jobs import DEAD, DONE, Done, Job, Priority
from bot.language import CURRENT, speaking
from bot.language import gettext as _
from bot.links import Links
from bot.outbox import say, send_card
from contacts.models import Customer, FollowUser
from sop import silence
from sop.calendar import evening
from sop.sops import OPEN, Todo
from sop.todos import RESULTS, Item

DIGEST = "digest"
LINES, OPTIONS, NAME, TEXT, OPTION = 6, 10, 5, 30, 16
"""The platform's limits: lines and options of a card, characters of a line's name and text, and of an option."""
PREFIX = "todo"
CHOICE = "todo"
"""The selection's question key."""
FIRST_HOUR = time(9, 3)
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


def digest(zone: ZoneInfo, clock: Clock, language: str, links: Links) -> Callable[[Job], Awaitable[Done]]:
    """The runner of the morning's cards: one per member who has something to do today."""

    async def run(_job: Job) -> Done:
        if clock.now().astimezone(zone).time() < FIRST_HOUR:
            return Done("yesterday's, made up for too late")

        def then(session: Session) -> None:
            now = clock.now()
            with speaking(language):
                send_cards(session, now.astimezone(zone).date(), now, links)

        return Done("asked for", then=then)

    return run


def send_cards(session: Session, today: date, now: datetime, links: Links) -> int:
    """Ask for every member's card of today; answers how many. Lists that went out already do not go out again."""
    lists = lists_of(session, today)
    ignored = silence.silent(session, today)
    for userid, items in lists.items():
        few = ignored.get(userid, 0) >= silence.SHRINK_AFTER
        shown = (shrunk if few else card)(items, today, links.address(userid, now))
        cause = card_cause(today, userid)
        send_card(session, userid, shown, cause=cause, now=now, priority=Priority.PUSH, lane=f"push:{userid}")
    pushed = update(Todo).where(col(Todo.shown_on) == today, col(Todo.state) == OPEN, col(Todo.pushed_at).is_(None))
    session.execute(pushed.values(pushed_at=now))
    silence.sent(session, lists, today)
    return len(lists)


def lists_of(session: Session, today: date, userid: str | None = None, *, new: bool = False) -> dict[str, list[Item]]:
    """Open to-dos of today by member, in the order of their numbers; `new`: those not told yet."""
    shown = [col(Todo.shown_on) == today, col(Todo.state) == OPEN]
    if userid is not None:
        shown.append(col(Todo.userid) == userid)
    if new:
        shown.append(col(Todo.pushed_at).is_(None))
    lists: dict[str, list[Item]] = defaultdict(list)
    for item in items_where(session, *shown):
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


def announcer(zone: ZoneInfo, language: str) -> Callable[[Session, date, datetime], None]:
    """What is done after rules made to-dos during the day."""

    def tell(session: Session, today: date, now: datetime) -> None:
        with speaking(language):
            announce(session, today, now, zone)

    return tell


def cards_are_out(session: Session, today: date) -> bool:
    """Whether the morning's cards were written: until then what is new goes onto them."""
    state = session.scalar(select(col(Job.state)).where(col(Job.key) == f"cron:{DIGEST}:{today:%Y-%m-%d}"))
    return state in {DONE, DEAD}


def announce(session: Session, today: date, now: datetime, zone: ZoneInfo) -> None:
    """After the morning's cards: one line to each member whose list grew during the day."""
    if not cards_are_out(session, today):
        return
    for userid, new in lists_of(session, today, new=True).items():
        lines = [f"{item.todo.number} {item.customer} · {item.todo.title}" for item in new]
        text = "\n".join(
            (_("New for today:"), *lines, _("“{number}” shows reason and words.").format(number=new[0].todo.number))
        )
        # The to-do's next owner is told too.
        cause = f"todo:{new[0].todo.id}:{userid}"
        # Too late or beyond her share it is dropped: it stands on the list whenever she asks.
        given = {"priority": Priority.PUSH, "lane": f"push:{userid}", "deadline": evening(today, zone)}
        say(session, userid, text, cause=cause, now=now, **given)
        for item in new:
            item.todo.pushed_at = now
            session.add(item.todo)
