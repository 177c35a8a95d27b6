"""Staff enter and leave the app's visible scope."""

from bot.jobs import Job, Priority, enqueue
from bot.router import Context, Router
from bot.wecom.events import MemberSubscribed, MemberUnsubscribed
from contacts.models import Staff
from contacts.staff import SYNC

router = Router()


@router.on(MemberSubscribed)
async def member_came(_: MemberSubscribed, ctx: Context) -> None:
    """Somebody new: pull the staff again, once for all who come in the same minute."""
    minute = f"{ctx.now:%Y-%m-%dT%H:%M}"
    job = Job(key=f"{SYNC}:{minute}", kind=SYNC, lane=SYNC, priority=Priority.SYNC, run_at=ctx.now, created_at=ctx.now)
    await enqueue(ctx.session, job)


@router.on(MemberUnsubscribed)
async def member_left(event: MemberUnsubscribed, ctx: Context) -> None:
    """A member left the scope: she stays on record, inactive."""
    staff = await ctx.session.get(Staff, event.userid)
    if staff:
        staff.active = False
        ctx.session.add(staff)
