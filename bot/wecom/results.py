"""What the platform answers, typed: only the fields we use, each lenient about absence (wecom-api §6.1, §7.1, §9.1)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.wecom.events import seconds


def listed_userids(value: object) -> list[str]:
    """`invaliduser`: a |-joined string from message/send, an array from update_template_card."""
    if isinstance(value, str):
        return [one for one in value.split("|") if one]
    return [str(one) for one in value] if isinstance(value, list) else []


Userids = Annotated[list[str], BeforeValidator(listed_userids)]


class Result(BaseModel):
    """An answer; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Sent(Result):
    """message/send: partial failure is still errcode 0, so look at `invalid`."""

    msgid: str = ""
    response_code: str = ""
    invalid: Userids = Field(alias="invaliduser", default_factory=list)
    unlicensed: Userids = Field(alias="unlicenseduser", default_factory=list)


class Tag(Result):
    """A tag on a pair; type 1 corp, 2 personal (no id), 3 rule group."""

    group_name: str = ""
    tag_name: str = ""
    tag_id: str = ""
    type: int = 1


class Follow(Result):
    """One member's tie to the customer."""

    userid: str
    remark: str = ""
    description: str = ""
    createtime: Annotated[datetime, BeforeValidator(seconds)]
    tags: list[Tag] = Field(default_factory=list)
    remark_mobiles: list[str] = Field(default_factory=list)
    remark_corp_name: str = ""
    add_way: int = 0
    state: str = ""


class ExternalContact(Result):
    """A customer as `externalcontact/get` shows her."""

    external_userid: str
    name: str = ""
    type: int = 1
    gender: int = 0
    unionid: str = ""
    follows: list[Follow] = Field(default_factory=list)


class CorpTag(Result):
    """A corp tag; `deleted` shows only when it was asked for by id."""

    id: str
    name: str = ""
    order: int = 0
    deleted: bool = False


class CorpTagGroup(Result):
    """A group of corp tags with those asked for, or just made."""

    group_id: str
    group_name: str = ""
    order: int = 0
    deleted: bool = False
    tag: list[CorpTag] = Field(default_factory=list)


class FollowInfo(Follow):
    """A tie as `batch/get_by_user` shows it: ids of corp and rule-group tags only."""

    tag_id: list[str] = Field(default_factory=list)


class ListedCustomer(Result):
    """One tie with its customer."""

    contact: ExternalContact = Field(alias="external_contact")
    tie: FollowInfo = Field(alias="follow_info")


class FailInfo(Result):
    """Whom an answer leaves out."""

    unlicensed: list[str] = Field(alias="unlicensed_userid_list", default_factory=list)


class CustomerPage(Result):
    """batch/get_by_user: up to a hundred ties, and where to go on; no cursor at the end."""

    listed: list[ListedCustomer] = Field(alias="external_contact_list", default_factory=list)
    next_cursor: str = ""
    failed: FailInfo = Field(alias="fail_info", default_factory=FailInfo)


class ListedGroup(Result):
    """A customer group by its id."""

    chat_id: str


class GroupPage(Result):
    """groupchat/list: ids only."""

    chats: list[ListedGroup] = Field(alias="group_chat_list", default_factory=list)
    next_cursor: str = ""


class GroupPerson(Result):
    """Somebody in a customer group: `type` 1 a member of staff, 2 a customer; `join_scene` 1 invited, 2 link, 3 QR."""

    userid: str
    type: int = 2
    name: str = ""
    join_time: Annotated[datetime, BeforeValidator(seconds)]
    join_scene: int = 0
    state: str = ""


class Group(Result):
    """A customer group with everybody in it; `member_version` changes with every coming and going."""

    chat_id: str
    name: str = ""
    owner: str = ""
    notice: str = ""
    member_version: str = ""
    create_time: Annotated[datetime, BeforeValidator(seconds)]
    members: list[GroupPerson] = Field(alias="member_list", default_factory=list)


class Behavior(Result):
    """A member's day in numbers; rates are absent on days without chats."""

    day: Annotated[datetime, BeforeValidator(seconds)] = Field(alias="stat_time")
    chat_cnt: int | None = None
    message_cnt: int | None = None
    reply_percentage: float | None = None
    avg_reply_time: int | None = None
    negative_feedback_cnt: int | None = None
    new_apply_cnt: int | None = None
    new_contact_cnt: int | None = None


class ContactWay(Result):
    """A contact way as it was made; `type` 1 single, 2 multi."""

    config_id: str
    type: int = 1
    remark: str = ""
    skip_verify: bool = True
    state: str = ""
    qr_code: str = ""
    user: list[str] = Field(default_factory=list)
    party: list[int] = Field(default_factory=list)


class ContactWayPage(Result):
    """list_contact_way: ids only."""

    ways: list[ContactWay] = Field(alias="contact_way", default_factory=list)
    next_cursor: str = ""


class Link(Result):
    """A customer-acquisition link."""

    link_id: str = ""
    link_name: str = ""
    url: str = ""
    create_time: Annotated[datetime, BeforeValidator(seconds)]


class LinkPage(Result):
    """list_link: ids only."""

    link_ids: list[str] = Field(alias="link_id_list", default_factory=list)
    next_cursor: str = ""


class Handed(Result):
    """What became of asking for one customer's transfer; 0: begun."""

    external_userid: str
    errcode: int = 0


class HandOver(Result):
    """transfer_result: 1 done, 2 waiting, 3 refused by the customer, 4 the takeover member is full."""

    external_userid: str
    status: int
    takeover_time: int = 0


class HandOverPage(Result):
    """A page of transfer_result."""

    customers: list[HandOver] = Field(alias="customer", default_factory=list)
    next_cursor: str = ""


class Unassigned(Result):
    """A customer of a member who left."""

    handover_userid: str
    external_userid: str
    dimission_time: Annotated[datetime, BeforeValidator(seconds)]


class UnassignedPage(Result):
    """A page of get_unassigned_list."""

    customers: list[Unassigned] = Field(alias="info", default_factory=list)
    is_last: bool = True
    next_cursor: str = ""


class Department(Result):
    """A node of the company's tree."""

    id: int
    name: str = ""
    parentid: int = 0
    order: int = 0
    department_leader: list[str] = Field(default_factory=list)


class Member(Result):
    """A member of staff as a self-built app sees one."""

    userid: str
    name: str = ""
    department: list[int] = Field(default_factory=list)
    is_leader_in_dept: list[int] = Field(default_factory=list)
    main_department: int = 0
    status: int = 1
    alias: str = ""
    position: str = ""


class App(Result):
    """agent/get: what the app is allowed to see."""

    agentid: int
    name: str = ""
    close: int = 0
    allow_userinfos: dict[str, Any] = Field(default_factory=dict)
    allow_partys: dict[str, Any] = Field(default_factory=dict)
