"""What leaders say about their team's to-dos.

逾期; 把小王逾期的给小陈; 把李女士的待办转给小王; 撤回李女士的待办; 催一下小王; 让小王明天联系李女士.
"""

import re

from sqlmodel import col, select

from bot.language import gettext as _
from bot.router import Router
from bot.wecom.events import TextMessage
from contacts.choices import STAFF, Choice, the_only
from contacts.days import find_day
from contacts.models import Customer, Staff, StaffDepartment
from contacts.staff import subtree
from handlers.todos import Asker, answering, customer, matching
from sop import digest, todos
from sop.announcing import announce
from sop.card_refresh import list_changed
from sop.conditions import day_of
from sop.overdue import nudge
from sop.plan import choose
from sop.reminders import assign
from sop.sops import OPEN, Todo

router = Router()
OVERDUE = re.compile(
    r"逾期(的|待办|任务)?|过期(的|待办)?|(有)?(哪些|谁)逾期了?|(what'?s |what is )?overdue( to-?dos?)?", re.IGNORECASE
)
HAND_ON = re.compile(
    r"把(?P<whose>.{1,10}?)逾期的(?:.{0,3}个?)?(?:转|交|都)?给(?P<to>.{1,10})"
    r"|give (?P<english>.{1,30}?)(?:['’]s)? overdue (?:ones|to-?dos?) to (?P<receiver>.{1,30})",
    re.IGNORECASE,
)
PASS_ON = re.compile(
    r"把(?P<whose>.{1,20}?)的?(?:待办|任务)(?:都|全)?(?:转|交|转交|派|分)?给(?P<to>.{1,10})"
    r"|give (?P<english>.{1,30}?)(?:['’]s)? to-?dos? to (?P<receiver>.{1,30})",
    re.IGNORECASE,
)
WITHDRAW = re.compile(
    r"(?:把)?(?:撤回|撤掉|撤销|取消|收回)(?P<whose>.{1,20}?)的?(?:待办|任务)"
    r"|把(?P<before>.{1,20}?)的?(?:待办|任务)(?:撤回|撤掉|撤了|撤销|取消|收回)(?:了|掉)?"
    r"|withdraw (?P<english>.{1,30}?)(?:['’]s)? to-?dos?",
    re.IGNORECASE,
)
NUDGE = re.compile(
    r"(?:催一?下|催催|催一催|催)(?P<whose>.{1,10}?)(?:一下|的?待办)?|nudge (?P<english>.{1,30})", re.IGNORECASE
)
ASSIGN = re.compile(
    r"(?:让|叫|请|安排)(?!我|别|不|勿)(?P<to>[^\s，,]{1,12}?)(?:去|来)?(?:联系|跟进|回访)(?:一下)?(?P<whose>[^\s，,]{1,12})"
    r"|(?:please |pls )?ask (?P<receiver>.{1,30}?) to (?:contact|call|follow up with) (?P<english>.{1,40})",
    re.IGNORECASE,
)
"""A day may follow the first name in Chinese (让小王明天联系李女士), the second in English."""
MOST = 15


def said(found: re.Match[str], *names: str) -> str:
    """The first of these parts that was said."""
    return next((part.strip() for name in names if (part := found.groupdict().get(name))), "")


def team_of(asker: Asker) -> dict[str, str]:
    """Names of everybody the asker leads, herself included, by userid; empty when she leads nobody."""
    led = select(StaffDepartment.department_id).where(
        StaffDepartment.userid == asker.userid, col(StaffDepartment.leads)
    )
    below = subtree(asker.session, asker.session.exec(led).all())
    works = select(StaffDepartment.userid).where(col(StaffDepartment.department_id).in_(below))
    team = select(Staff).where(Staff.active, col(Staff.userid).in_(works))
    return {one.userid: one.name for one in asker.session.exec(team)} if below else {}


def member(team: dict[str, str], words: str) -> str | None:
    """A member by name, or by 小 and her surname, or her given name; None for nobody. Raises `WhichOne` for several."""
    words = words.strip()
    rest = words.removeprefix("小").removeprefix("老")
    fits = (
        [userid for userid, name in team.items() if words.casefold() in (name.casefold(), userid.casefold())]
        or [userid for userid, name in team.items() if rest != words and name.startswith(rest)]
        or [userid for userid, name in team.items() if rest and name.endswith(rest) and name != rest]
    )
    meant = the_only(STAFF, words, [Choice(userid, team[userid], userid) for userid in fits])
    return meant.reference if meant else None


def overdue(asker: Asker, _text: str) -> str:
    """What is late: her own, for a leader everybody's she leads."""
    team = team_of(asker)
    late = todos.overdue(asker.session, [*team, asker.userid], asker.today)
    if not late:
        return _("Nothing is overdue.")
    ids = {one.customer_id for one in late[:MOST]}
    known = asker.session.exec(select(Customer).where(col(Customer.id).in_(ids)))
    names = {one.id: one.name for one in known}
    lines = []
    for one in late[:MOST]:
        whose = "" if one.userid == asker.userid else team.get(one.userid, "")
        parts = (whose, names.get(one.customer_id, ""), one.title, f"{one.due_on:%m-%d}")
        lines.append("· " + " ".join(part for part in parts if part))
    more = len(late) - len(lines)
    tail = [_("… and {number} more.").format(number=more)] if more else []
    return "\n".join((_("Overdue: {count}").format(count=len(late)), *lines, *tail))


def only_leaders() -> str:
    """The asker leads nobody."""
    return _("Only a leader can pass on other members' to-dos.")


