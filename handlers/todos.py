"""To-dos in chat (今天待办, 完成 3, 李女士推迟到明天, 为什么提醒我联系李女士) and the presses on the morning card."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from assistant.worth import worth_lines
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.links import Links, linked
from bot.outbox import say, update_card
from bot.router import Context, Router
from bot.wecom.events import CardClicked, TextMessage
from contacts.calendar import next_workday
from contacts.days import find_day
from contacts.search import Match, find_customers, meant_by
from sop import digest, todos
from sop.card_refresh import list_changed
from sop.sops import OPEN, Todo
from sop.todos import Item, NotYours
from sop.why import why, why_not

router = Router()
LIST = re.compile(
    r"(今天|今日|我的|今天的|我今天的)?(待办|任务|要做的|todo|to-?dos?|tasks)(列表|清单)?|今天(还有谁没跟进|先干哪个.*|干什么|做什么|联系谁)"
    r"|(my |today'?s )?(to-?dos?|todos?|tasks)( today)?|what( should| do) i do( today| first)?|更多待办|more to-?dos?",
    re.IGNORECASE,
)
NUMBERS = r"(?P<numbers>\d{1,2}(?:\s*[、,，和&\s]\s*\d{1,2})*)"
RESULT_WORDS = (
    ("no_reply", r"没回|没回复|未回|no reply|no answer"),
    ("unreachable", r"打不通|没人接|没接|无人接|关机|not reached|unreachable"),
    ("booked", r"约上了?|已约|约好了?|booked"),
    ("deal", r"成交|成单|下单了?|买了|已下单|deal|sold|bought"),
    ("refused", r"拒绝|拒了|不要了?|不需要|refused|declined"),
    ("replied", r"有回复|回复了|回了|已回|聊过了?|replied|answered"),
)
RESULT = "|".join(f"(?P<{name}>{words})" for name, words in RESULT_WORDS)
DONE = re.compile(
    rf"(?:完成|做完|搞定|打完|done|finished)\s*{NUMBERS}\s*[,，:：]?\s*(?:{RESULT})?"
    rf"|(?P<again>\d{{1,2}}(?:\s*[、,，和\s]\s*\d{{1,2}})*)\s*(?:都|号)?(?:打完电话了?|完成了?|做完了?|搞定了?|done)\s*[,，]?",
    re.IGNORECASE,
)
LATER = re.compile(
    rf"(?:推迟|延后|晚点|postpone|put off)\s*{NUMBERS}\s*(?:到|至|to|until|till)?\s*(?P<until>.*)", re.IGNORECASE
)
LATER_NAMED = re.compile(
    r"(?P<who>.{1,20}?)(?:推迟|延后)(?:到|至)?\s*(?P<until>.+)"
    r"|(?:postpone|put off)\s+(?P<english>.+?)\s+(?:to|until|till)\s+(?P<till>.+)",
    re.IGNORECASE,
)
NOT_APPLICABLE = re.compile(rf"(?:不适用|不用做|跳过|skip|not applicable)\s*{NUMBERS}\s*(?P<reason>.*)", re.IGNORECASE)
ONE = re.compile(r"(?:看|查看|show)?\s*(?P<number>\d{1,2})\s*(?:号|的话术|话术)?", re.IGNORECASE)
WHY_NUMBER = re.compile(r"(?:为什么|为啥|why)\s*(?P<number>\d{1,2})\s*(?:号)?", re.IGNORECASE)
WHY_NOT = re.compile(
    r"(?:为什么|为啥|怎么)(?:没有|没|不)提醒(?:我)?(?:联系)?(?P<who>.{1,20}?)"
    r"|why (?:not|no reminder for|wasn'?t i reminded of) (?P<english>.{1,30})",
    re.IGNORECASE,
)
WHY = re.compile(
    r"(?:为什么|为啥|怎么)提醒(?:我)?(?:联系)?(?P<who>.{1,20}?)"
    r"|why (?P<english>(?!(?:not|no|r|(?:is|are|was|were|did|do|does|has|have)(?:n['’]?t)?)\b).{1,30})",
    re.IGNORECASE,
)
ENDS = "。.!！?？~ "


def words(message: TextMessage) -> str:
    """What was typed, without the marks at its end."""
    return message.content.strip().strip(ENDS)


def matching(*patterns: re.Pattern[str]) -> Callable[[TextMessage], bool]:
    """Whether a message as a whole is one of these."""
    return lambda message: any(pattern.fullmatch(words(message)) for pattern in patterns)


@dataclass(frozen=True)
class Asker:
    """Who speaks, and the day it is for her."""

    ctx: Context
    userid: str

    @property
    def session(self) -> Session:
        """The handler's session."""
        return self.ctx.session

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.ctx.settings.timezone)

    @property
    def today(self) -> date:
        """The company's day."""
        return self.ctx.now.astimezone(self.zone).date()

    def list(self) -> list[Item]:
        """Her open list."""
        return digest.lists_of(self.session, self.today, self.userid).get(self.userid, [])

    def page(self) -> str | None:
        """Where she can read her whole list; None without PUBLIC_URL."""
        return Links(self.ctx.settings).address(self.userid, self.ctx.now)

    def changed(self) -> None:
        """Her list changed by words: let the morning's card follow."""
        list_changed(self.session, self.userid, self.today, self.ctx.now)

    def tell(self, text: str) -> None:
        """Answer her."""
        say(self.session, self.userid, text, cause=str(self.ctx.event_id), now=self.ctx.now)


