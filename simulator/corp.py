"""The simulated company: its people, customers, apps and everything the platform keeps about them.

Plain state in memory, changed only by the platform's APIs (`simulator.apis`) and the control side (`simulator.control`).
"""

import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from bot.clock import Clock

CORP_ID = "ww5de0f00d5de0f00d"
AGENT_ID = 1000002
AGENT_SECRET = "demo-agent-secret-0000000000000000000000000"  # noqa: S105 - the demo's fixed values, no secret
CONTACTS_SECRET = "demo-contacts-secret-0000000000000000000000"  # noqa: S105
CALLBACK_TOKEN = "DemoCallbackToken"  # noqa: S105
CALLBACK_AES_KEY = "DemoEncodingAESKey0123456789abcdefghijklmno"
CALLBACK_URL = "http://127.0.0.1:8000/wecom/callback"


@dataclass
class App:
    """Whoever owns a secret: the self-built app, or the contacts-sync secret (`agent_id` None)."""

    secret: str
    agent_id: int | None = None
    name: str = "一线助手"
    customers_allowed: bool = True
    """Listed in 客户联系 → 可调用接口的应用."""


@dataclass
class Department:
    """A node of the tree; the root is 1."""

    id: int
    name: str
    parent: int = 1
    order: int = 0


@dataclass
class Member:
    """A member of staff (成员)."""

    userid: str
    name: str
    departments: list[int] = field(default_factory=lambda: [1])
    leads: set[int] = field(default_factory=set)
    """Departments this member leads."""
    in_scope: bool = True
    customer_contact: bool = True
    """Has 客户联系."""
    console_welcome: str = ""
    """Welcome text the admin console sends for this member; then no WelcomeCode is issued."""
    status: int = 1
    position: str = ""


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


@dataclass
class Customer:
    """An external contact, with what the customer's own window has received."""

    external_userid: str
    name: str
    type: int = 1
    gender: int = 0
    unionid: str = ""
    phone: str = ""
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


@dataclass
class TagGroup:
    """A group of corp tags."""

    id: str
    name: str
    order: int = 0
    create_time: int = 0
    creator: int | None = None


@dataclass
class WelcomeCode:
    """One code of one add event: 20 seconds, once."""

    code: str
    userid: str
    external_userid: str
    issued: float
    """Clock seconds that never jump."""
    used: bool = False


@dataclass
class Corp:
    """Everything the platform knows about the company. `reset` in the control side builds a new one."""

    clock: Clock
    corp_id: str = CORP_ID
    callback_token: str = CALLBACK_TOKEN
    callback_aes_key: str = CALLBACK_AES_KEY
    callback_url: str = CALLBACK_URL
    apps: list[App] = field(
        default_factory=lambda: [App(AGENT_SECRET, AGENT_ID), App(CONTACTS_SECRET, None, "通讯录同步", False)]
    )
    departments: dict[int, Department] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    follows: dict[tuple[str, str], Follow] = field(default_factory=dict)
    """By (userid, external_userid)."""
    tag_groups: dict[str, TagGroup] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    welcome_codes: dict[str, WelcomeCode] = field(default_factory=dict)
    chats: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """What the app sent each member: {n, at, msgtype, body, task_id?, updated?}, oldest first."""
    serial: int = 0

    @property
    def app(self) -> App:
        """The self-built app the bot runs as."""
        return self.apps[0]

    def now(self) -> int:
        """Whole seconds since 1970, as the platform stamps things."""
        return int(self.clock.now().timestamp())

    def number(self) -> int:
        """The next number in the company: orders whatever is listed."""
        self.serial += 1
        return self.serial

    def follows_of(self, external_userid: str) -> list[Follow]:
        """Every tie of one customer that is not the half kind, members in scope only."""
        return [
            follow
            for follow in self.follows.values()
            if follow.external_userid == external_userid and not follow.half and self.members[follow.userid].in_scope
        ]


def opaque(prefix: str, length: int = 32) -> str:
    """A new id the platform would call opaque."""
    return (prefix + secrets.token_urlsafe(length))[:length]


def demo_corp(clock: Clock) -> Corp:
    """Three stores and a handful of staff: enough to try everything by hand."""
    corp = Corp(clock)
    for number, name, parent in ((1, "示例公司", 0), (2, "城东店", 1), (3, "城西店", 1), (4, "线上客服", 1)):
        corp.departments[number] = Department(number, name, parent, 100 - number)
    staff = (
        ("lin", "林晓", 2, False), ("wang", "王磊", 2, False), ("su", "苏敏", 2, True), ("mo", "莫然", 3, False),
        ("he", "何静", 3, True), ("zhou", "周洋", 4, False),
    )  # fmt: skip
    for userid, name, department, leads in staff:
        corp.members[userid] = Member(userid, name, [department], {department} if leads else set())
    return corp
