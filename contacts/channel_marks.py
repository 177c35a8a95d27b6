"""What a channel leaves on its customers: tags and a remark, after the welcome and never before the tie is whole."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, enqueue
from bot.wecom.errors import NoRelation
from contacts.changes import Followed
from contacts.channels import Channel
from contacts.models import FollowUser
from contacts.names import hear
from contacts.tag_push import Pair, lane_of
from contacts.tagging import Why, change_tags
from contacts.tags import CHANNEL

APPLY_CHANNEL, PUT_REMARK = "apply_channel", "put_remark"
"""The kinds of job that put a channel's tags on a customer, and its remark."""
MOST_REMARK = 20
"""Characters of a remark on the platform."""


def pair_lane(userid: str, external_userid: str) -> str:
    """The lane of what is done to a pair by its add: the welcome, then the marks."""
    return f"pair:{userid}:{external_userid}"


def marks_of(followed: Followed, userid: str, external_userid: str, cause: int, now: datetime) -> list[NewJob]:
    """The job that marks a customer who just came through a channel, if there is anything to mark her with."""
    if not (followed.begun and followed.source.marks):
        return []
    payload = {
        "channel_id": followed.source.channel_id,
        "customer_id": followed.customer_id,
        "userid": userid,
        "external_userid": external_userid,
    }
    lane = pair_lane(userid, external_userid)
    return [NewJob(f"{APPLY_CHANNEL}:{cause}", APPLY_CHANNEL, now, lane, payload)]


def apply_channel(database: Database, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that marks a customer once her welcome is out: tags at once, the remark by a job of its own."""

    async def run(job: Job) -> Done:
        channel = await database.read(lambda session: session.get(Channel, job.payload["channel_id"]))
        if channel is None:
            return Done("the channel is gone")
        return Done("marked", then=lambda session: mark(session, job, channel, clock.now()))

    return run


def mark(session: Session, job: Job, channel: Channel, now: datetime) -> None:
    """Put the channel's tags on the pair and have its remark put before the name, if the two are contacts still."""
    pair = Pair(job.payload["customer_id"], job.payload["userid"])
    if not session.execute(select(col(FollowUser.id)).where(*tied(pair))).first():
        return
    if channel.tag_ids:
        change_tags(session, pair, Why(CHANNEL, now, cause=channel.name), add=channel.tag_ids)
    if channel.remark:
        # In the customer's lane: a fetch of her profile under way must not bring back the remark of before.
        lane, payload = lane_of(job.payload["external_userid"]), {**job.payload, "remark": channel.remark}
        enqueue(session, NewJob(f"{PUT_REMARK}:{job.id}", PUT_REMARK, now, lane, payload))


def put_remark(gateway: Gateway) -> Callable[[Job], Awaitable[Done]]:
    """The runner that puts the channel's words before what the member calls the customer."""

    async def run(job: Job) -> Done:
        userid, external_userid = job.payload["userid"], job.payload["external_userid"]
        try:
            contact = await gateway.customer(external_userid)
            called = next((one.remark for one in contact.follows if one.userid == userid), "") or contact.name
            if called.startswith(job.payload["remark"]):
                return Done("has it already")  # from an attempt of ours without an answer, or from the member herself
            remark = (job.payload["remark"] + called)[:MOST_REMARK]
            await gateway.remark(userid, external_userid, remark)
        except NoRelation:
            return Done("no contacts any more")
        pair = Pair(job.payload["customer_id"], userid)

        def keep(session: Session) -> None:
            session.execute(update(FollowUser).where(*tied(pair)).values(remark=remark))
            hear(session, [(pair.customer_id, remark)])

        return Done("remarked", then=keep)

    return run


def tied(pair: Pair) -> tuple[ColumnElement[bool], ...]:
    """The condition that picks the living tie of a pair."""
    customer_id, userid = pair
    return (
        col(FollowUser.customer_id) == customer_id,
        col(FollowUser.userid) == userid,
        col(FollowUser.lost_at).is_(None),
    )
