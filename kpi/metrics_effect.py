"""What the work brought: the private-domain formula, contribution, and money spent against money earned."""

from dataclasses import replace
from typing import Any

from sqlalchemy import and_, case, func, select, union_all
from sqlalchemy import distinct as unique
from sqlmodel import Session, col

from contacts.channels import Channel
from contacts.facts import CAMPAIGN as CAMPAIGN_SCENE
from contacts.facts import WELCOME, Act, CompanyTotal, Spend, Touch
from contacts.models import TieChange
from kpi.metrics_contacts import CAME, ON, TIES, added, standing
from kpi.metrics_money import EVERY, LINES, PAID
from kpi.models import OrderCredit
from kpi.moments import later
from kpi.places import PAID_AT
from kpi.registry import (
    CAMPAIGN,
    CHANNEL,
    DEPARTMENT,
    FEN,
    PERCENT,
    RATIO,
    SCENE,
    STAFF,
    STORE,
    Ask,
    Compute,
    Factor,
    Key,
    Metric,
    Number,
    Parts,
    Source,
    fen_per,
    parts,
    per,
    percent,
    tally,
    the,
)

LINE = OrderCredit
SCENE_DAYS, LONG_SCENE_DAYS = 15, 30
"""How long a touch counts; that of a welcome or a campaign is longer."""
WINDOW = case((col(Touch.scene).in_((WELCOME, CAMPAIGN_SCENE)), LONG_SCENE_DAYS), else_=SCENE_DAYS)
TOUCHES = Source(col(Touch.at), {STAFF: col(Touch.userid), SCENE: col(Touch.scene)})
BY_SCENE = (STAFF, DEPARTMENT, SCENE)
SHARED = "shared"
ACTS = Source(col(Act.at), {STAFF: col(Act.userid)})


def formula(session: Session, ask: Ask) -> Parts:
    """Reachable, reached, buyers after a touch and their net amount; the amount from everybody else beside it.

    Of a scene: its touches alone, among all who could be reached; who bought after two scenes counts in both.
    """
    if ask.group_by == SCENE:
        scenes = ask.tally(session, TOUCHES, func.count(), ~col(Touch.doubtful))
        each = (replace(ask, group_by="", filters={**ask.filters, SCENE: scene}) for scene in scenes)
        return {one.filters[SCENE]: formula(session, one)[None] for one in each}
    people = standing(ask)
    known = [people.c.customer_id == col(Touch.customer_id)]
    if ask.group_by:
        known.append(people.c.key == ask.key(TOUCHES))
    reached = (
        ask.rows(
            TOUCHES, col(Touch.customer_id), col(Touch.at).label("at"), later(col(Touch.at), WINDOW).label("until")
        )
        .join(people, and_(*known))
        .where(~col(Touch.doubtful), people.c.opening + people.c.entered > 0)
        .cte("reached")
    )
    same = [reached.c.customer_id == col(LINE.customer_id)]
    if ask.group_by:
        same.append(reached.c.key == ask.key(LINES))
    follows = select(reached.c.at).where(*same, reached.c.at <= col(LINE.at), col(LINE.at) < reached.c.until)
    after = ask.rows(LINES, col(LINE.order_id), col(LINE.customer_id)).where(PAID, follows.exists()).cte("buyers")
    # A refund belongs to the payment it gives back: both or neither.
    theirs = ask.rows(LINES, col(LINE.amount_fen)).where(col(LINE.order_id).in_(select(after.c.order_id))).subquery()
    return parts(
        reachable=lambda session, ask: ask.over(session, people, func.sum(people.c.opening + people.c.entered)),
        reached=lambda session, ask: ask.over(session, reached, func.count(unique(reached.c.customer_id))),
        buyers=lambda session, ask: ask.over(session, after, func.count(unique(after.c.customer_id))),
        amount=lambda session, ask: ask.over(session, theirs, func.sum(theirs.c.amount_fen)),
        all_amount=tally(LINES, func.sum(col(LINE.amount_fen))),
    )(session, ask)


def acted(*names: str) -> Compute:
    """Reachable customers, and who of them did something herself in the period; of these kinds only, if any."""

    def compute(session: Session, ask: Ask) -> Parts:
        people = standing(ask)
        act = select(col(Act.id)).where(
            col(Act.customer_id) == people.c.customer_id, col(Act.at) >= ask.period.start, col(Act.at) < ask.end
        )
        act = act.where(col(Act.name).in_(names)) if names else act
        seen = people.c.opening + people.c.entered
        return parts(
            acted=lambda session, ask: ask.over(session, people, func.sum(seen), act.exists()),
            reachable=lambda session, ask: ask.over(session, people, func.sum(seen)),
        )(session, ask)

    return compute


