"""Answers as cards: campaign KPIs and numbers, the figure large, what belongs to it below, everything behind a link.

A card has little room (docs: template cards), so each value is the longest wording that fits and whatever is left out
stands in the same answer's lines: on the page behind the card, and in the chat after 更多.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlmodel import Session

from assistant.answers import beside, label, looked_up, until
from assistant.briefs import shortened
from assistant.campaign_answers import figures_of, in_unit
from assistant.people import Asker, Unanswerable, Whose
from assistant.questions import CampaignKpis, Numbers, Question
from assistant.wording import days, moment, money, shown, title
from bot.language import gettext as _
from kpi.campaigns import CampaignFigures, Moment, Progress
from kpi.measures import BadQuestion, Measured, data_at
from kpi.periods import BadPeriod, Period
from kpi.scope import NotYours

SOURCE, TITLE, DESC, FIGURE, FIGURE_DESC, SUBTITLE, KEY, VALUE, LINK = 20, 36, 44, 14, 22, 160, 5, 30, 18
"""Characters of each place on a card."""
LINES = 6
MOST = 3
"""Cards of one answer."""
AMOUNT = "amount_fen"
Card = dict[str, Any]


def cards_of(session: Session, asker: Asker, question: Question, address: str) -> list[Card]:
    """The answer as cards with a link to the whole of it; none where it is better told in lines."""
    make = CARDS.get(type(question))
    try:
        return make(session, asker, question, address) if make else []
    except (Unanswerable, BadPeriod, BadQuestion, NotYours):
        return []


def card(source: str, head: tuple[str, str], figure: tuple[str, str], address: str, **blocks: Any) -> Card:
    """A card of one figure, cut with a sign where a name is too long."""
    return {
        "card_type": "text_notice",
        "source": {"desc": shortened(source, SOURCE)},
        "main_title": {"title": shortened(head[0], TITLE), "desc": shortened(head[1], DESC)},
        "emphasis_content": {"title": figure[0], "desc": shortened(figure[1], FIGURE_DESC)},
        **{name: block for name, block in blocks.items() if block},
        "jump_list": [{"type": 1, "title": shortened(_("See all of it"), LINK), "url": address}],
        "card_action": {"type": 1, "url": address},
    }


def longest(limit: int, *wordings: str) -> str:
    """The first wording that fits; the last one, cut with a sign, where none does."""
    return next((one for one in wordings if len(one) <= limit), shortened(wordings[-1], limit))


def below(*lines: str) -> str:
    """The text under the figures: as many whole lines as fit, the last one always."""
    kept = [line for line in lines if line]
    while len(kept) > 1 and len("\n".join(kept)) > SUBTITLE:
        kept.pop(-2)
    return shortened("\n".join(kept), SUBTITLE)


def campaign_cards(session: Session, asker: Asker, question: CampaignKpis, address: str) -> list[Card]:
    """A card for each running campaign, unless there are many."""
    whose, at, found = figures_of(session, asker, question)
    known = _("Data up to {time}").format(time=moment(data_at(session, ("orders", "referrals"), asker.now), asker.zone))
    cards = [campaign_card(one, whose, at, address, known) for one in found]
    return cards if len(cards) <= MOST and all(cards) else []


def campaign_card(figures: CampaignFigures, whose: Whose, at: Moment, address: str, known: str) -> Card:
    """One campaign: sales, the other measures, what is missing, rank and commission. Empty where sales do not fit."""
    campaign = figures.campaign
    sales = next(one for one in figures.progress if one.measure == AMOUNT)
    amount = money(sales.actual)
    if len(amount) > FIGURE:
        return {}
    percent = f"{sales.percent}%" if sales.target else ""
    of = _("Sales, {percent} of {target}").format(percent=percent, target=money(sales.target)) if percent else ""
    short = _("Sales, {percent}").format(percent=percent) if percent else _("Sales")
    span = days(at.period or Period(campaign.starts_on, campaign.ends_on, at.zone))
    left = _("{days}, {left} working days left").format(days=span, left=figures.workdays)
    figure = (amount, longest(FIGURE_DESC, *filter(None, (of, short))))
    lines = [line(key, value) for key, value in campaign_lines(figures, sales)]
    notes = below(team_note(figures), step_note(figures), known)
    return card(
        whose.label, (campaign.name, left), figure, address, horizontal_content_list=lines[:LINES], sub_title_text=notes
    )


def campaign_lines(figures: CampaignFigures, sales: Progress) -> list[tuple[str, str]]:
    """The lines below the figure: at most six."""
    names = {"participants": _("Joins"), "referrals": _("Refs"), "conversions": _("Deals")}
    lines = [(names[one.measure], progress(one)) for one in figures.progress if one.measure in names]
    if sales.target:
        lines.append((_("Gap"), gap(sales)))
    if figures.rank:
        place = f"{figures.rank} / {figures.ranked}"
        ahead = _(", {gap} to the next").format(gap=money(figures.ahead_fen)) if figures.ahead_fen else ""
        lines.append((_("Rank"), longest(VALUE, place + ahead, place)))
    one = figures.commission
    both = _("{expected} expected, {confirmed} confirmed").format(
        expected=money(one.expected_fen), confirmed=money(one.confirmed_fen)
    )
    lines.append((_("Pay"), longest(VALUE, both, money(one.expected_fen + one.confirmed_fen))))
    return lines


def progress(one: Progress) -> str:
    """3 / 10 (30%)."""
    if not one.target:
        return in_unit(one.measure, one.actual)
    return f"{in_unit(one.measure, one.actual)} / {in_unit(one.measure, one.target)} ({one.percent}%)"


def gap(one: Progress) -> str:
    """What is missing, and how much of it a working day has to bring."""
    if not one.gap:
        return _("reached")
    missing, each = in_unit(one.measure, one.gap), in_unit(one.measure, one.per_workday)
    return longest(VALUE, _("{gap}, {each} a working day").format(gap=missing, each=each), missing)


def team_note(figures: CampaignFigures) -> str:
    """Where a team's members are."""
    return _("{count} members: say “more”.").format(count=len(figures.members)) if figures.members else ""


