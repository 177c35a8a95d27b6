"""Customers come and go."""

from zoneinfo import ZoneInfo

from sqlmodel import col, select

from bot.jobs import NewJob, Priority, insert
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
    TransferFailed,
)
from contacts.changes import OURS, Followed, customer_of, follow, follow_users_of, kind_before, lose
from contacts.channel_marks import marks_of
from contacts.domain_events import DomainEvent
from contacts.fetching import ask_to_fetch, fetch_job
from contacts.handover import settle_transfer, transfer_failed
from contacts.losses import notice
from contacts.models import CUSTOMER, STAFF, TRANSFER, TRANSFERRED_IN, Staff
from contacts.tombstones import erased_after
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
    """Put the add on record, greet, and tell both members of a shared customer who answers for her.

    An add from before she was erased, delivered late, leaves nothing.
    """
    if erased_after(ctx.session.connection(), event.external_userid, event.created_at):
        return
    followed = follow(
        ctx.session,
        event.userid,
        event.external_userid,
        at=event.created_at,
        state=event.state,
        half=half,
        event_id=ctx.event_id,
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
        if followed.change == TRANSFERRED_IN and not event.welcome_code:
            settle_transfer(ctx.session, followed.customer_id, event.created_at, ctx.now)
            ask_to_fetch(ctx.session, event.external_userid, str(ctx.event_id), ctx.now)
            return  # handed over by us: nothing to greet for, nothing to tell
        greeting = welcome(ctx.session, add, followed, zone, ctx.settings.welcome_seconds)
        # One statement for all that an add leaves to do, the welcome first: campaigns bring hundreds a second.
        # Half adds answer 84061 to every question: they are asked about once they are whole.
        asking = [] if half else [fetch_job(event.external_userid, str(ctx.event_id), ctx.now)]
        if jobs := [*greeting, *asking, *follow_up(event, followed, ctx)]:
            insert(ctx.session, jobs)
        if followed.kind == OURS and not followed.confirmed:
            tell_shared(ctx, event.userid, followed, zone)


def follow_up(event: Added, followed: Followed, ctx: Context) -> list[NewJob]:
    """What an add leaves to do once the tie is whole: the channel's marks, and the news for whoever has rules."""
    if not followed.begun:
        return []
    facts = {
        "userid": event.userid,
        "kind": followed.kind,
        "state": followed.state,
        "channel_id": followed.source.channel_id,
    }
    news = DomainEvent("friend_added", followed.customer_id, event.created_at, str(ctx.event_id), facts)
    return [*marks_of(followed, event.userid, event.external_userid, ctx.event_id, ctx.now), news.job()]


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
        zone = ZoneInfo(ctx.settings.timezone)
        insert(ctx.session, welcome(ctx.session, add, followed, zone, ctx.settings.welcome_seconds))


@router.on(DeletedByCustomer)
def customer_left(event: DeletedByCustomer, ctx: Context) -> None:
    """The customer deleted the member."""
    ended(event, ctx, CUSTOMER)


@router.on(DeletedByStaff)
def customer_dropped(event: DeletedByStaff, ctx: Context) -> None:
    """The member deleted the customer, or a transfer took her."""
    ended(event, ctx, TRANSFER if event.source else STAFF)


def ended(event: DeletedByCustomer | DeletedByStaff, ctx: Context, by: str) -> None:
    """Put the end of a tie on record. A loss is told; a customer who was handed over is not lost."""
    at = event.created_at
    lost = lose(ctx.session, event.userid, event.external_userid, by=by, at=at, event_id=ctx.event_id)
    if lost and by == TRANSFER:
        settle_transfer(ctx.session, lost.customer_id, at, ctx.now)
    elif lost:
        facts = {"userid": lost.userid, "by": by}
        news = DomainEvent("customer_lost", lost.customer_id, at, str(ctx.event_id), facts)
        polite = polite_time(ctx.now, ZoneInfo(ctx.settings.timezone))
        insert(ctx.session, [news.job(), notice(lost, ctx.event_id, ctx.now, polite)])


@router.on(TransferFailed)
def not_taken_over(event: TransferFailed, ctx: Context) -> None:
    """A customer could not be handed over: whoever asked is told."""
    with speaking(ctx.settings.language):
        transfer_failed(ctx.session, event, ctx.now, polite_time(ctx.now, ZoneInfo(ctx.settings.timezone)))
