"""The welcome (design §7): which flow an add takes, and the ledger row that says what became of it.

Choosing uses the event and our own record only: a code lives 20 seconds, and first comes the message.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
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
from contacts.staff import Place, place_of
from scripts_library.rendering import Variable
from sop.models import NOT_SENT, PENDING, AddFacts, Welcome, WelcomeFlow

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
    flow, passed_over = choose(session, facts)
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
        return [job_for(add, flow, values_of(add, place, facts), seconds, lane)]
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


def choose(session: Session, facts: AddFacts) -> tuple[WelcomeFlow | None, dict[str, str]]:
    """The first flow that holds, and the ones before it with the condition that did not."""
    passed_over: dict[str, str] = {}
    for flow in FLOWS.get(session.connection()):
        unmet = flow.conditions.first_unmet(facts)
        if unmet is None:
            return flow, passed_over
        passed_over[flow.name] = unmet
    return None, passed_over


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
