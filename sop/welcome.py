"""The welcome (design §7): which flow an add takes, and the ledger row that says what became of it.

Choosing uses the event and our own record only: a code lives 20 seconds, and first comes the message.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Table, insert
from sqlmodel import Session, col, select

from bot.database import Remembered
from bot.jobs import NewJob, Priority
from bot.language import gettext as _
from bot.observability import WELCOMES
from bot.statements import Statement, columns_but_id
from contacts.calendar import is_workday
from contacts.changes import Followed
from contacts.channel_marks import pair_lane
from contacts.offers import RESERVED
from contacts.staff import Place, place_of
from scripts_library.context import VARIABLES as OFFER_VARIABLES
from scripts_library.rendering import Variable
from sop.conditions import day_of
from sop.models import NOT_SENT, PENDING, AddFacts, Welcome, WelcomeFlow
from sop.offers import Reason, Wish, give, offer_words

LEDGER: Table = Welcome.__table__  # type: ignore[attr-defined]
NEW_ROW = Statement(insert(LEDGER), *columns_but_id(LEDGER))
WELCOME = "welcome"
"""The kind of job that sends one."""
TEXT_BYTES = 4000
CUSTOMER_NAME = "customer.name"
VARIABLES = {
    "customer.name": Variable(
        "the customer's name; asked of WeCom before sending, within 2 seconds", "王" * 20, "您好"
    ),
    "staff.name": Variable("the member's name", "李" * 20, "专属顾问"),
    "company.name": Variable("the company's name: its root department's", "公司" * 15, "本店"),
    "greeting": Variable("上午好, 下午好 or 晚上好, by the hour", "上午好", "您好"),
    "channel.state": Variable("the channel's state", "x" * 30, ""),
    **{name: OFFER_VARIABLES[name] for name in ("offer.name", "offer.terms", "offer.ends_on")},
}
FALLBACKS = {name: one.fallback for name, one in VARIABLES.items()}
"""What is said where neither a value nor the flow's own fallback is there: never a blank."""


@dataclass(frozen=True)
class Add:
    """One add event, as far as its welcome is concerned."""

    event_id: int
    userid: str
    external_userid: str
    state: str
    half: bool
    code: str
    received_at: datetime


def welcome(session: Session, add: Add, followed: Followed, zone: ZoneInfo, seconds: float) -> list[NewJob]:
    """Choose the flow and write the ledger row. Answers the job that sends it when there is a code: for the caller to
    write, in one statement with whatever else the add causes."""
    place = place_of(session, add.userid)
    facts = facts_of(add, place, followed.kind, zone)
    flow, passed_over = choose(session, facts, lambda flow: hand_over(session, flow, add, followed, zone))
    reason = why_not(add, flow)
    row: dict[str, Any] = {
        "event_id": add.event_id,
        "userid": add.userid,
        "external_userid": add.external_userid,
        "state": add.state,
        "half": add.half,
        "kind": followed.kind,
        "code_present": bool(add.code),
        "received_at": add.received_at,
        "flow_name": flow.name if flow else None,
        "flow_version": flow.version if flow else None,
        "passed_over": passed_over,
        "outcome": NOT_SENT if reason else PENDING,
        "reason": reason,
        "sent_at": None,
        "latency_ms": None,
    }
    NEW_ROW.run(session.connection(), row)
    if reason:
        WELCOMES.labels(NOT_SENT).inc()
    elif flow:
        # What the channel marks her with must not overtake the message, so both stand in one lane.
        lane = pair_lane(add.userid, add.external_userid) if followed.source.marks else None
        values = values_of(add, place, facts)
        values |= offer_words(session, flow.offer, day_in(add, zone)) if flow.offer else {}
        return [job_for(add, flow, values, seconds, lane)]
    return []


def why_not(add: Add, flow: WelcomeFlow | None) -> str | None:
    """Why there is nothing to send; None when there is."""
    if not add.code:
        return "no code: the console greets for this member, the two have chatted, or the half add used it"
    return None if flow else "no flow: no welcome flow holds for this add"