def had_been_contact() -> Any:
    """That the customer was a contact, now or once, when she paid; a refund is what its payment was."""
    paid_at = case((PAID, col(LINE.at)), else_=PAID_AT.scalar_subquery())
    known = select(col(TieChange.id)).where(
        col(TieChange.customer_id) == col(LINE.customer_id),
        col(TieChange.kind).in_(ON),
        col(TieChange.at) <= paid_at,
    )
    return known.exists()


def from_contacts(session: Session, ask: Ask) -> dict[Key, Number]:
    """Net amount of customers who were contacts when they paid."""
    return ask.tally(session, LINES, func.sum(col(LINE.amount_fen)), had_been_contact())


def company_amount(session: Session, ask: Ask) -> dict[Key, Number]:
    """The company's net amount: of each day the company's own figure, else its stores' together; the same for all."""
    day, store = col(CompanyTotal.day), col(CompanyTotal.store)
    whole = func.sum(case((store.is_(None), col(CompanyTotal.net_amount_fen))))
    daily = select(func.coalesce(whole, func.sum(col(CompanyTotal.net_amount_fen))).label("net")).where(
        day >= ask.period.first, day <= ask.period.last
    )
    if STORE in ask.filters:
        daily = daily.where(store == ask.filters[STORE])
    rows = daily.group_by(day).subquery()
    net = ask.ungrouped().over(session, rows, func.sum(rows.c.net))[None]
    return dict.fromkeys(from_contacts(session, ask) if ask.group_by else (None,), net)


def costs(ask: Ask) -> Any:
    """Money spent in the period by channel and campaign: the daily spend, and channels set up in it."""
    channel_campaign = select(col(Channel.campaign_id)).where(col(Channel.id) == col(Spend.channel_id))
    spent: Any = select(
        col(Spend.channel_id).label("channel"),
        func.coalesce(col(Spend.campaign_id), channel_campaign.scalar_subquery()).label("campaign"),
        col(Spend.amount_fen).label("fen"),
    ).where(col(Spend.day) >= ask.period.first, col(Spend.day) <= ask.period.last)
    set_up = select(col(Channel.id), col(Channel.campaign_id), col(Channel.cost_fen)).where(
        col(Channel.cost_fen) > 0, col(Channel.created_at) >= ask.period.start, col(Channel.created_at) < ask.end
    )
    return union_all(spent, set_up).subquery()


def cost(*, only: str = "") -> Any:
    """A part: what was spent; `only` on channels or on campaigns."""

    def part(session: Session, ask: Ask) -> dict[Key, Number]:
        money = costs(ask)
        narrowed = [money.c[name] == ask.filters[name] for name in (CHANNEL, CAMPAIGN) if name in ask.filters]
        key = [money.c[ask.group_by].label("key")] if ask.group_by else []
        limited = [money.c[only].is_not(None)] if only else []
        rows = select(*key, money.c.fen).where(*narrowed, *limited).subquery()
        return ask.over(session, rows, func.sum(rows.c.fen))

    return part


def earned(by: str) -> Any:
    """A part: margin of orders that came by a channel or a campaign; sales where the margin is not known."""
    value = func.coalesce(col(LINE.margin_fen), col(LINE.amount_fen))
    return tally(LINES, func.sum(value), LINES.columns[by].is_not(None))


def unknown(by: str) -> Any:
    """A part: lines whose margin is not known."""
    return tally(LINES, func.count(), LINES.columns[by].is_not(None), col(LINE.margin_fen).is_(None))


def new_buyers(session: Session, ask: Ask) -> dict[Key, Number]:
    """Of customers first added in the period, who have paid since and never before."""
    earlier = TieChange.__table__.alias("earlier")  # type: ignore[attr-defined]
    first = ~select(earlier.c.id).where(
        earlier.c.customer_id == col(TieChange.customer_id), earlier.c.kind.in_(ON), earlier.c.at < col(TieChange.at)
    ).exists()  # fmt: skip
    hers = and_(col(LINE.customer_id) == col(TieChange.customer_id), PAID)
    since = select(col(LINE.id)).where(hers, col(LINE.at) >= col(TieChange.at)).exists()
    before = select(col(LINE.id)).where(hers, col(LINE.at) < col(TieChange.at)).exists()
    return ask.tally(session, TIES, func.count(unique(col(TieChange.customer_id))), CAME, first, since, ~before)


def roi(found: Any) -> Number | None:
    """(Margin − cost) ÷ cost, as a percentage."""
    return 100 * (found["margin"] - found["cost"]) / found["cost"] if found["cost"] else None


