"""Staff enter and leave the app's visible scope."""

from bot.jobs import NewJob, Priority, enqueue
from bot.router import Context, Router
from bot.wecom.events import MemberSubscribed, MemberUnsubscribed
from contacts.models import Staff
from contacts.staff import SYNC

router = Router()


@router.on(MemberSubscribed)
def member_came(_: MemberSubscribed, ctx: Context) -> None:
    """Somebody new: pull the staff again, once for all who come in the same minute."""
    minute = f"{ctx.now:%Y-%m-%dT%H:%M}"
    job = NewJob(key=f"{SYNC}:{minute}", kind=SYNC, lane=SYNC, priority=Priority.SYNC, created_at=ctx.now)
    enqueue(ctx.session, job)


@router.on(MemberUnsubscribed)
def member_left(event: MemberUnsubscribed, ctx: Context) -> None:
    """A member left the scope: she stays on record, inactive."""
    staff = ctx.session.get(Staff, event.userid)
    if staff:
        staff.active = False
        ctx.session.add(staff)
