"""What arrives by callback, typed (wecom-api §2 and §3).

`Incoming` fields carry the platform's names as aliases. `identity` lists the elements that tell one event from another;
`dedupe_key` joins them, so a redelivery is the same event and two people in one second are two.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from bot.wecom.crypto import Rejected

MAX_KEY = 200
"""Longest dedupe key kept as it is; a longer one is hashed."""
MAX_ID = 512
"""Characters of the longest id we take; the platform's own have a tenth, and ids become parts of indexed columns."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What the platform calls a message or an event; it becomes part of keys and log lines."""


def seconds(value: object) -> datetime:
    """CreateTime: whole seconds since 1970. Raises ValueError."""
    try:
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("no time") from error


def blank(value: object) -> object:
    """An empty element comes out of the parser as None."""
    return "" if value is None else value


def listed(value: object) -> list[Any]:
    """One child comes out of the parser alone, several as a list (wecom-api §13.3)."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


Text = Annotated[str, BeforeValidator(blank)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID)]
When = Annotated[datetime, BeforeValidator(seconds)]


class Incoming(BaseModel):
    """Anything that arrives: who it is from, and when the platform says it happened."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    identity: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[str] = ""

    created_at: When = Field(alias="CreateTime")


class Message(Incoming):
    """An ordinary message a member sends in the app's chat."""

    identity = ("MsgId",)
    userid: Id = Field(alias="FromUserName")
    msgid: Id = Field(alias="MsgId")


class TextMessage(Message):
    """What a member typed."""

    kind = "text"
    content: Text = Field(alias="Content", default="")


class ImageMessage(Message):
    """A picture; the file waits three days under its media id."""

    kind = "image"
    media_id: Id = Field(alias="MediaId")


class VoiceMessage(Message):
    """A voice message; no transcript is delivered."""

    kind = "voice"
    media_id: Id = Field(alias="MediaId")


class VideoMessage(Message):
    """A video."""

    kind = "video"
    media_id: Id = Field(alias="MediaId")


class ShortVideoMessage(Message):
    """A short video of older clients."""

    kind = "shortvideo"
    media_id: Id = Field(alias="MediaId")


class LocationMessage(Message):
    """A place; x is the latitude."""

    kind = "location"
    latitude: float = Field(alias="Location_X")
    longitude: float = Field(alias="Location_Y")
    label: Text = Field(alias="Label", default="")


class LinkMessage(Message):
    """A shared link."""

    kind = "link"
    title: Text = Field(alias="Title", default="")
    url: Text = Field(alias="Url", default="")


class AppEvent(Incoming):
    """Something a member did with the app."""

    identity = ("FromUserName", "EventKey", "CreateTime")
    userid: Id = Field(alias="FromUserName")


class MemberSubscribed(AppEvent):
    """A member came into the app's visible scope."""

    kind = "subscribe"


class MemberUnsubscribed(AppEvent):
    """A member left the visible scope, or the company."""

    kind = "unsubscribe"


class AgentEntered(AppEvent):
    """A member opened the app."""

    kind = "enter_agent"


class LocationReported(AppEvent):
    """Where a member is, if the app asks for it."""

    kind = "location_report"


class MenuClicked(AppEvent):
    """A menu button of type click."""

    kind = "click"
    key: Id = Field(alias="EventKey")


class MenuViewed(AppEvent):
    """A menu button that opens a page."""

    kind = "view"
    url: Text = Field(alias="EventKey", default="")


class CardEvent(Incoming):
    """A press on a card; `response_code` lets us update it once within 72 hours."""

    identity = ("FromUserName", "TaskId", "EventKey", "ResponseCode", "CreateTime")
    userid: Id = Field(alias="FromUserName")
    key: Text = Field(alias="EventKey", default="")
    task_id: Id = Field(alias="TaskId")
    card_type: Text = Field(alias="CardType", default="")
    response_code: Text = Field(alias="ResponseCode", default="")


