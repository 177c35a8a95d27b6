"""Staff enter and leave the app's visible scope."""

from datetime import timedelta

from bot.jobs import NewJob, Priority, enqueue
from bot.router import Context, Router
from bot.wecom.events import MemberSubscribed, MemberUnsubscribed
from contacts.handover_jobs import FIND_UNASSIGNED
from contacts.models import Staff
from contacts.staff import SYNC

router = Router()


TOGETHER = 10
"""Seconds: who comes within them is pulled together, as soon as they are over."""
SETTLED = timedelta(seconds=10)
"""After so long the platform lists the customers of a member who left."""


@router.on(MemberSubscribed)
def member_came(_: MemberSubscribed, ctx: Context) -> None:
    """Somebody new: pull the staff again, after the moment in which a whole department may come."""
    now = ctx.now.replace(microsecond=0)
    at = now + timedelta(seconds=TOGETHER - now.second % TOGETHER)
    key = f"{SYNC}:{at:%Y-%m-%dT%H:%M:%S}"
    job = NewJob(key=key, kind=SYNC, lane=SYNC, priority=Priority.SYNC, created_at=ctx.now, run_at=at)
    enqueue(ctx.session, job)


@router.on(MemberUnsubscribed)
def member_left(event: MemberUnsubscribed, ctx: Context) -> None:
    """A member left the scope: she stays on record, inactive."""
    staff = ctx.session.get(Staff, event.userid)
    if staff:
        staff.active = False
        ctx.session.add(staff)
    key, run_at = f"{FIND_UNASSIGNED}:{ctx.event_id}", ctx.now + SETTLED
    enqueue(ctx.session, NewJob(key, FIND_UNASSIGNED, ctx.now, FIND_UNASSIGNED, priority=Priority.SYNC, run_at=run_at))
