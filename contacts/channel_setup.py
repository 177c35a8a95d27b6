"""Channels made and kept on the platform: what a manager saves is checked here, then carried out by jobs.

The row says how the channel shall be; the job makes the platform's contact way or acquisition link like it. What the
platform refuses stands in `Channel.problem`, in words a manager can act upon.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import update
from sqlmodel import Session, col

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Runner, Then, enqueue
from bot.language import gettext as _
from bot.language import speaking
from bot.wecom.errors import WeComError
from contacts.channel_draft import ChannelDraft, check
from contacts.channels import CONTACT_WAY, OTHER, SOURCES, Channel

SET_UP, FETCH_QR = "set_up_channel", "fetch_qr"
"""The kinds of job that make the platform like the row, and fetch the QR code's image."""
QR_TIME = timedelta(hours=1)
"""How long the image is asked for."""
LOST_ANSWER = timedelta(minutes=10)
"""What was made since this long before the job may be what an attempt without an answer left."""
QR_CODE = 2
UNKNOWN_WAY, UNKNOWN_LINK = 41044, 40058


def save_channel(session: Session, draft: ChannelDraft, now: datetime, channel_id: int | None = None) -> Channel:
    """Make a channel, or change one, and have the platform follow. Raises `ChannelRefused` with every mistake."""
    channel = session.get(Channel, channel_id) if channel_id else None
    check(session, draft, channel)
    channel = channel or Channel(name=draft.name, state=draft.state, created_at=now)
    for name, value in draft.model_dump().items():
        setattr(channel, name, value)
    channel.active, channel.problem = True, ""
    session.add(channel)
    session.flush()
    SOURCES.forget()
    ask(session, channel, now)
    return channel


def close_channel(session: Session, channel: Channel, now: datetime) -> None:
    """Take a channel out of use: its code or link stops working; what came through it stays its own."""
    channel.active = False
    session.add(channel)
    ask(session, channel, now)


def ask(session: Session, channel: Channel, now: datetime) -> None:
    """Have the platform made like the row. A state somebody else made is nothing of the platform's."""
    if channel.kind != OTHER:
        key, lane = f"{SET_UP}:{channel.id}:{now.isoformat()}", f"channel:{channel.id}"
        enqueue(session, NewJob(key, SET_UP, now, lane, {"channel_id": channel.id}))


def set_up_channel(
    gateway: Gateway, database: Database, clock: Clock, language: str
) -> Callable[[Job], Awaitable[Done]]:
    """The runner that makes the platform's contact way or link like the row."""

    async def run(job: Job) -> Done:
        channel = await database.read(lambda session: session.get(Channel, job.payload["channel_id"]))
        if channel is None:
            return Done("the channel is gone")
        try:
            values = await (way_of if channel.kind == CONTACT_WAY else link_of)(gateway, channel, job)
        except WeComError as error:
            if not error.permanent:
                raise
            with speaking(language):
                values = {"problem": sentence(error)}
        return Done("refused" if values.get("problem") else "set up", then=keep(channel, values, clock))

    return run


def keep(channel: Channel, values: dict[str, Any], clock: Clock) -> Then:
    """Write down what the platform made of a channel, and fetch the image of a new QR code."""

    def then(session: Session) -> None:
        session.execute(update(Channel).where(col(Channel.id) == channel.id).values({"problem": "", **values}))
        if values.get("config_id"):
            now, payload = clock.now(), {"channel_id": channel.id, "url": values["url"]}
            key, lane = f"{FETCH_QR}:{values['config_id']}", f"channel:{channel.id}"
            enqueue(session, NewJob(key, FETCH_QR, now, lane, payload, Priority.PUSH, deadline=now + QR_TIME))

    return then