NEEDS = ("contacts", "touches", "orders")
METRICS = (
    Metric(
        "private_performance", "私域业绩", "Private performance", FEN,
        "导购客群资产数 × 营销传递率 × 场景转化率 × 客单价 = 触达后在场景期限内（欢迎语和活动30天，其他15天）"
        "下单的客户的净业绩。",
        "Reachable contacts × pass-on rate × scene conversion rate × amount per buyer = net amount of customers who "
        "paid within the scene's window (welcome and campaign 30 days, others 15) after a touch.",
        NEEDS, formula, the("amount"), BY_SCENE,
        factors=(
            Factor("reachable_contacts", "reachable"), Factor("pass_on_rate", "reached", "reachable"),
            Factor("scene_conversion_rate", "buyers", "reached"), Factor("amount_per_buyer", "amount", "buyers"),
        ),
    ),
    Metric(
        "pass_on_rate", "营销传递率", "Pass-on rate", PERCENT,
        "期间内被触达的客户 ÷ 导购客群资产数。",
        "Customers touched in the period ÷ reachable contacts.",
        NEEDS, formula, percent("reached", "reachable"), BY_SCENE,
    ),
    Metric(
        "scene_conversion_rate", "场景转化率", "Scene conversion rate", PERCENT,
        "触达后在场景期限内下单的客户 ÷ 被触达的客户。",
        "Customers who paid within the scene's window after a touch ÷ customers touched.",
        NEEDS, formula, percent("buyers", "reached"), BY_SCENE,
    ),
    Metric(
        "interaction_rate", "互动率", "Interaction rate", PERCENT,
        "期间内自己有过动作（浏览、点链接、看直播等）的客户 ÷ 导购客群资产数。",
        "Customers with an act of their own (page, link, live, …) in the period ÷ reachable contacts.",
        ("contacts", "acts"), acted(), percent("acted", "reachable"),
    ),
    Metric(
        "share_rate", "分享率", "Share rate", PERCENT,
        "期间内分享过我们内容的客户 ÷ 导购客群资产数。",
        "Customers who shared something of ours in the period ÷ reachable contacts.",
        ("contacts", "acts"), acted(SHARED), percent("acted", "reachable"),
    ),
    Metric(
        "contribution_rate", "贡献率", "Contribution rate", PERCENT,
        "付款时已加过微信的客户的净业绩 ÷ 全公司净业绩。",
        "Net amount of customers who were contacts when they paid ÷ the whole company's net amount.",
        ("orders", "totals"), parts(private=from_contacts, company=company_amount), percent("private", "company"),
        EVERY,
    ),
    Metric(
        "cost_per_add", "加粉成本", "Cost per add", FEN,
        "期间内的投放和渠道建设费用 ÷ 新增客户数。",
        "Spend and set-up cost of channels in the period ÷ contacts added.",
        ("contacts", "spend"), parts(cost=cost(), added=added), fen_per("cost", "added"), (CHANNEL, CAMPAIGN),
        company_only=True, lower_is_better=True,
    ),
    Metric(
        "cac", "获客成本", "Customer acquisition cost", FEN,
        "期间内的投放和渠道建设费用 ÷ 期间内首次加上、之后首次付款的客户数。",
        "Spend and set-up cost in the period ÷ customers first added in the period who have paid for the first time "
        "since.",
        ("contacts", "orders", "spend"), parts(cost=cost(), buyers=new_buyers), fen_per("cost", "buyers"),
        (CHANNEL, CAMPAIGN), company_only=True, lower_is_better=True,
    ),
    Metric(
        "return_on_spend", "投入产出比", "Return on spend", RATIO,
        "业绩 ÷ 投入费用，即 1 : x。",
        "Sales ÷ money spent, as 1 : x.",
        ("orders", "spend"), parts(amount=tally(LINES, func.sum(col(LINE.amount_fen))), cost=cost()),
        per("amount", "cost"), (CHANNEL, CAMPAIGN), company_only=True,
    ),
    Metric(
        "channel_roi", "渠道投产比", "Channel ROI", PERCENT,
        "（渠道来的客户订单毛利 − 渠道费用）÷ 渠道费用；没有毛利的订单按业绩算。",
        "(Margin of orders of customers who came by a channel − its cost) ÷ cost; sales where the margin is not known.",
        ("orders", "spend"),
        parts(margin=earned(CHANNEL), cost=cost(only=CHANNEL), margin_unknown=unknown(CHANNEL)), roi, (CHANNEL,),
        company_only=True,
    ),
    Metric(
        "campaign_roi", "活动投产比", "Campaign ROI", PERCENT,
        "（活动订单毛利 − 活动费用）÷ 活动费用；没有毛利的订单按业绩算。",
        "(Margin of a campaign's orders − its cost) ÷ cost; sales where the margin is not known.",
        ("orders", "spend", "campaigns"),
        parts(margin=earned(CAMPAIGN), cost=cost(only=CAMPAIGN), margin_unknown=unknown(CAMPAIGN)), roi, (CAMPAIGN,),
        company_only=True,
    ),
)  # fmt: skip
