"""Customers come and go."""

from zoneinfo import ZoneInfo

from sqlmodel import col, select

from bot.jobs import Priority
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import (
    Added,
    AuditApproved,
    DeletedByCustomer,
    DeletedByStaff,
    ExternalContactAdded,
    ExternalContactHalfAdded,
)
from contacts.changes import OURS, Followed, customer_of, follow, follow_users_of, kind_before, lose
from contacts.models import CUSTOMER, STAFF, TRANSFER, Staff
from sop.calendar import polite_time
from sop.models import NOT_SENT, Welcome
from sop.welcome import Add, welcome

router = Router()


@router.on(ExternalContactHalfAdded)
def friend_half_added(event: ExternalContactHalfAdded, ctx: Context) -> None:
    """A customer added a member with 免验证: greet now; the record knows it is half."""
    added(event, ctx, half=True)


@router.on(ExternalContactAdded)
def friend_added(event: ExternalContactAdded, ctx: Context) -> None:
    """A customer and a member became contacts, or a half add was confirmed."""
    added(event, ctx, half=False)


def added(event: Added, ctx: Context, *, half: bool) -> None:
    """Put the add on record, greet, and tell both members of a shared customer who answers for her."""
    followed = follow(
        ctx.session, event.userid, event.external_userid, at=event.created_at, state=event.state, half=half
    )
    add = Add(
        ctx.event_id,
        event.userid,
        event.external_userid,
        followed.state,
        half,
        event.welcome_code,
        ctx.received_at,
    )
    zone = ZoneInfo(ctx.settings.timezone)
    with speaking(ctx.settings.language):
        welcome(ctx.session, add, followed, zone, ctx.settings.welcome_seconds)
        if followed.kind == OURS and not followed.confirmed:
            tell_shared(ctx, event.userid, followed, zone)


def tell_shared(ctx: Context, newcomer: str, followed: Followed, zone: ZoneInfo) -> None:
    """Say to every member who has this customer who is her main contact."""
    ties = follow_users_of(ctx.session, followed.customer_id)
    userids = [tie.userid for tie in ties if tie.lost_at is None]
    staff = ctx.session.exec(select(Staff).where(col(Staff.userid).in_({*userids, followed.main_userid}))).all()
    names = {one.userid: one.name for one in staff}
    text = _(
        "A customer you share was just added by {newcomer} too. Main contact: {main}. One of you writes, not both."
    )
    main = names.get(followed.main_userid, followed.main_userid)
    text = text.format(newcomer=names.get(newcomer, newcomer), main=main)
    for userid in userids:
        cause = f"shared:{ctx.event_id}:{userid}"
        at = polite_time(ctx.now, zone)
        say(ctx.session, userid, text, cause=cause, now=at, priority=Priority.PUSH, lane=f"push:{userid}")


@router.on(AuditApproved)
def archive_agreed(event: AuditApproved, ctx: Context) -> None:
    """The customer agreed to the session archive: her consent brings a code of its own if no welcome went out."""
    customer = customer_of(ctx.session, event.external_userid)
    if customer is None:
        return
    ties = follow_users_of(ctx.session, customer.id or 0)
    mine = next((tie for tie in ties if tie.userid == event.userid), None)
    greeted = select(Welcome).where(
        Welcome.external_userid == event.external_userid, Welcome.userid == event.userid, Welcome.outcome != NOT_SENT
    )
    if mine is None or (ctx.session.exec(greeted)).first():
        return
    kind = kind_before(ties, event.userid)
    followed = Followed(customer.id or 0, customer.main_userid or "", mine.state, kind, confirmed=False)
    add = Add(
        ctx.event_id,
        event.userid,
        event.external_userid,
        mine.state,
        mine.half,
        event.welcome_code,
        ctx.received_at,
    )
    with speaking(ctx.settings.language):
        welcome(ctx.session, add, followed, ZoneInfo(ctx.settings.timezone), ctx.settings.welcome_seconds)


@router.on(DeletedByCustomer)
def customer_left(event: DeletedByCustomer, ctx: Context) -> None:
    """The customer deleted the member."""
    lose(ctx.session, event.userid, event.external_userid, by=CUSTOMER, at=event.created_at)


@router.on(DeletedByStaff)
def customer_dropped(event: DeletedByStaff, ctx: Context) -> None:
    """The member deleted the customer, or a transfer took her."""
    by = TRANSFER if event.source else STAFF
    lose(ctx.session, event.userid, event.external_userid, by=by, at=event.created_at)