def selections(value: object) -> dict[str, tuple[str, ...]]:
    """`SelectedItems` as {question key: option ids}. Raises ValueError."""
    items = value.get("SelectedItem") if isinstance(value, Mapping) else None
    chosen = {}
    for item in listed(items):
        if not isinstance(item, Mapping) or not item.get("QuestionKey"):
            raise ValueError("a selection without its QuestionKey")
        options = item.get("OptionIds")
        ids = options.get("OptionId") if isinstance(options, Mapping) else None
        chosen[str(item["QuestionKey"])] = tuple(str(one) for one in listed(ids))
    return chosen


class CardClicked(CardEvent):
    """A button or the submit button of an interactive card."""

    kind = "template_card_event"
    selected: Annotated[dict[str, tuple[str, ...]], BeforeValidator(selections)] = Field(
        alias="SelectedItems", default_factory=dict
    )


class CardMenuClicked(CardEvent):
    """An entry of a card's corner menu."""

    kind = "template_card_menu_event"


class ContactEvent(Incoming):
    """Something between a member and a customer; FromUserName is always `sys`."""

    identity = ("UserID", "ExternalUserID", "CreateTime")
    userid: Id = Field(alias="UserID")
    external_userid: Id = Field(alias="ExternalUserID")


class Added(ContactEvent):
    """What the two kinds of add share."""

    state: Text = Field(alias="State", default="")
    welcome_code: Text = Field(alias="WelcomeCode", default="")


class ExternalContactAdded(Added):
    """Member and customer are contacts now."""

    kind = "change_external_contact.add_external_contact"


class ExternalContactHalfAdded(Added):
    """The customer added a member who has 免验证; the member has not confirmed yet."""

    kind = "change_external_contact.add_half_external_contact"


class ExternalContactEdited(ContactEvent):
    """The member changed remark, tags or phones in the client; what changed has to be asked for."""

    kind = "change_external_contact.edit_external_contact"


class DeletedByStaff(ContactEvent):
    """The member deleted the customer, or a transfer did (`source`)."""

    kind = "change_external_contact.del_external_contact"
    source: Text = Field(alias="Source", default="")


class DeletedByCustomer(ContactEvent):
    """The customer deleted the member."""

    kind = "change_external_contact.del_follow_user"


class TransferFailed(ContactEvent):
    """An assigned customer could not be taken over."""

    kind = "change_external_contact.transfer_fail"
    reason: Text = Field(alias="FailReason", default="")


class AuditApproved(ContactEvent):
    """The customer agreed to the session archive; a new welcome code comes with it."""

    kind = "change_external_contact.msg_audit_approved"
    welcome_code: Text = Field(alias="WelcomeCode", default="")


class GroupEvent(Incoming):
    """Something about a customer group."""

    identity = ("ChatId", "UpdateDetail", "CurMemVer", "CreateTime")
    chat_id: Id = Field(alias="ChatId")


class GroupCreated(GroupEvent):
    """A customer group was made."""

    kind = "change_external_chat.create"


def ids_listed(value: object) -> tuple[str, ...]:
    """`MemChangeList` as ids; a shape we do not know holds nobody."""
    items = value.get("Item") if isinstance(value, Mapping) else value
    return tuple(str(one) for one in listed(items) if isinstance(one, str))


class GroupUpdated(GroupEvent):
    """Members, owner, name or notice changed; versions and people come with member changes only."""

    kind = "change_external_chat.update"
    detail: Text = Field(alias="UpdateDetail", default="")
    join_scene: Text = Field(alias="JoinScene", default="")
    """0 invited by a member, 3 by QR code."""
    before: Text = Field(alias="LastMemVer", default="")
    after: Text = Field(alias="CurMemVer", default="")
    people: Annotated[tuple[str, ...], BeforeValidator(ids_listed)] = Field(alias="MemChangeList", default=())


class GroupDismissed(GroupEvent):
    """A customer group is gone."""

    kind = "change_external_chat.dismiss"


class TagEvent(Incoming):
    """Something about a corp tag or a tag group."""

    identity = ("Id", "TagType", "StrategyId", "CreateTime")
    id: Text = Field(alias="Id", default="")
    tag_type: Text = Field(alias="TagType", default="")