def job_for(add: Add, flow: WelcomeFlow, values: dict[str, str], seconds: float, lane: str | None) -> NewJob:
    """The job that sends a flow to the customer: pinned to the flow as it is now, good for the code's life."""
    payload: dict[str, Any] = {
        "event_id": add.event_id,
        "code": add.code,
        "userid": add.userid,
        "external_userid": add.external_userid,
        "text": flow.text,
        "attachments": [one.model_dump(mode="json") for one in flow.attachments],
        "values": {**FALLBACKS, **flow.fallbacks, **values},
        "gift": gift_of(add) if flow.offer else "",
    }
    return NewJob(
        key=f"{WELCOME}:{add.event_id}",
        kind=WELCOME,
        lane=lane,
        payload=payload,
        priority=Priority.WELCOME,
        deadline=add.received_at + timedelta(seconds=seconds),
        created_at=add.received_at,
    )


def facts_of(add: Add, place: Place, kind: str, zone: ZoneInfo) -> AddFacts:
    """What the conditions look at."""
    local = add.received_at.astimezone(zone)
    return AddFacts(
        userid=add.userid,
        departments=place.departments,
        state=add.state,
        half=add.half,
        kind=kind,
        workday=is_workday(local.date()),
        local_time=local.time(),
    )


def choose(
    session: Session, facts: AddFacts, handed_over: Callable[[WelcomeFlow], str]
) -> tuple[WelcomeFlow | None, dict[str, str]]:
    """The first flow that holds and whose offer she may have, and the ones before it with what did not hold.

    `handed_over` sets a flow's offer aside for her; why it cannot, or nothing.
    """
    passed_over: dict[str, str] = {}
    for flow in FLOWS.get(session.connection()):
        unmet = flow.conditions.first_unmet(facts)
        if unmet is None and flow.offer:
            unmet = handed_over(flow) or None
        if unmet is None:
            return flow, passed_over
        passed_over[flow.name] = unmet
    return None, passed_over


def hand_over(session: Session, flow: WelcomeFlow, add: Add, followed: Followed, zone: ZoneInfo) -> str:
    """Set a flow's offer aside until its welcome is sent; why she does not get it, or nothing."""
    if not add.code:
        return ""  # nothing will be sent, so nothing is given
    wish = Wish(followed.customer_id, add.userid, gift_of(add))
    why, day = Reason(WELCOME, add.received_at, flow.name), day_of(session, day_in(add, zone), zone)
    refused = give(session, flow.offer, [wish], day, why, state=RESERVED).refused
    return f"offer: {refused[wish.reference]}" if refused else ""


def gift_of(add: Add) -> str:
    """What an add's offer is granted for: once for ever."""
    return f"{WELCOME}:{add.event_id}"


def day_in(add: Add, zone: ZoneInfo) -> date:
    """The company's day of an add."""
    return add.received_at.astimezone(zone).date()


def read_flows(connection: Connection, _: str) -> list[WelcomeFlow]:
    """The flows in the order they are tried, from the record."""
    with Session(connection, join_transaction_mode="rollback_only") as session:
        flows = select(WelcomeFlow).where(col(WelcomeFlow.active)).order_by(col(WelcomeFlow.position))
        found = list(session.exec(flows).all())
        session.expunge_all()
        return found


FLOWS = Remembered(read_flows)


def values_of(add: Add, place: Place, facts: AddFacts) -> dict[str, str]:
    """The variables known without asking WeCom; those without a value are left to the fallbacks."""
    known = {
        "staff.name": place.name,
        "company.name": place.company,
        "channel.state": add.state,
        "greeting": greeting(facts.local_time.hour),
    }
    return {name: value for name, value in known.items() if value}


def greeting(hour: int) -> str:
    """What one says at that hour."""
    if 5 <= hour < 12:
        return _("Good morning")
    return _("Good afternoon") if 12 <= hour < 18 else _("Good evening")