async def way_of(gateway: Gateway, channel: Channel, job: Job) -> dict[str, Any]:
    """Make, change or delete the contact way; answers the columns to keep."""
    way = {
        "remark": channel.name,
        "skip_verify": channel.skip_verify,
        "state": channel.state,
        "user": channel.userids,
        "party": channel.departments,
    }
    if channel.config_id:
        if channel.active:
            await gateway.update_contact_way(channel.config_id, way)
            return {}
        await gone_is_fine(gateway.delete_contact_way(channel.config_id), UNKNOWN_WAY)
        return {"config_id": None, "url": "", "qr_image": None}
    if not channel.active:
        return {}
    made = await way_left(gateway, channel, job) if job.unanswered else None
    made = made or await gateway.add_contact_way({"type": 2 if channel.multi else 1, "scene": QR_CODE, **way})
    return {"config_id": made.config_id, "url": made.qr_code}


async def way_left(gateway: Gateway, channel: Channel, job: Job) -> Any:
    """The contact way that an attempt without an answer made, if it did: the one with our state."""
    cursor = ""
    while True:
        page = await gateway.contact_ways(job.created_at - LOST_ANSWER, cursor)
        for one in page.ways:
            way = await gateway.contact_way(one.config_id)
            if way.state == channel.state:
                return way
        cursor = page.next_cursor
        if not cursor:
            return None


async def link_of(gateway: Gateway, channel: Channel, job: Job) -> dict[str, Any]:
    """Make, change or delete the acquisition link; answers the columns to keep."""
    link = {
        "link_name": channel.name,
        "range": {"user_list": channel.userids, "department_list": channel.departments},
        "skip_verify": channel.skip_verify,
    }
    if channel.link_id:
        if channel.active:
            await gateway.update_link(channel.link_id, link)
            return {}
        await gone_is_fine(gateway.delete_link(channel.link_id), UNKNOWN_LINK)
        return {"link_id": None, "url": ""}
    if not channel.active:
        return {}
    made = await link_left(gateway, channel, job) if job.unanswered else None
    made = made or await gateway.create_link(link)
    return {"link_id": made.link_id, "url": f"{made.url}?customer_channel={quote(channel.state, safe='')}"}


async def link_left(gateway: Gateway, channel: Channel, job: Job) -> Any:
    """The link that an attempt without an answer made, if it did: one of our name that is no older than the job."""
    cursor = ""
    while True:
        page = await gateway.links(cursor)
        for link_id in page.link_ids:
            link = await gateway.link(link_id)
            if link.link_name == channel.name and link.create_time >= job.created_at - LOST_ANSWER:
                return link
        cursor = page.next_cursor
        if not cursor:
            return None


async def gone_is_fine(deletion: Awaitable[None], unknown: int) -> None:
    """Delete; what is unknown to the platform is deleted already."""
    try:
        await deletion
    except WeComError as error:
        if error.errcode != unknown:
            raise


def sentence(error: WeComError) -> str:
    """Why the platform refused a channel, and what to do about it."""
    known = {
        41041: _("Too many members: at most 100, departments counted out. Take some away."),
        41044: _("The contact way was deleted in the admin console. Close this channel and make a new one."),
        41045: _("The company has its 500,000 contact ways. Close channels that are no longer used."),
        41054: _("A member is not activated, or has no 客户联系. Have her log in to WeCom, or name somebody else."),
        41095: _("The company has too many acquisition links. Close channels that are no longer used."),
        41200: _("Acquisition links (获客助手) are not open to this company's line of business."),
        60011: _("A member or department lies outside the app's visible scope. Widen it in the admin console."),
        84074: _("A member has no 客户联系. Switch it on in the admin console, or name somebody else."),
    }
    other = _("WeCom refused the channel: {error}. Check members and departments, then save it again.")
    return known.get(error.errcode) or other.format(error=f"{error.errcode} {error.errmsg[:80]}")


def fetch_qr(gateway: Gateway, language: str) -> Runner:
    """The runner that keeps the image of a QR code with its channel."""

    def store(session: Session, job: Job, **values: Any) -> None:
        session.execute(update(Channel).where(col(Channel.id) == job.payload["channel_id"]).values(values))

    async def run(job: Job) -> Done:
        image = await gateway.image(job.payload["url"])
        return Done("fetched", then=lambda session: store(session, job, qr_image=image))

    def given_up(session: Session, job: Job, _reason: str) -> None:
        with speaking(language):
            problem = _("The image of the QR code could not be fetched; its address works all the same.")
        store(session, job, problem=problem)

    return Runner(run, given_up)
