"""Who asks, whose numbers she asks for, and whether she may see them."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlmodel import Session, col, select

from assistant.grammar import Known
from assistant.questions import ME, TEAM
from bot.database import Remembered
from bot.language import gettext as _
from bot.links import Links
from contacts.channels import Campaign
from contacts.choices import STAFF, Choice, the_only
from contacts.models import Staff
from kpi.scope import NotYours, Scope, member_of, own, team_of, widest


@dataclass(frozen=True)
class Asker:
    """The member who asks, and when."""

    userid: str
    now: datetime
    zone: ZoneInfo
    links: Links | None = None
    """Makes links to pages for what is too long for a chat."""


class Unanswerable(Exception):
    """The question is clear, but has no answer; the text says why, for the asker."""


@dataclass(frozen=True)
class Whose:
    """The numbers of one member or of a team."""

    scope: Scope
    label: str
    userid: str | None = None
    """The member; None for a team."""


def read_names(connection: Connection, _: str) -> Known:
    """The names of staff and campaigns, from the record."""
    staff = connection.execute(select(Staff.name).where(col(Staff.active))).scalars()
    campaigns = connection.execute(select(Campaign.name)).scalars()
    return Known(tuple(name for name in staff if len(name) > 1), tuple(campaigns))


NAMES = Remembered(read_names)


def known_names(session: Session) -> Known:
    """The names of staff and campaigns, as they were at most a second ago."""
    return NAMES.get(session.connection())


def whose_numbers(session: Session, asker: Asker, whose: str) -> Whose:
    """Whose numbers are meant, if the asker may see them; nobody named: a leader's team, else her own.

    Raises `Unanswerable`.
    """
    if not whose:
        whose = TEAM if leads_any(session, asker.userid) else ME
    if whose == ME:
        return Whose(own(asker.userid), _("mine"), asker.userid)
    try:
        if whose == TEAM:
            return Whose(team_of(session, asker.userid), _("my team"))
        userid, name = named(session, whose)
        return Whose(member_of(session, asker.userid, userid), name, userid)
    except NotYours as error:
        raise Unanswerable(
            _("Team and colleagues' numbers are for their leaders to see. I can show you your own.")
        ) from error


def leads_any(session: Session, userid: str) -> bool:
    """Whether a member leads a department."""
    return widest(session, userid).userid is None


def named(session: Session, name: str) -> tuple[str, str]:
    """The userid and name of a member called so: in full, or 小王 and 王姐 by the surname.

    Raises `Unanswerable` for nobody, `WhichOne` for several.
    """
    staff = session.exec(select(Staff.userid, Staff.name).where(col(Staff.active))).all()
    nick = name.removeprefix("小").removeprefix("老").removesuffix("姐").removesuffix("哥")
    found = [one for one in staff if name in {one[0], one[1]}] or [one for one in staff if one[1].startswith(nick)]
    meant = the_only(STAFF, name, [Choice(userid, shown, userid) for userid, shown in found])
    if meant:
        return meant.reference, meant.name
    raise Unanswerable(_("I know no colleague called “{name}”.").format(name=name))
