"""Numbers of reaching customers: what was delivered, who answered, who came, and whether they were content."""

from typing import Any

from sqlalchemy import and_, case, func, literal, or_, select, union_all
from sqlalchemy import distinct as unique
from sqlmodel import Session, col

from contacts.facts import Act, Booking, Complaint, Order, Satisfaction, Touch, Visit
from kpi.metrics_contacts import assets, flag, reachable
from kpi.metrics_effect import SCENE_DAYS, TOUCHES
from kpi.moments import later
from kpi.registry import (
    CAMPAIGN,
    DEPARTMENT,
    PERCENT,
    RATIO,
    SCENE,
    STAFF,
    STORE,
    Ask,
    Key,
    Metric,
    Number,
    Part,
    Parts,
    Source,
    parts,
    per,
    percent,
    tally,
)
from sop import mass_sends
from sop.mass_sends import MassSend, MassSendCustomer
from sop.models import SENT, UNCONFIRMED, Welcome

ANSWER_DAYS = 3
CONTENT = 4
"""A score from which a customer counts as content."""
NO_FRIEND, OVER_LIMIT = 2, 3
"""The platform's reasons why a mass send did not reach a customer."""
REACHED = Source(TOUCHES.at, {**TOUCHES.columns, CAMPAIGN: col(Touch.campaign_id)})
BY_SCENE = (STAFF, DEPARTMENT, CAMPAIGN, SCENE)
SURE = ~col(Touch.doubtful)
HEARD = col(Satisfaction.visit_id) == col(Visit.id)
SCORES = Source(col(Satisfaction.at), {STAFF: col(Visit.userid), STORE: col(Visit.store)})


def deliveries(session: Session, ask: Ask) -> Parts:
    """Customers a mass send was for and adds a welcome was due for; what became of each."""
    status = col(MassSendCustomer.status)
    mass = ask.rows(
        Source(col(MassSend.asked_at), {STAFF: col(MassSend.userid)}),
        case(
            (status == mass_sends.SENT, literal("delivered")),
            (status == NO_FRIEND, literal("no_friend")),
            (status == OVER_LIMIT, literal("over_limit")),
            else_=literal("unsent"),
        ).label("outcome"),
    ).where(col(MassSendCustomer.mass_send_id) == col(MassSend.id))
    outcome = col(Welcome.outcome)
    welcomes = ask.rows(
        Source(col(Welcome.received_at), {STAFF: col(Welcome.userid)}),
        case(
            (outcome == SENT, literal("delivered")),
            (outcome == UNCONFIRMED, literal("unconfirmed")),
            else_=literal("not_greeted"),
        ).label("outcome"),
    )
    rows = union_all(mass, welcomes).subquery()

    def number(name: str = "") -> Part:
        where = (rows.c.outcome == name,) if name else ()
        return lambda session, ask: ask.over(session, rows, func.count(), *where)

    reasons = ("no_friend", "over_limit", "unsent", "unconfirmed", "not_greeted")
    named = {"delivered": number("delivered"), "targeted": number(), **{name: number(name) for name in reasons}}
    return parts(**named)(session, ask)


def own_act_after(customer: Any, at: Any, days: int) -> Any:
    """That a customer did something herself so soon after: an act, a visit, a booking or an order."""
    own = (
        (col(Act.id), col(Act.customer_id), col(Act.at)),
        (col(Visit.id), col(Visit.customer_id), col(Visit.at)),
        (col(Booking.id), col(Booking.customer_id), col(Booking.made_at)),
        (col(Order.id), col(Order.customer_id), col(Order.at)),
    )
    each = (select(row).where(who == customer, when >= at, when < later(at, days)).exists() for row, who, when in own)
    return or_(*each)


def responded(session: Session, ask: Ask) -> dict[Key, Number]:
    """Deliveries that the customer answered with an act of her own within 72 hours."""
    answered = own_act_after(col(Touch.customer_id), col(Touch.at), ANSWER_DAYS)
    return ask.tally(session, REACHED, func.count(col(Touch.id)), SURE, answered)


def came_after_touch() -> Any:
    """That the customer came to a store within the scene's days after the touch."""
    came = and_(
        col(Visit.customer_id) == col(Touch.customer_id),
        col(Visit.at) >= col(Touch.at),
        col(Visit.at) < later(col(Touch.at), SCENE_DAYS),
    )
    return select(col(Visit.id)).where(came).exists()


TOUCHED = func.count(unique(col(Touch.customer_id)))


def complaints(session: Session, ask: Ask) -> Parts:
    """Complaints, beside the customers who could be reached."""
    source = Source(col(Complaint.at), {STAFF: col(Complaint.userid)})
    made = ask.tally(session, source, func.count(col(Complaint.id)))
    return {
        key: {"complaints": made.get(key, 0), "reachable": sum(numbers[name] for name in reachable)}
        for key, numbers in assets(session, ask).items()
    }


def per_thousand(found: Any) -> Number | None:
    """Complaints of a thousand customers."""
    return 1000 * found["complaints"] / found["reachable"] if found["reachable"] else None


METRICS = (
    Metric(
        "delivery_rate", "触达率", "Delivery rate", PERCENT,
        "群发对象和应发欢迎语里确认送达的占比；没送达的按原因另列：不是好友、超过接收上限、导购没发、结果不明、欢迎语没发出。",
        "Of the customers a mass send was for and the welcomes that were due, those confirmed as delivered; the others "
        "by reason: no friend, over the customer's limit, not sent by the member, unconfirmed, not greeted.",
        ("sends",), deliveries, percent("delivered", "targeted"),
    ),
    Metric(
        "response_rate", "响应率", "Response rate", PERCENT,
        "触达里，客户72小时内自己有动作（浏览、到店、预约、下单等）的占比。",
        "Of the touches, those followed by an act of the customer's own (page, visit, booking, order, …) within 72 "
        "hours.",
        ("touches",), parts(responded=responded, delivered=tally(REACHED, func.count(col(Touch.id)), SURE)),
        percent("responded", "delivered"), BY_SCENE, matures_days=ANSWER_DAYS,
    ),
    Metric(
        "visit_rate", "到店率", "Visit rate", PERCENT,
        "期间内被触达的客户里，触达后15天内到店的占比。",
        "Of the customers touched in the period, who visited a store within 15 days after a touch.",
        ("touches", "visits"),
        parts(visited=tally(REACHED, TOUCHED, SURE, came_after_touch()), reached=tally(REACHED, TOUCHED, SURE)),
        percent("visited", "reached"), BY_SCENE, matures_days=SCENE_DAYS,
    ),
    Metric(
        "satisfaction", "满意度", "Satisfaction", RATIO,
        "到店后一题回访的平均分（1到5分）；另列4分及以上的人数。",
        "Average score (1 to 5) of the one question after a visit; with those who gave 4 or 5 beside it.",
        ("satisfaction",),
        parts(
            scores=tally(SCORES, func.sum(col(Satisfaction.score)), HEARD),
            answers=tally(SCORES, func.count(col(Satisfaction.id)), HEARD),
            content=tally(SCORES, func.sum(flag(col(Satisfaction.score) >= CONTENT)), HEARD),
        ),
        per("scores", "answers"), (STAFF, DEPARTMENT, STORE),
    ),
    Metric(
        "complaints_per_1000", "千人投诉数", "Complaints per 1,000", RATIO,
        "期间内的投诉数 ÷ 导购客群资产数 × 1000。",
        "Complaints of the period ÷ reachable contacts × 1,000.",
        ("contacts",), complaints, per_thousand, lower_is_better=True,
    ),
)  # fmt: skip
