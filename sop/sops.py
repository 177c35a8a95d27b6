"""SOPs: drafts, published versions, runs of customers through them, and the to-dos they make."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Index, UniqueConstraint, select, text, update
from sqlmodel import Field, Session, SQLModel, col

from bot.database import BigId, Typed, UtcTime
from bot.observability import log
from contacts.channels import Campaign, Channel
from contacts.facts import Product
from contacts.models import PLAIN_JSON, Attribute, Staff
from contacts.offers import Offer
from contacts.tags import Tag, TagGroup
from scripts_library.attachments import Strict
from scripts_library.context import VARIABLES as CONTEXT_VARIABLES
from scripts_library.models import PUBLISHED, Script
from scripts_library.rendering import TemplateRefused, Variable, check
from sop import rules
from sop.lookup import LookupTable

ACTIVE, FINISHED, EXITED, PAUSED = "active", "finished", "exited", "paused"
OPEN, DONE, NOT_APPLICABLE, WITHDRAWN = "open", "done", "not_applicable", "withdrawn"
WORDS_BYTES = 2000
PERSONAL = {"customer", "booking", "trigger", "offer"}
"""Parts of the variables that differ from one customer to the next."""
VARIABLES = CONTEXT_VARIABLES | {
    "trigger.day": Variable("the day it is about: birthday, missed appointment, policy's end", "12月31日", "那天"),
    "trigger.days": Variable("days between today and that day", "365", "几"),
}


class Sop(SQLModel, table=True):
    """A procedure: its draft and which version is in force."""

    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(unique=True)
    name: str
    priority: int = 50
    """Of two to-dos for one customer the higher one's goes first."""
    active: bool = True
    paused_reason: str = ""
    draft: Any = Field(default=None, sa_column=Column(Typed(rules.Rule)))
    version_id: int | None = None
    pack: str = ""
    updated_at: datetime = Field(sa_type=UtcTime)


class SopVersion(SQLModel, table=True):
    """A published version; never altered."""

    id: int | None = Field(default=None, primary_key=True)
    sop_id: int = Field(foreign_key="sop.id", index=True)
    number: int
    rule: Any = Field(sa_column=Column(Typed(rules.Rule), nullable=False))
    published_at: datetime = Field(sa_type=UtcTime)
    published_by: str = ""

    __table_args__ = (UniqueConstraint("sop_id", "number"),)


class Run(SQLModel, table=True):
    """One customer's way through one version, for one occurrence."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    sop_id: int
    version_id: int
    customer_id: int = Field(sa_type=BigId)
    occurrence: str
    since: datetime = Field(sa_type=UtcTime)
    """From when on what she does counts."""
    day: date
    """The trigger's day."""
    userid: str | None = None
    arm: str = ""
    position: str = "0"
    """The step to come, such as `2.then.0`."""
    bases: list[str] = Field(default_factory=list, sa_column=Column(PLAIN_JSON, nullable=False))
    """The days from which the steps of each block count, the outermost first."""
    due_on: date
    state: str = ACTIVE
    reason: str = ""
    ended_at: datetime | None = Field(default=None, sa_type=UtcTime)

    __table_args__ = (
        UniqueConstraint("sop_id", "customer_id", "occurrence"),
        Index("ix_run_due", "due_on", sqlite_where=text("state = 'active'"), postgresql_where=text("state = 'active'")),
        Index("ix_run_customer", "customer_id"),
        Index("ix_run_version", "version_id", "state"),
    )


class StepOutcome(SQLModel, table=True):
    """What became of one step of a run: done, held or skipped, and why."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    run_id: int = Field(sa_type=BigId, index=True)
    position: str
    at: datetime = Field(sa_type=UtcTime)
    outcome: str
    reason: str = ""


class Todo(SQLModel, table=True):
    """Something for a member of staff to do, with its reason and its words."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    run_id: int | None = Field(default=None, sa_type=BigId)
    position: str = ""
    sop_id: int | None = Field(default=None, index=True)
    note_id: int | None = Field(default=None, sa_type=BigId, unique=True)
    """The note whose day of the next contact it is."""
    campaign_id: int | None = None
    customer_id: int = Field(sa_type=BigId)
    userid: str
    title: str
    via: str = "message"
    reason: str = ""
    words: str = ""
    facts: dict[str, Any] = Field(default_factory=dict, sa_column=Column(PLAIN_JSON, nullable=False))
    value_fen: int = Field(default=0, sa_type=BigId)
    priority: int = 50
    day: date
    """The first day it may be shown."""
    due_on: date
    """The last day it makes sense."""
    state: str = OPEN
    result: str = ""
    """replied, no_reply, booked, deal, refused or unreachable; or why it does not apply."""
    carried: str = ""
    """Why it was not shown today."""
    shown_on: date | None = None
    number: int | None = None
    """Its number on that day's card."""
    pushed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcTime)
    closed_by: str = ""
    outcome: str = ""
    """What followed within the window, the weightiest: ordered, visited, booked, replied or tagged."""
    outcome_at: datetime | None = Field(default=None, sa_type=UtcTime)
    escalated_on: date | None = None
    """When her leader heard that it is overdue."""

    __table_args__ = (
        UniqueConstraint("run_id", "position"),
        Index("ix_todo_open", "userid", "day", sqlite_where=text("state = 'open'"),
              postgresql_where=text("state = 'open'")),
        Index("ix_todo_customer", "customer_id", "state"),
        Index("ix_todo_shown", "shown_on", "userid"),
        Index("ix_todo_closed", "closed_at"),
        Index("ix_todo_followed", "outcome_at"),
    )  # fmt: skip