def answering(handler: Callable[[Asker, str], str]) -> Callable[[TextMessage, Context], None]:
    """A handler that answers with a text, in the question's language."""

    def handle(message: TextMessage, ctx: Context) -> None:
        with speaking(language_of(message.content, ctx.settings.language)):
            asker = Asker(ctx, message.userid)
            asker.tell(handler(asker, words(message)))

    return handle


def listed(asker: Asker, _text: str) -> str:
    """The whole list, with how to go on."""
    items = asker.list()
    if not items:
        return _("Nothing to do for today. Well done!")
    lines = [f"{item.line}{due(item.todo, asker.today)}" for item in items]
    head = _("To do today: {count}").format(count=len(items))
    tail = _("“3” shows reason and words; “done 3 booked”, “postpone 3 to tomorrow”, “not applicable 3 because …”.")
    page = asker.page()
    link = [linked(page, _("See all of it"))] if page else []
    return "\n".join((head, *lines, tail, *link))


def due(todo: Todo, today: date) -> str:
    """When it is late or ends today."""
    if todo.due_on < today:
        return _(" (overdue since {day})").format(day=f"{todo.due_on:%m-%d}")
    return _(" (today only)") if todo.due_on == today else ""


def shown(asker: Asker, text: str) -> str:
    """One to-do with its reason and its words, ready to copy."""
    found = ONE.fullmatch(text)
    items = {item.todo.number: item for item in asker.list()}
    item = items.get(int(found["number"])) if found else None
    if item is None:
        return no_number(found["number"] if found else text, items)
    reason = _("Why: {reason}").format(reason=item.todo.reason or item.todo.title)
    parts = [item.line, reason, *worth(asker, item.todo)]
    if item.todo.words:
        parts += [_("Words to send:"), item.todo.words]
    return "\n".join(parts)


def no_number(number: str, items: dict[int | None, Item]) -> str:
    """There is no such number on the list."""
    if not items:
        return _("Nothing to do for today. Well done!")
    have = "、".join(str(one) for one in items)
    return _("There is no number {number} on today's list; there are {have}.").format(number=number, have=have)


def numbers_in(text: str) -> list[int]:
    """Every number in a text."""
    return [int(one) for one in re.findall(r"\d{1,2}", text)]


def done(asker: Asker, text: str) -> str:
    """Close by number, with the result where it was said."""
    found = DONE.fullmatch(text)
    if found is None:
        return listed(asker, text)
    result = next((name for name, _w in RESULT_WORDS if found.groupdict().get(name)), "")
    wanted = numbers_in(found["numbers"] or found["again"] or "")
    items = {item.todo.number: item for item in asker.list()}
    missing = [one for one in wanted if one not in items]
    for number in wanted:
        if number in items:
            todos.finish(asker.session, items[number].todo, asker.userid, result, asker.ctx.now)
    closed = [items[one].customer for one in wanted if one in items]
    asker.changed()
    lines = []
    if closed:
        lines.append(
            _("Done: {names}. {left} left today.").format(names="、".join(closed), left=len(items) - len(closed))
        )
        if not result:
            lines.append(
                _("What came of it? Say “done {number} booked / no reply / deal …” next time.").format(number=wanted[0])
            )
    if missing:
        lines.append(no_number("、".join(map(str, missing)), items))
    return "\n".join(lines)


