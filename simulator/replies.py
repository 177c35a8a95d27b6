"""Passive replies: what a bot may answer a callback with instead of nothing (wecom-api §1.5)."""

import logging
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict

from bot.wecom.crypto import Crypto, Rejected
from simulator.corp import Corp
from simulator.windows import cut_to, media_of, show

TEXT_BYTES = 2048
MAX_ARTICLES = 8
ENVELOPE = ("Encrypt", "MsgSignature", "TimeStamp", "Nonce")

log = logging.getLogger(__name__)


class NoReply(Exception):
    """A body that is no passive reply; the platform ignores it, we say why."""


def take_reply(corp: Corp, crypto: Crypto, userid: str, body: bytes) -> None:
    """Show the reply in a 200 answer's body to the member; log one the platform would ignore."""
    if not body:
        return
    try:
        reply = open_reply(corp, crypto, userid, body)
        msgtype, content = content_of(corp, reply)
    except NoReply as error:
        log.warning("The answer to %s's callback is ignored: %s: %r", userid, error, body[:200])
    else:
        show(corp, userid, msgtype, content)


def open_reply(corp: Corp, crypto: Crypto, userid: str, body: bytes) -> dict[str, Any]:
    """Fields of the inner document, from the company to the member. Raises `NoReply`."""
    envelope = fields_of(body)
    if not all(isinstance(envelope.get(name), str) for name in ENVELOPE):
        raise NoReply(f"it is no envelope of {', '.join(ENVELOPE)}")
    try:
        inner = crypto.decrypt(envelope["Encrypt"], envelope["MsgSignature"], envelope["TimeStamp"], envelope["Nonce"])
    except Rejected as error:
        raise NoReply(f"{error.reason} is wrong") from error
    reply = fields_of(inner.encode())
    if reply.get("ToUserName") != userid or reply.get("FromUserName") != corp.corp_id:
        raise NoReply("ToUserName must be the member and FromUserName the company")
    return reply


def fields_of(xml: bytes) -> dict[str, Any]:
    """The children of the `xml` element. Raises `NoReply`."""
    try:
        fields = xmltodict.parse(xml, force_list=("item",)).get("xml")
    except (ExpatError, ValueError) as error:
        raise NoReply("it is no XML") from error
    if not isinstance(fields, dict):
        raise NoReply("it has no xml element")
    return fields


def content_of(corp: Corp, reply: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Message type and content, named as message/send names them. Raises `NoReply`."""
    msgtype = str(reply.get("MsgType"))
    if msgtype == "text" and reply.get("Content"):
        return msgtype, {"content": cut_to(reply["Content"], TEXT_BYTES)}
    if msgtype in {"image", "voice", "video"}:
        given = reply.get(msgtype.capitalize()) or {}
        if media_of(corp, given.get("MediaId"), msgtype) is None:
            raise NoReply(f"MediaId {given.get('MediaId')!r} is no {msgtype}")
        names = {"media_id": "MediaId", "title": "Title", "description": "Description"}
        return msgtype, {name: given[element] for name, element in names.items() if given.get(element)}
    articles = (reply.get("Articles") or {}).get("item") or []
    if msgtype == "news" and 1 <= len(articles) <= MAX_ARTICLES:
        names = {"title": "Title", "description": "Description", "picurl": "PicUrl", "url": "Url"}
        return msgtype, {
            "articles": [{name: one.get(element) or "" for name, element in names.items()} for one in articles]
        }
    raise NoReply(f"MsgType {msgtype} with this content is not taken here")