def save(session: Session, file: rules.RuleFile, now: datetime, pack: str = "") -> Sop:
    """Store a rule as the draft of its SOP. Raises `RuleRefused` naming each place that cannot work."""
    check_rule(session, file.rule)
    sop = session.scalars(select(Sop).where(col(Sop.code) == file.code)).first()
    sop = sop or Sop(code=file.code, name=file.name, updated_at=now, active=False)
    sop.name, sop.priority, sop.draft, sop.updated_at = file.name, file.priority, file.rule, now
    sop.pack = pack or sop.pack
    session.add(sop)
    session.flush()
    return sop


def publish(session: Session, sop: Sop, by: str, now: datetime) -> SopVersion:
    """Put the draft in force, as a version of its own unless it is the newest already; paused runs go on."""
    check_rule(session, sop.draft)
    newest = session.scalars(
        select(SopVersion).where(col(SopVersion.sop_id) == sop.id).order_by(col(SopVersion.number).desc())
    ).first()
    if newest is None or newest.rule != sop.draft:
        number = newest.number + 1 if newest else 1
        newest = SopVersion(sop_id=sop.id or 0, number=number, rule=sop.draft, published_at=now, published_by=by)
        session.add(newest)
        session.flush()
    sop.version_id, sop.active, sop.paused_reason, sop.updated_at = newest.id, True, "", now
    waiting = (col(Run.sop_id) == sop.id, col(Run.state) == PAUSED)
    session.execute(update(Run).where(*waiting).values(state=ACTIVE, reason=""))
    session.add(sop)
    return newest


def roll_back(session: Session, sop: Sop, number: int, now: datetime) -> SopVersion:
    """Put an earlier version in force again. Raises `RuleRefused` when there is none of that number."""
    wanted = (col(SopVersion.sop_id) == sop.id, col(SopVersion.number) == number)
    version = session.scalars(select(SopVersion).where(*wanted)).first()
    if version is None:
        raise rules.RuleRefused(f"{sop.name} has no version {number}")
    sop.version_id, sop.draft, sop.updated_at = version.id, version.rule, now
    session.add(sop)
    return version


def pause(session: Session, sop: Sop, reason: str) -> None:
    """Stop a SOP whose parts are gone: nobody is enrolled, runs wait, nothing is sent wrong."""
    sop.active, sop.paused_reason = False, reason
    session.add(sop)
    waiting = (col(Run.sop_id) == sop.id, col(Run.state) == ACTIVE)
    session.execute(update(Run).where(*waiting).values(state=PAUSED, reason=reason))


def pause_runs(session: Session, version: SopVersion, reason: str) -> None:
    """Let the runs of an older version wait, whose parts are gone while those of the version in force are there."""
    waiting = (col(Run.version_id) == version.id, col(Run.state) == ACTIVE)
    session.execute(update(Run).where(*waiting).values(state=PAUSED, reason=reason))


def sound(session: Session, sop: Sop, version: SopVersion) -> bool:
    """Whether a version can go on; one whose parts are gone is paused with the reason, the SOP with its own version."""
    try:
        check_rule(session, version.rule)
    except rules.RuleRefused as refused:
        if version.id == sop.version_id:
            pause(session, sop, str(refused))
        else:
            pause_runs(session, version, str(refused))
        log.warning("SOP paused", sop=sop.code, version=version.number, reason=str(refused))
        return False
    return True


def check_rule(session: Session, rule: rules.Rule) -> None:
    """Refuse a rule that names what is not there or words that cannot be filled. Raises `RuleRefused`."""
    problems = list(missing_parts(session, rule)) + list(bad_words(rule))
    if problems:
        raise rules.RuleRefused("; ".join(problems))


