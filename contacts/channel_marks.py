"""What a channel leaves on its customers: tags and a remark, after the welcome and never before the tie is whole."""

from datetime import datetime

from bot.jobs import NewJob
from contacts.changes import Followed

APPLY_CHANNEL = "apply_channel"
"""The kind of job that puts a channel's tags and remark on a customer."""


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
