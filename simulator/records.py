"""What the platform keeps about customers: ties, tags, groups, mass sends, transfers, links, counters."""

from collections import UserDict, defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal

TransferStatus = Literal[1, 2, 3, 4]
"""1 done, 2 waiting, 3 refused, 4 the takeover member is full."""


@dataclass
class Follow:
    """One member's tie to one customer."""

    userid: str
    external_userid: str
    createtime: int
    remark: str = ""
    description: str = ""
    remark_corp_name: str = ""
    remark_mobiles: list[str] = field(default_factory=list)
    tag_ids: list[str] = field(default_factory=list)
    add_way: int = 1
    state: str = ""
    oper_userid: str = ""
    half: bool = False
    """The member has not confirmed yet: other APIs on the pair answer 84061."""
    deleted_by_customer: bool = False
    """A one-way relation remains: the APIs still answer."""
    chatted: bool = False
    chatted_at: int = 0
    written: int = 0
    """How many messages the customer wrote; nobody sees the words."""
    personal_tags: list[str] = field(default_factory=list)
    link_id: str = ""
    """The acquisition link this tie came by."""
    welcome_code: str | None = None
    """The code of the latest add event; None when none was issued."""


class Follows(UserDict[tuple[str, str], Follow]):
    """Every tie by (userid, external_userid), found by customer and by member without a search."""

    def __init__(self) -> None:
        self.by_member: defaultdict[str, dict[str, Follow]] = defaultdict(dict)
        self.by_customer: defaultdict[str, dict[str, Follow]] = defaultdict(dict)
        self.chatted: set[tuple[str, str]] = set()
        super().__init__()

    def __setitem__(self, key: tuple[str, str], follow: Follow) -> None:
        userid, external_userid = key
        super().__setitem__(key, follow)
        self.by_member[userid][external_userid] = follow
        self.by_customer[external_userid][userid] = follow
        # That two people have chatted outlives their tie: the next add of the same pair brings no welcome code.
        follow.chatted = follow.chatted or key in self.chatted

    def __delitem__(self, key: tuple[str, str]) -> None:
        userid, external_userid = key
        if self[key].chatted:
            self.chatted.add(key)
        super().__delitem__(key)
        del self.by_member[userid][external_userid], self.by_customer[external_userid][userid]


@dataclass
class Customer:
    """An external contact, with what the customer's own window has received."""

    external_userid: str
    name: str
    type: int = 1
    gender: int = 0
    unionid: str = ""
    phone: str = ""
    corp_name: str = ""
    """Of a WeCom user of another company (type 2)."""
    position: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    """{n, at, userid, source, msgtype, body}, oldest first; source is welcome, console_welcome or group_send."""


@dataclass
class Tag:
    """A corp tag; `creator` is the agent id that made it, None for the console."""

    id: str
    name: str
    group_id: str
    order: int = 0
    create_time: int = 0
    creator: int | None = None
    deleted: bool = False


@dataclass
class TagGroup:
    """A group of corp tags."""

    id: str
    name: str
    order: int = 0
    create_time: int = 0
    creator: int | None = None
    deleted: bool = False


@dataclass
class Transfer:
    """One customer on the way from one member to another; done 24 hours after it began unless refused."""

    handover: str
    takeover: str
    external_userid: str
    started: int
    resigned: bool = False
    status: TransferStatus = 2
    takeover_time: int = 0


@dataclass
class GroupMember:
    """Somebody in a customer group: `type` 1 a member of staff, 2 an external contact."""

    id: str
    type: int
    join_time: int
    join_scene: int = 1
    """1 invited, 2 link, 3 QR code."""
    state: str = ""


@dataclass
class Group:
    """A customer group (客户群)."""

    chat_id: str
    name: str
    owner: str
    create_time: int
    opengid: str
    notice: str = ""
    members: dict[str, GroupMember] = field(default_factory=dict)
    admins: list[str] = field(default_factory=list)
    status: int = 0
    """0 normal, 1 the owner has left, 2 being inherited, 3 inherited."""
    version: str = ""
    dismissed: bool = False


@dataclass
class SendTask:
    """One member's part of a mass send: recipients, and once confirmed what became of each."""

    userid: str
    recipients: list[str]
    send_time: int = 0
    results: dict[str, int] = field(default_factory=dict)
    """By external_userid or chat_id: 1 sent, 2 no longer a friend, 3 had this month's share already."""


@dataclass
class GroupSend:
    """A mass send (企业群发): tasks its members have to confirm."""

    msgid: str
    chat_type: str
    """single or group."""
    create_time: int
    created: float
    """Clock seconds that never jump."""
    content: dict[str, Any]
    """`text` and `attachments` as they were given."""
    tasks: dict[str, SendTask]
    cancelled: bool = False
    reminded: list[int] = field(default_factory=list)


@dataclass
class DayCount:
    """What one member did on one day, as the statistics count it: numbers, never words."""

    applies: int = 0
    contacts: int = 0
    negatives: int = 0
    messages: int = 0
    chats: set[str] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    """When a customer wrote first that day."""
    replied: dict[str, int] = field(default_factory=dict)
    """Seconds to the first reply."""


@dataclass
class Link:
    """A customer-acquisition link (获客链接)."""

    link_id: str
    name: str
    url: str
    create_time: int
    users: list[str]
    departments: list[int]
    skip_verify: bool = True
    mark_source: bool = True
    priority: dict[str, Any] | None = None