def missing_parts(session: Session, rule: Any) -> Iterator[str]:
    """Each place of a rule or condition that names something we do not have, or that is not in use."""
    places = list(named(rule))
    wanted: dict[str, set[str]] = defaultdict(set)
    for _place, kind, name in places:
        wanted[kind].add(name)
    known = {kind: KNOWN[kind](session, names) for kind, names in wanted.items()}
    for place, kind, name in places:
        if name not in known[kind]:
            yield f"{place}: there is no {kind} {name}; make it first or choose another"
        elif known[kind][name]:
            yield f"{place}: {kind} {name} {known[kind][name]}"


Known = dict[str, str]
"""Names that are there, each with what is wrong with it; nothing wrong: an empty text."""


def known_tags(session: Session, names: set[str]) -> Known:
    """Tags by `name` or `group/name`."""
    pairs = session.execute(
        select(col(Tag.name), col(TagGroup.name))
        .join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
        .where(~col(Tag.deleted), col(Tag.name).in_({one.rpartition("/")[2] for one in names} | names))
    )
    return {one: "" for name, group in pairs for one in (name, f"{group}/{name}")}


def known_scripts(session: Session, names: set[str]) -> Known:
    """Scripts by code; only a published one can be said."""
    rows = session.execute(select(col(Script.code), col(Script.status)).where(col(Script.code).in_(names)))
    return {code: "" if status == PUBLISHED else f"is {status}; publish it or choose another" for code, status in rows}


def known_offers(session: Session, names: set[str]) -> Known:
    """Offers by code."""
    rows = session.execute(select(col(Offer.code), col(Offer.active)).where(col(Offer.code).in_(names)))
    return {code: "" if active else "was retired; choose another" for code, active in rows}


def by_column(column: Any) -> Callable[[Session, set[str]], Known]:
    """Names that stand in a column."""
    return lambda session, names: dict.fromkeys(session.scalars(select(column).where(column.in_(names))), "")


KNOWN: dict[str, Callable[[Session, set[str]], Known]] = {
    "tag": known_tags,
    "script": known_scripts,
    "offer": known_offers,
    "attribute": by_column(col(Attribute.key)),
    "channel": by_column(col(Channel.state)),
    "campaign": by_column(col(Campaign.code)),
    "table": by_column(col(LookupTable.name)),
    "product": by_column(col(Product.sku)),
    "member of staff": by_column(col(Staff.userid)),
}
"""How names of each kind are looked up."""
NAMES = {
    "tags": "tag", "tag": "tag", "add": "tag", "remove": "tag", "tagged": "tag", "mark": "tag", "states": "channel",
    "codes": "campaign", "campaign": "campaign", "table": "table", "script": "script", "offer": "offer",
    "sku": "product", "userids": "member of staff",
}  # fmt: skip
"""Fields that name something kept elsewhere."""
DATES = ("birthday", "policy_end", "repurchase")


def named(part: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """(place, kind, name) of whatever a rule refers to."""
    if isinstance(part, list):
        for number, one in enumerate(part):
            yield from named(one, f"{place}.{number}")
        return
    if isinstance(part, dict):
        for name, one in part.items():
            yield from named(one, f"{place}.{name}")
        return
    if not isinstance(part, Strict):
        return
    for field in type(part).model_fields:
        value, here = getattr(part, field), f"{place}.{field}".strip(".")
        if field == "key" or (field == "field" and value not in DATES):
            yield here, "attribute", value
        elif field in NAMES and value:
            yield from ((here, NAMES[field], one) for one in (value if isinstance(value, list) else [value]))
        else:
            yield from named(value, here)


def bad_words(rule: rules.Rule) -> Iterator[str]:
    """Each text that could not be filled in when its day comes."""
    for place, step in steps_of(rule.what, "what"):
        for field in ("words", "reason", "text"):
            template = getattr(step.do, field, None)
            if not template:
                continue
            shown = {f"show.{name}": Variable("a number", "9" * 12, "") for name in getattr(step.do, "show", {})}
            try:
                used = check(template, VARIABLES | shown, WORDS_BYTES)
            except TemplateRefused as refused:
                yield f"{place}.do.{field}: {refused}"
                continue
            personal = sorted(one for one in used if one.partition(".")[0] in PERSONAL)
            if step.do.kind == "mass_send" and personal:
                yield f"{place}.do.text: {', '.join(personal)} differs per customer; a mass send is one text for all"


def steps_of(steps: Sequence[rules.Step], place: str) -> Iterator[tuple[str, rules.Step]]:
    """Every step, nested ones included, with its place."""
    for number, step in enumerate(steps):
        here = f"{place}.{number}"
        yield here, step
        for name, block in rules.blocks(step.do).items():
            yield from steps_of(block, f"{here}.do.{name}")