def later(asker: Asker, text: str) -> str:
    """Put off by number."""
    found = LATER.fullmatch(text)
    items = {item.todo.number: item for item in asker.list()}
    wanted = [items[one] for one in numbers_in(found["numbers"]) if one in items] if found else []
    if not wanted:
        return no_number(found["numbers"] if found else text, items)
    return put_off(asker, wanted, found["until"] if found else "")


def later_named(asker: Asker, text: str) -> str:
    """Put off by the customer's name."""
    found = LATER_NAMED.fullmatch(text)
    who, until = (found["who"] or found["english"], found["until"] or found["till"]) if found else (text, "")
    meant = customer(asker, who.strip())
    if isinstance(meant, str):
        return meant
    wanted = [item for item in asker.list() if item.todo.customer_id == meant.customer_id]
    if not wanted:
        return _("There is nothing to do for {name} today.").format(name=meant.shown)
    return put_off(asker, wanted, until or "")


def put_off(asker: Asker, wanted: list[Item], until: str) -> str:
    """Put to-dos off to the day that was said, else to her next workday."""
    said = find_day(until, asker.today) if until.strip() else None
    if until.strip() and said is None:
        return _("Which day is “{words}”? Say for example: tomorrow, Friday, December 1.").format(
            words=until.strip()[:20]
        )
    tomorrow = asker.today + timedelta(days=1)
    day = said.day if said else next_workday(asker.session, asker.userid, tomorrow) or tomorrow
    try:
        for item in wanted:
            todos.put_off(asker.session, item.todo, asker.userid, day, today=asker.today, now=asker.ctx.now)
    except ValueError:
        return _("{day} does not work: choose a day after today and within {days} days.").format(
            day=day, days=todos.PUT_OFF_DAYS
        )
    asker.changed()
    names = "、".join(item.customer for item in wanted)
    return _("Put off to {day}: {names}.").format(day=digest.spoken(day), names=names)


def not_applicable(asker: Asker, text: str) -> str:
    """Dismiss by number."""
    found = NOT_APPLICABLE.fullmatch(text)
    items = {item.todo.number: item for item in asker.list()}
    wanted = [items[one] for one in numbers_in(found["numbers"]) if one in items] if found else []
    if not wanted or found is None:
        return no_number(found["numbers"] if found else text, items)
    for item in wanted:
        todos.dismiss(asker.session, item.todo, asker.userid, found["reason"].strip(" ，,") or "other", asker.ctx.now)
    asker.changed()
    return _("Noted as not applicable: {names}.").format(names="、".join(item.customer for item in wanted))


def customer(asker: Asker, who: str) -> Match | str:
    """The customer meant by words, or what to say when nobody is. Raises `WhichOne` for several."""
    matches = find_customers(asker.session, who, asker.userid)
    if not matches:
        return _("I find no customer called “{name}” among yours.").format(name=who)
    return meant_by(who, matches)


def why_number(asker: Asker, text: str) -> str:
    """The reason of a to-do by its number."""
    found = WHY_NUMBER.fullmatch(text)
    items = {item.todo.number: item for item in asker.list()}
    item = items.get(int(found["number"])) if found else None
    return reasons(asker, item.todo) if item else no_number(found["number"] if found else text, items)


def worth(asker: Asker, todo: Todo) -> Iterable[str]:
    """Her expected commission from a to-do as a line; none where there is none, or it is another's."""
    return worth_lines(asker.session, [todo], asker.userid, asker.ctx.now).values()


def reasons(asker: Asker, todo: Todo) -> str:
    """Why a to-do is there, and what it is worth to who asks."""
    return "\n".join((why(asker.session, todo, asker.zone), *worth(asker, todo)))


def why_customer(asker: Asker, text: str) -> str:
    """The reason of a customer's to-do."""
    found = WHY.fullmatch(text)
    meant = customer(asker, (found["who"] or found["english"] or "").strip() if found else text)
    if isinstance(meant, str):
        return meant
    open_ = select(Todo).where(Todo.customer_id == meant.customer_id, Todo.state == OPEN).order_by(col(Todo.day))
    todo = asker.session.exec(open_).first()
    return reasons(asker, todo) if todo else why_not(asker.session, meant.customer_id, asker.today, asker.zone)