def step_note(figures: CampaignFigures) -> str:
    """The next step of commission."""
    one = figures.commission
    if one.next_from_fen is None:
        return ""
    return _("{missing} more and it is {percent}% instead of {now}%").format(
        missing=money(one.missing_fen), percent=f"{one.next_percent:g}", now=f"{one.percent:g}"
    )


def numbers_card(session: Session, asker: Asker, question: Numbers, address: str) -> list[Card]:
    """One number, or a member's set of them; what is in groups is told in lines."""
    found, whose, period = looked_up(session, asker, question)
    if any(one.rows or not one.connected for one in found):
        return []
    main, *others = found
    value = shown(main.value, main.metric.unit)
    if len(value) > FIGURE:
        return []
    rows = [line(title(one.metric), longest(VALUE, valued(one) + beside(one), valued(one))) for one in others]
    narrow = len(rows) <= LINES and all(len(one["keyname"]) <= KEY for one in rows)
    told = [] if narrow else [f"{title(one.metric)}: {valued(one)}" for one in others]
    if len("\n".join(told)) > SUBTITLE:
        return []
    notes = [beside(main).strip(), *told, *immature(found), *until(found, asker)]
    head = (_("Numbers, {whose}").format(whose=label(found, whose)), days(period))
    return [
        card(
            head[0], (head[0], head[1]), (value, title(main.metric)), address,
            horizontal_content_list=rows if narrow else [], sub_title_text=below(*notes),
        )
    ]  # fmt: skip


def valued(one: Measured) -> str:
    """A number with its unit."""
    return shown(one.value, one.metric.unit)


def immature(found: Sequence[Measured]) -> list[str]:
    """What is not final yet."""
    later = [one for one in found if one.immature]
    return (
        [_("Not final yet: {titles}").format(titles=_(", ").join(title(one.metric) for one in later))] if later else []
    )


def line(key: str, value: str) -> dict[str, str]:
    """One line of a card."""
    return {"keyname": key, "value": value}


CARDS: dict[type[Question], Callable[[Session, Asker, Any, str], list[Card]]] = {
    CampaignKpis: campaign_cards,
    Numbers: numbers_card,
}
