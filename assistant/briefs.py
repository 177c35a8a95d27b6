"""A campaign's brief: pushed to its staff as a card on their first working day of it, and who has read it."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from assistant.campaign_answers import in_unit, measure_title
from assistant.people import Asker, Unanswerable, whose_numbers
from assistant.questions import TEAM, BriefReaders, CampaignBrief
from assistant.wording import days, moment
from bot.jobs import Priority
from bot.language import gettext as _
from bot.outbox import send_card
from contacts.calendar import rota
from contacts.channels import Campaign, CampaignStaff
from contacts.models import Staff
from contacts.unasked import lane_of
from kpi.campaigns import MEASURES, running
from kpi.periods import Period

PREFIX = "brief"
TITLE, DESC, SUBTITLE = 36, 44, 160
"""The platform's limits of a card's texts."""


def push_briefs(session: Session, today: date, now: datetime, zone: ZoneInfo) -> int:
    """Ask for the cards of running campaigns, to who works today and has not had hers; answers to how many."""
    asked = 0
    for campaign in running(session, today):
        if not campaign.brief.strip():
            continue
        part = select(CampaignStaff).join(Staff, col(Staff.userid) == col(CampaignStaff.userid))
        unread = part.where(
            CampaignStaff.campaign_id == campaign.id, col(CampaignStaff.read_at).is_(None), col(Staff.active)
        )
        members = session.exec(unread.order_by(col(CampaignStaff.userid))).all()
        calendar = rota(session, [one.userid for one in members], today, today)
        for one in members:
            if calendar.works(one.userid, today):
                # The key is good once for ever: tomorrow's run sends to nobody who has had hers.
                cause = f"{PREFIX}:{campaign.id}:{one.userid}"
                lane = {"priority": Priority.PUSH, "lane": lane_of(one.userid)}
                send_card(session, one.userid, card(campaign, one, zone), cause=cause, now=now, **lane)
                asked += 1
    return asked


def card(campaign: Campaign, part: CampaignStaff, zone: ZoneInfo) -> dict[str, Any]:
    """The brief with the member's targets; a long one is sent whole when she presses."""
    brief = campaign.brief.strip()
    whole = len(brief) <= SUBTITLE
    span = Period(campaign.starts_on, campaign.ends_on, zone)
    targets = [(measure, getattr(part, measure)) for measure in MEASURES]
    return {
        "card_type": "button_interaction",
        "main_title": {
            "title": shortened(_("New campaign: {name}").format(name=campaign.name), TITLE),
            "desc": shortened(days(span), DESC),
        },
        "sub_title_text": brief if whole else shortened(brief, SUBTITLE),
        "horizontal_content_list": [
            {"keyname": measure_title(measure), "value": _("target {target}").format(target=in_unit(measure, target))}
            for measure, target in targets
            if target
        ],
        "button_list": [
            {"text": _("I have read it") if whole else _("Read all"), "style": 1, "key": f"{PREFIX}:{campaign.id}"}
        ],
    }


def shortened(text: str, limit: int) -> str:
    """A text of at most so many characters, with a sign where it goes on."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def read_brief(session: Session, campaign_id: int, userid: str, now: datetime) -> Campaign | None:
    """A member has read a brief: the first time counts. None when there is no such campaign any more."""
    part = session.get(CampaignStaff, (campaign_id, userid))
    if part and part.read_at is None:
        part.read_at = now
        session.add(part)
    return session.get(Campaign, campaign_id)


def fits_card(campaign: Campaign) -> bool:
    """Whether the card showed the whole brief."""
    return len(campaign.brief.strip()) <= SUBTITLE


def brief_lines(campaign: Campaign, zone: ZoneInfo) -> list[str]:
    """The whole brief."""
    span = days(Period(campaign.starts_on, campaign.ends_on, zone))
    return [f"【{campaign.name}】{span}", *campaign.brief.strip().splitlines()]


def brief_answer(session: Session, asker: Asker, question: CampaignBrief) -> list[str]:
    """The briefs of running campaigns, or of the one named: asking for one is reading it. Raises `Unanswerable`."""
    lines = []
    for campaign in campaigns(session, asker, question.campaign):
        read_brief(session, campaign.id or 0, asker.userid, asker.now)
        lines += brief_lines(campaign, asker.zone)
    return lines


def readers_answer(session: Session, asker: Asker, question: BriefReaders) -> list[str]:
    """Who of the team has not read the brief yet. Raises `Unanswerable`."""
    whose = whose_numbers(session, asker, TEAM)
    lines = []
    for campaign in campaigns(session, asker, question.campaign):
        part = (
            select(Staff.name, CampaignStaff.read_at)
            .join(CampaignStaff, col(CampaignStaff.userid) == col(Staff.userid))
            .where(CampaignStaff.campaign_id == campaign.id, col(Staff.active))
            .where(col(Staff.userid).in_(whose.scope.members()))
        )
        members = session.exec(part.order_by(col(CampaignStaff.read_at), col(Staff.userid))).all()
        read = [(name, at) for name, at in members if at]
        counted = {"name": campaign.name, "read": len(read), "all": len(members)}
        lines.append(_("【{name}】brief: {read} of {all} have read it").format(**counted))
        unread = [name for name, at in members if not at]
        lines += [_("Not yet:"), *(f"· {name}" for name in unread)] if unread else []
        lines += [_("· {name} read it {time}").format(name=name, time=moment(at, asker.zone)) for name, at in read]
    return lines


def campaigns(session: Session, asker: Asker, name: str) -> list[Campaign]:
    """Running campaigns with a brief, or the one named. Raises `Unanswerable`."""
    today = asker.now.astimezone(asker.zone).date()
    found = list(session.exec(select(Campaign).where(Campaign.name == name))) if name else running(session, today)
    found = [one for one in found if one.brief.strip()]
    if not found:
        raise Unanswerable(_("No campaign with a brief is running."))
    return found