def why_no_todo(asker: Asker, text: str) -> str:
    """Why a customer is on nobody's list."""
    found = WHY_NOT.fullmatch(text)
    meant = customer(asker, (found["who"] or found["english"] or "").strip() if found else text)
    return meant if isinstance(meant, str) else why_not(asker.session, meant.customer_id, asker.today, asker.zone)


for pattern, handler in (
    (LIST, listed),
    (DONE, done),
    (LATER, later),
    (NOT_APPLICABLE, not_applicable),
    (WHY_NUMBER, why_number),
    (WHY_NOT, why_no_todo),
    (WHY, why_customer),
    (LATER_NAMED, later_named),
    (ONE, shown),
):
    router.on(TextMessage, when=matching(pattern))(answering(handler))


@router.on(CardClicked, when=lambda event: event.key.startswith(f"{digest.PREFIX}:"))
def pressed(event: CardClicked, ctx: Context) -> None:
    """A press on the morning card, or on one of its later states."""
    with speaking(ctx.settings.language):
        asker = Asker(ctx, event.userid)
        _prefix, act, what = event.key.split(":", 2)
        chosen = next(iter(event.selected.get(digest.CHOICE, ())), "")
        try:
            card = PRESSES.get(act, unchanged)(asker, what, chosen)
        except NotYours:
            card = None
            asker.tell(_("This to-do is no longer yours."))
        card = card or digest.card(asker.list(), asker.today, asker.page())
        update = {"template_card": card}
        update_card(ctx.session, event.userid, event.response_code, update, cause=str(ctx.event_id), now=ctx.now)


Press = Callable[[Asker, str, str], dict[str, Any] | None]


def unchanged(_asker: Asker, _what: str, _chosen: str) -> None:
    """The list as it is now."""


def chosen_item(asker: Asker, chosen: str) -> Item | None:
    """The to-do chosen on her own card; None, with a word to her, when it is closed already or none was chosen."""
    item = next((one for one in asker.list() if str(one.todo.id) == chosen), None)
    if item is None:
        asker.tell(_("That one is closed already, or none was chosen; the card shows what is left."))
    return item


def press_done(asker: Asker, _what: str, chosen: str) -> dict[str, Any] | None:
    """Done: close it and ask for the result."""
    item = chosen_item(asker, chosen)
    if item is None:
        return None
    todos.finish(asker.session, item.todo, asker.userid, "", asker.ctx.now)
    return digest.result_card(item, asker.today)


def press_result(asker: Asker, what: str, chosen: str) -> None:
    """The result of the one just done."""
    todo = asker.session.get(Todo, int(what.split(":", maxsplit=1)[0]))
    if todo and chosen in todos.RESULTS:
        todos.say_result(asker.session, todo, asker.userid, chosen, asker.ctx.now)


def press_later(asker: Asker, _what: str, chosen: str) -> None:
    """Put off to her next workday."""
    item = chosen_item(asker, chosen)
    if item:
        tomorrow = asker.today + timedelta(days=1)
        day = next_workday(asker.session, asker.userid, tomorrow) or tomorrow
        todos.put_off(asker.session, item.todo, asker.userid, day, today=asker.today, now=asker.ctx.now)


def press_not_applicable(asker: Asker, _what: str, chosen: str) -> dict[str, Any] | None:
    """Ask for the reason first."""
    item = chosen_item(asker, chosen)
    return digest.reason_card(item, asker.today) if item else None


def press_reason(asker: Asker, what: str, chosen: str) -> None:
    """Not applicable, with its reason."""
    todo = asker.session.get(Todo, int(what.split(":", maxsplit=1)[0]))
    if todo:
        todos.dismiss(asker.session, todo, asker.userid, digest.reason_names().get(chosen, chosen), asker.ctx.now)


def press_why(asker: Asker, _what: str, chosen: str) -> None:
    """The reason and the words, as a message."""
    item = chosen_item(asker, chosen)
    if item:
        said = [reasons(asker, item.todo)]
        said += [_("Words to send:"), item.todo.words] if item.todo.words else []
        asker.tell("\n".join(said))


PRESSES: dict[str, Press] = {
    "done": press_done,
    "result": press_result,
    "later": press_later,
    "na": press_not_applicable,
    "reason": press_reason,
    "why": press_why,
}
