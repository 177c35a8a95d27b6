"""Why a to-do is there, and why there is none: the rule in words, the facts that matched, what held it back."""

from datetime import date
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlmodel import Session, col

from bot.language import gettext as _
from contacts.care import may_be_contacted
from contacts.models import Customer
from sop import rules
from sop.conditions import C, Day, day_of, holds, parts
from sop.digest import result_names
from sop.fire import BY_THE_CLOCK
from sop.outcomes import outcome_names
from sop.plan import LOOK_BACK_DAYS, in_force
from sop.sops import DONE, OPEN, Run, Sop, SopVersion, StepOutcome, Todo
from sop.triggers import find, window_of

MOST = 6


def why(session: Session, todo: Todo, zone: ZoneInfo) -> str:
    """The reason of a to-do: SOP and version, its occurrence and day, its own words."""
    sop = session.get(Sop, todo.sop_id) if todo.sop_id else None
    lines = [_("Why: {reason}").format(reason=todo.reason or todo.title)]
    if sop:
        rule = _("Rule: {name}, version {number}").format(name=sop.name, number=todo.facts.get("version", "?"))
        lines.append(rule)
    if todo.facts.get("day"):
        lines.append(
            _("It counts from {day} ({occurrence}).").format(day=todo.facts["day"], occurrence=todo.facts["occurrence"])
        )
    if todo.run_id:
        steps = select(StepOutcome).where(col(StepOutcome.run_id) == todo.run_id).order_by(col(StepOutcome.id))
        held = [one for one in session.scalars(steps) if one.outcome in {"held", "skipped"}]
        lines += [_("Held back before: {reason}").format(reason=told(one.reason)) for one in held[-2:]]
    lines.append(_("Last day: {day}").format(day=todo.due_on))
    return "\n".join([*lines, *last_time(session, todo.customer_id, zone)])


def last_time(session: Session, customer_id: int, zone: ZoneInfo) -> list[str]:
    """What was last done for a customer, and what followed it."""
    finished = (col(Todo.customer_id) == customer_id, col(Todo.state) == DONE)
    last = session.scalars(select(Todo).where(*finished).order_by(col(Todo.closed_at).desc()).limit(1)).first()
    if last is None or last.closed_at is None:
        return []
    result = result_names().get(last.result) or _("done")
    day = f"{last.closed_at.astimezone(zone):%m-%d}"
    lines = [_("Last time: {title}, {day}: {result}").format(title=last.title, day=day, result=result)]
    if last.outcome and last.outcome_at:
        outcome, on = outcome_names()[last.outcome], f"{last.outcome_at.astimezone(zone):%m-%d}"
        lines.append(_("Followed: {outcome} on {day}").format(outcome=outcome, day=on))
    return lines


def why_not(session: Session, customer_id: int, today: date, zone: ZoneInfo) -> str:
    """Why nobody is reminded of a customer today: per SOP the condition that failed or what held it back."""
    open_ = session.scalars(
        select(Todo).where(col(Todo.customer_id) == customer_id, col(Todo.state) == OPEN).order_by(col(Todo.day))
    ).first()
    if open_:
        reason = told(open_.carried) or _("it is on the list of {userid}").format(userid=open_.userid)
        return _("There is a to-do: {title} – {reason}").format(title=open_.title, reason=reason)
    day = day_of(session, today, zone)
    peace = select(col(Customer.id)).where(C.id == customer_id, ~may_be_contacted(C.id, today))
    if session.scalars(peace).first():
        return _("She does not want to be contacted, or a complaint is open.")
    lines = [
        f"· {sop.name}: {reason_of(session, sop, version, customer_id, day)}" for sop, version in in_force(session)
    ]
    more = len(lines) - MOST
    tail = [_("… and {number} more rules").format(number=more)] if more > 0 else []
    before = last_time(session, customer_id, zone)
    return "\n".join((_("No rule reached her today:"), *lines[:MOST], *tail, *before))


def reason_of(session: Session, sop: Sop, version: SopVersion, customer_id: int, day: Day) -> str:
    """Why one SOP makes nothing of a customer today."""
    run = session.scalars(
        select(Run).where(col(Run.sop_id) == sop.id, col(Run.customer_id) == customer_id).order_by(col(Run.id).desc())
    ).first()
    if run and run.state == "active":
        return _("under way, the next step is due on {day}").format(day=run.due_on)
    if run:
        return _("over: {reason}").format(reason=told(run.reason) or _("all steps done"))
    rule: rules.Rule = version.rule
    for part in parts(rule.who):
        fits = select(col(Customer.id)).where(C.id == customer_id, holds(part, day))
        if not session.scalars(fits).first():
            return _("the condition “{condition}” does not hold").format(condition=in_words(part))
    first = (
        day.today if rule.when.kind not in BY_THE_CLOCK else date.fromordinal(day.today.toordinal() - LOOK_BACK_DAYS)
    )
    bare = rule.model_copy(update={"who": None})
    if find(session, bare, window_of(session, day, first), [customer_id]):
        return _("it was found too late for today's plan; it follows tomorrow")
    return _("its occasion ({kind}) has not come").format(kind=kind_in_words(rule.when.kind))


def told(reason: str) -> str:
    """A stored reason in the reader's language; what has no translation is shown as it is."""
    head, colon, rest = reason.partition(": ")
    known = {
        "another to-do for this customer goes first": _("another to-do for this customer goes first"),
        "day off": _("her member of staff is off today"),
        "put off": _("it was put off"),
        "goal reached": _("goal reached"),
        "visited": _("visited"),
        "ordered": _("ordered"),
        "booked": _("booked"),
        "replied": _("replied"),
        "not applicable": _("marked as not applicable"),
        "visited after all": _("visited after all"),
        "the window is over": _("the window is over"),
        "the customer is lost": _("the customer is lost"),
        "do not contact, or a complaint is open": _("do not contact, or a complaint is open"),
        "nobody is in charge of her": _("nobody is in charge of her"),
        "overdue for too long": _("overdue for too long"),
    }
    if reason.startswith("15 a day"):
        return _("15 a day; what ends first and is worth most goes first")
    return f"{known.get(head, head)}{colon}{known.get(rest, rest)}"


def kind_in_words(kind: str) -> str:
    """A trigger's kind in the reader's language."""
    known = {
        "friend_added": _("added as a friend"),
        "tag_added": _("tag added"),
        "tag_removed": _("tag removed"),
        "stage_moved": _("stage moved"),
        "order_paid": _("order paid"),
        "booking_made": _("booking made"),
        "booking_missed": _("booking missed"),
        "visit_made": _("visit made"),
        "campaign_joined": _("campaign joined"),
        "customer_lost": _("customer lost"),
        "silent": _("silent for days"),
        "date": _("a date comes near"),
    }
    return known.get(kind, kind)


def in_words(part: rules.Condition) -> str:
    """A condition as short words."""
    fields = part.model_dump(mode="json", exclude_none=True, by_alias=True)
    kind = fields.pop("kind")
    return f"{kind} {', '.join(f'{name}={value}' for name, value in fields.items())}"[:120]