def unknown(team: dict[str, str]) -> str:
    """No such member in the team."""
    return _("I do not know who is meant; your team: {names}.").format(names="、".join(team.values()))


def meant(asker: Asker, team: dict[str, str], whose: str) -> list[Todo] | str:
    """Open to-dos of a member, or of a customer with the asker's team; or what to say where there are none."""
    userid = member(team, whose)
    query = select(Todo).where(Todo.state == OPEN).order_by(col(Todo.due_on), col(Todo.id))
    if userid:
        query = query.where(Todo.userid == userid, col(Todo.day) <= asker.today)
        name = team[userid]
    else:
        found = customer(asker, whose)
        if isinstance(found, str):
            return found
        query = query.where(Todo.customer_id == found.customer_id, col(Todo.userid).in_(team))
        name = found.shown
    return list(asker.session.exec(query).all()) or _("{name} has no open to-do.").format(name=name)


def hand_on(asker: Asker, text: str) -> str:
    """A leader gives one member's overdue to-dos to another."""
    found, team = HAND_ON.fullmatch(text), team_of(asker)
    if not team or found is None:
        return only_leaders()
    whose, to = member(team, said(found, "whose", "english")), member(team, said(found, "to", "receiver"))
    if whose is None or to is None:
        return unknown(team)
    late = todos.overdue(asker.session, [whose], asker.today)
    return give(asker, late, to, team[to]) if late else _("{name} has nothing overdue.").format(name=team[whose])


def pass_on(asker: Asker, text: str) -> str:
    """A leader gives a customer's to-do, or all of a member's, to another member."""
    found, team = PASS_ON.fullmatch(text), team_of(asker)
    if not team or found is None:
        return only_leaders()
    to = member(team, said(found, "to", "receiver"))
    if to is None:
        return unknown(team)
    which = meant(asker, team, said(found, "whose", "english"))
    return which if isinstance(which, str) else give(asker, which, to, team[to])


def give(asker: Asker, which: list[Todo], to: str, name: str) -> str:
    """Pass to-dos on, put them on the receiver's list of today, tell her; the givers' cards follow."""
    givers = {one.userid for one in which}
    for one in which:
        todos.pass_on(asker.session, one, asker.userid, to, today=asker.today, now=asker.ctx.now)
    asker.session.flush()
    settle(asker, givers)
    return _("{count} passed on to {name}.").format(count=len(which), name=name)


def settle(asker: Asker, changed: set[str]) -> None:
    """Lists of today follow what a leader decided: numbers for new to-dos, word to who got one, cards as they are."""
    choose(asker.session, day_of(asker.session, asker.today, asker.zone), late=True)
    asker.session.expire_all()
    announce(asker.session, asker.today, asker.ctx.now, asker.zone)
    for userid in changed:
        list_changed(asker.session, userid, asker.today, asker.ctx.now)


def withdraw(asker: Asker, text: str) -> str:
    """A leader takes to-dos back."""
    found, team = WITHDRAW.fullmatch(text), team_of(asker)
    if not team or found is None:
        return only_leaders()
    which = meant(asker, team, said(found, "whose", "before", "english"))
    if isinstance(which, str):
        return which
    for one in which:
        todos.withdraw(asker.session, one, asker.userid, asker.ctx.now)
    asker.session.flush()
    for userid in {one.userid for one in which}:
        list_changed(asker.session, userid, asker.today, asker.ctx.now)
    return _("Withdrawn: {count}.").format(count=len(which))


def nudged(asker: Asker, text: str) -> str:
    """A leader reminds a member, once a day."""
    found, team = NUDGE.fullmatch(text), team_of(asker)
    if not team or found is None:
        return only_leaders()
    userid = member(team, said(found, "whose", "english"))
    if userid is None:
        return unknown(team)
    open_ = nudge(asker.session, asker.userid, userid, asker.today, asker.ctx.now)
    if open_ is None:
        return _("{name} was reminded today already; once a day is enough.").format(name=team[userid])
    if not open_:
        return _("{name} has no open to-do.").format(name=team[userid])
    return _("{name} is reminded of {count} to-dos.").format(name=team[userid], count=open_)


def assigned(asker: Asker, text: str) -> str:
    """A leader gives a member something to do: today, or on the day she names."""
    found, team = ASSIGN.fullmatch(text), team_of(asker)
    if not team or found is None:
        return only_leaders()
    whose, whom = said(found, "whose", "english"), said(found, "to", "receiver")
    spoken = find_day(whom if found["to"] else whose, asker.today)
    if spoken and found["to"]:
        whom = spoken.before
    elif spoken:
        whose = re.sub(r"\bon\s*$", "", spoken.before).strip()
    to = member(team, whom)
    if to is None:
        return unknown(team)
    who = customer(asker, whose)
    if isinstance(who, str):
        return who
    day = spoken.day if spoken else asker.today
    if day < asker.today:
        return _("“{words}” is past; say a day from today on.").format(words=spoken.day if spoken else "")
    assign(asker.session, who.customer_id, to, day, text, by=asker.userid, now=asker.ctx.now)
    settle(asker, set())
    return _("{name} has it on her list of {day}: {customer}.").format(
        name=team[to], day=digest.spoken(day), customer=who.shown
    )


for pattern, handler in (
    (OVERDUE, overdue),
    (HAND_ON, hand_on),
    (PASS_ON, pass_on),
    (WITHDRAW, withdraw),
    (NUDGE, nudged),
    (ASSIGN, assigned),
):
    router.on(TextMessage, when=matching(pattern))(answering(handler))