class CorpTagCreated(TagEvent):
    """A tag or group was made in the console."""

    kind = "change_external_tag.create"


class CorpTagUpdated(TagEvent):
    """A tag or group was renamed."""

    kind = "change_external_tag.update"


class CorpTagDeleted(TagEvent):
    """A tag or group was removed; a group's tags get no event of their own."""

    kind = "change_external_tag.delete"


class CorpTagsShuffled(TagEvent):
    """The order changed; an empty id means that of the groups."""

    kind = "change_external_tag.shuffle"


class OtherEvent(Incoming):
    """An event without a class of its own here: documented ones nobody handles yet, and unknown ones."""

    name: str


def subclasses(of: type[Incoming]) -> Iterator[type[Incoming]]:
    """Every class below `of`."""
    for child in of.__subclasses__():
        yield child
        yield from subclasses(child)


TYPES: dict[str, type[Incoming]] = {cls.kind: cls for cls in subclasses(Incoming) if cls.kind}

DOCUMENTED = frozenset({
    "view_miniprogram", "scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin",
    "location_select", "batch_job_result", "upload_media_job_finish", "switch_workbench_mode", "open_approval_change",
    "sys_approval_change", "share_agent_change", "share_chain_change", "inactive_alert", "low_active_alert",
    "close_inactive_agent", "reopen_inactive_agent", "low_active", "active_restored", "kf_msg_or_event",
    "taskcard_click",
    *(f"customer_acquisition.{change}" for change in (
        "balance_low", "balance_exhausted", "balance_increased", "quota_expire_soon", "link_unavailable",
        "delete_link", "open_profile", "friend_request", "customer_start_chat", "message_from_customer",
    )),
    *(f"change_contact.{change}" for change in (
        "create_user", "update_user", "delete_user", "create_party", "update_party", "delete_party", "update_tag",
    )),
})  # fmt: skip
"""Kinds the platform documents and we only store so far."""


def kind_of(fields: Mapping[str, object]) -> str:
    """The event's name: MsgType for a message, Event or Event.ChangeType for an event. Raises `Rejected`."""
    msgtype = name_in(fields, "MsgType")
    if msgtype != "event":
        if not msgtype:
            raise Rejected("MsgType")
        return msgtype
    event = name_in(fields, "Event")
    if not event:
        raise Rejected("Event")
    if event == "location":  # the only event that shares its name with a message
        return LocationReported.kind
    change = name_in(fields, "ChangeType")
    return f"{event}.{change}" if change else event


def name_in(fields: Mapping[str, object], element: str) -> str:
    """The name in an element, in lower case; empty when it is absent. Raises `Rejected`."""
    name = fields.get(element) or ""
    if name and not (isinstance(name, str) and NAME.fullmatch(name)):
        raise Rejected(element)
    return str(name).lower()


def read(fields: Mapping[str, object]) -> Incoming:
    """The typed event. Raises `Rejected` naming the first field that is missing or wrong."""
    kind = kind_of(fields)
    cls = TYPES.get(kind)
    try:
        return cls.model_validate(fields) if cls else OtherEvent.model_validate({**fields, "name": kind})
    except ValidationError as error:
        raise Rejected(str(error.errors()[0]["loc"][0])) from error


def dedupe_key(fields: Mapping[str, object]) -> str:
    """What is the same for every delivery of one event and for no other event.

    FromUserName + CreateTime, the usual advice, is not enough: customer events all come from "sys", and two customers
    can be added within the same second (wecom-api §1.4). A kind without a class is told apart by its whole content.
    """
    kind = kind_of(fields)
    cls = TYPES.get(kind)
    if cls is None:
        return f"{kind}:{digest(json.dumps(fields, sort_keys=True, ensure_ascii=False, default=str))}"
    key = ":".join((kind, *(str(fields.get(name) or "") for name in cls.identity)))
    return key if len(key) <= MAX_KEY else f"{kind}:{digest(key)}"


def digest(text: str) -> str:
    """A short stable hash."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
