"""The page of to-dos: what the morning card has no room for, and the same three buttons."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlmodel import Session, col

from admin.light import Visit
from assistant.worth import worth_lines
from bot.language import gettext as _
from bot.language import speaking
from contacts.calendar import next_workday
from sop import todos
from sop.card_refresh import list_changed
from sop.digest import items_where, reason_names, result_names, spoken
from sop.sops import DONE, IS_OPEN, NOT_APPLICABLE, OPEN, Todo
from sop.todos import Item
from sop.why import told

MOST_CARRIED = 50
"""To-dos shown of those that wait for another day."""


@dataclass
class Board:
    """A member's to-dos, parted as she works through them."""

    overdue: list[Item] = field(default_factory=list)
    today: list[Item] = field(default_factory=list)
    carried: list[Item] = field(default_factory=list)
    closed: list[Item] = field(default_factory=list)


def day_of(visit: Visit) -> date:
    """The company's day."""
    return visit.now.astimezone(visit.light.zone).date()


def board(session: Session, userid: str, today: date, midnight: datetime) -> Board:
    """What is open by today, late first, and what she closed since midnight."""
    found = Board()
    open_ = (col(Todo.userid) == userid, IS_OPEN, col(Todo.day) <= today)
    for item in items_where(session, *open_):
        if item.todo.shown_on != today:
            found.carried.append(item)
        elif item.todo.due_on < today:
            found.overdue.append(item)
        else:
            found.today.append(item)
    closed = (
        col(Todo.closed_at) >= midnight,
        col(Todo.closed_by) == userid,
        col(Todo.state).in_((DONE, NOT_APPLICABLE)),
    )
    found.closed = sorted(items_where(session, *closed), key=lambda item: item.todo.closed_at or midnight, reverse=True)
    found.carried.sort(key=lambda item: (item.todo.due_on, item.todo.id))
    return found


def look(session: Session, visit: Visit) -> dict[str, Any]:
    """What the page shows."""
    today = day_of(visit)
    midnight = datetime.combine(today, time(), visit.light.zone)
    found = board(session, visit.userid, today, midnight)
    parts = [
        {"title": _("Overdue"), "items": found.overdue},
        {"title": _("Today"), "items": found.today},
    ]
    which = number(visit.query.get("which", "")) or 0
    carried = found.carried[:MOST_CARRIED]
    open_ = [item.todo for item in (*found.overdue, *found.today, *carried)]
    about = items_where(session, col(Todo.id) == which, col(Todo.userid) == visit.userid)
    return {
        "day": spoken(today),
        "moved_to": spoken(about[0].todo.day) if about else "",
        "today": today,
        "left": len(found.overdue) + len(found.today),
        "parts": [part for part in parts if part["items"]],
        "carried": carried,
        "worth": worth_lines(session, open_, visit.userid, visit.now),
        "closed": found.closed,
        "told": told,
        "result_names": result_names(),
        "reason_names": reason_names(),
        "asked": which if visit.query.get("ask") == "reason" else None,
        "said": visit.query.get("said", ""),
        "about": about[0] if about else None,
    }


def number(text: str) -> int | None:
    """A to-do's id as a form or an address gives it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def act(session: Session, visit: Visit, form: dict[str, str]) -> str:
    """Do what a button says; answers the page to show next. A second press finds it closed and changes nothing."""
    todo = session.get(Todo, number(form.get("todo", "")) or 0, with_for_update=True)
    if todo is None or todo.userid != visit.userid:
        return visit.here(said="gone")
    said = press(session, visit, todo, form)
    list_changed(session, visit.userid, day_of(visit), visit.now)
    return visit.here(said=said, which=todo.id)


def press(session: Session, visit: Visit, todo: Todo, form: dict[str, str]) -> str:
    """The same acts as the card's buttons; answers what is said of it."""
    name, chosen, by = form.get("act", ""), form.get("chosen", ""), visit.userid
    if name == "result" and chosen in todos.RESULTS:
        todos.say_result(session, todo, by, chosen, visit.now)
        return "result"
    if todo.state != OPEN:
        return "closed"
    if name == "done":
        todos.finish(session, todo, by, "", visit.now)
        return "done"
    if name == "later":
        today = day_of(visit)
        tomorrow = today + timedelta(days=1)
        day = next_workday(session, by, tomorrow) or tomorrow
        todos.put_off(session, todo, by, day, today=today, now=visit.now)
        return "later"
    with speaking(visit.light.settings.language):  # the reason is kept in the company's language, as the card keeps it
        reason = reason_names().get(chosen)
    if name == "na" and reason:
        todos.dismiss(session, todo, by, reason, visit.now)
        return "na"
    return ""
