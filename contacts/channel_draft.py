"""What a manager enters for a channel, and every mistake in it told at once: field, value, remedy."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict
from sqlmodel import Session, col, select

from bot.language import gettext as _
from contacts.channels import CONTACT_WAY, LINK, OTHER, Campaign, Channel
from contacts.models import Department, Staff, StaffDepartment, Store
from contacts.staff import subtree
from contacts.tags import Tag

MOST_NAME = 30
MOST_STATE, MOST_LINK_STATE = 30, 64
"""Characters of a contact way's state; bytes of a link's."""
MOST_MEMBERS, MOST_IN_RANGE = 100, 500
MOST_REMARK = 10
"""Of the 20 characters of a remark: the customer's name needs room too."""
SCENES = ("", "visits", "orders", "bookings", "clicks", "visitors")
KINDS = (CONTACT_WAY, LINK, OTHER)


@dataclass(frozen=True)
class Mistake:
    """One thing wrong with a draft."""

    field: str
    value: object
    remedy: str

    def __str__(self) -> str:
        return _("{field} is “{value}”: {remedy}").format(field=self.field, value=self.value, remedy=self.remedy)


@dataclass
class ChannelRefused(ValueError):
    """A channel that cannot be saved."""

    mistakes: list[Mistake] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self.mistakes)


class ChannelDraft(BaseModel):
    """A channel as entered; the fields are those of `Channel`."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: str = CONTACT_WAY
    state: str
    userids: list[str] = []
    departments: list[int] = []
    multi: bool = False
    skip_verify: bool = True
    remark: str = ""
    tag_ids: list[str] = []
    campaign_id: int | None = None
    store: str | None = None
    scene: str = ""
    cost_fen: int = 0


def check(session: Session, draft: ChannelDraft, old: Channel | None) -> None:
    """Raises `ChannelRefused` with every mistake of the draft; `old` is the channel it is to change."""
    found = [*words(draft), *kept(draft, old), *known(session, draft, old), *reach(session, draft)]
    if found:
        raise ChannelRefused(found)


def words(draft: ChannelDraft) -> Iterator[Mistake]:
    """Lengths, choices and amounts."""
    if not 1 <= len(draft.name.strip()) <= MOST_NAME:
        yield Mistake("name", draft.name, _("give between 1 and {most} characters").format(most=MOST_NAME))
    if draft.kind not in KINDS:
        yield Mistake("kind", draft.kind, _("choose one of {choices}").format(choices=", ".join(KINDS)))
    if draft.kind == CONTACT_WAY and not 1 <= len(draft.state) <= MOST_STATE:
        yield Mistake("state", draft.state, _("give between 1 and {most} characters").format(most=MOST_STATE))
    if draft.kind != CONTACT_WAY and not 1 <= len(draft.state.encode()) <= MOST_LINK_STATE:
        remedy = _("give between 1 and {most} bytes; a Chinese character has three").format(most=MOST_LINK_STATE)
        yield Mistake("state", draft.state, remedy)
    if draft.state != draft.state.strip():
        yield Mistake("state", draft.state, _("leave out the spaces at both ends"))
    if len(draft.remark) > MOST_REMARK:
        yield Mistake("remark", draft.remark, _("give at most {most} characters").format(most=MOST_REMARK))
    if draft.scene not in SCENES:
        yield Mistake("scene", draft.scene, _("choose one of {choices}").format(choices=", ".join(SCENES[1:])))
    if draft.cost_fen < 0:
        yield Mistake("cost_fen", draft.cost_fen, _("give 0 or more"))


def kept(draft: ChannelDraft, old: Channel | None) -> Iterator[Mistake]:
    """What cannot change any more once the platform has made a channel: codes and links are in people's hands."""
    if old is None or not (old.config_id or old.link_id):
        return
    for name in ("kind", "state", "multi"):
        value = getattr(draft, name)
        if value != getattr(old, name):
            yield Mistake(name, value, _("this cannot change any more; make a new channel"))


def known(session: Session, draft: ChannelDraft, old: Channel | None) -> Iterator[Mistake]:
    """What the draft names must exist, and its state must be its own."""
    same = session.exec(select(Channel.id, Channel.name).where(Channel.state == draft.state)).first()
    if same and same[0] != (old.id if old else None):
        yield Mistake("state", draft.state, _("the channel “{name}” has this one; give another").format(name=same[1]))
    tags = session.exec(select(Tag.id).where(col(Tag.id).in_(draft.tag_ids), ~col(Tag.deleted))).all()
    yield from unknown("tag_ids", draft.tag_ids, tags, _("there is no such tag; choose from the list of tags"))
    if draft.campaign_id is not None and session.get(Campaign, draft.campaign_id) is None:
        yield Mistake("campaign_id", draft.campaign_id, _("there is no such campaign"))
    if draft.store and session.get(Store, draft.store) is None:
        yield Mistake("store", draft.store, _("there is no such store"))


def reach(session: Session, draft: ChannelDraft) -> Iterator[Mistake]:
    """Who is added through the channel."""
    if draft.kind == OTHER:
        return
    ready = select(Staff.userid).where(col(Staff.active), col(Staff.customer_contact))
    staff = session.exec(ready.where(col(Staff.userid).in_(draft.userids))).all()
    remedy = _("no active member with 客户联系 has this id; choose from the list of staff")
    yield from unknown("userids", draft.userids, staff, remedy)
    departments = session.exec(select(Department.id).where(col(Department.id).in_(draft.departments))).all()
    yield from unknown("departments", draft.departments, departments, _("there is no such department"))
    if draft.kind == CONTACT_WAY and not draft.multi:
        if len(draft.userids) != 1 or draft.departments:
            remedy = _("a channel for one person has exactly one member and no department; or make it one for several")
            yield Mistake("userids", ", ".join(draft.userids), remedy)
        return
    if not draft.userids and not draft.departments:
        yield Mistake("userids", "", _("name at least one member or department"))
    if draft.kind == LINK and len(draft.userids) + len(draft.departments) > MOST_IN_RANGE:
        many = _("name at most {most} members and departments").format(most=MOST_IN_RANGE)
        yield Mistake("userids", len(draft.userids) + len(draft.departments), many)
    reached = members(session, draft)
    if draft.kind == CONTACT_WAY and reached > MOST_MEMBERS:
        many = _("name at most {most} members, those of the departments included").format(most=MOST_MEMBERS)
        yield Mistake("departments", reached, many)


def members(session: Session, draft: ChannelDraft) -> int:
    """How many members a contact way reaches, departments counted out."""
    below = select(StaffDepartment.userid).where(
        col(StaffDepartment.department_id).in_(subtree(session, draft.departments))
    )
    active = select(Staff.userid).where(col(Staff.active), col(Staff.userid).in_(below))
    return len({*draft.userids, *session.exec(active).all()})


def unknown(name: str, given: Iterable[object], found: Iterable[object], remedy: str) -> Iterator[Mistake]:
    """A mistake for each value that was not found."""
    there = set(found)
    return (Mistake(name, one, remedy) for one in given if one not in there)
