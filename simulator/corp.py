"""The simulated company: its people, customers, apps and everything the platform keeps about them.

Plain state in memory, changed by the platform's APIs (`simulator.apis`) and the control side alone.
"""

import secrets
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.clock import Clock
from simulator.appstate import AppState
from simulator.records import (
    Customer,
    DayCount,
    Follow,
    Follows,
    Group,
    GroupSend,
    Link,
    Tag,
    TagGroup,
    Transfer,
)

CORP_ID = "ww5de0f00d5de0f00d"
AGENT_ID = 1000002
AGENT_SECRET = "demo-agent-secret-0000000000000000000000000"  # noqa: S105 - the demo's fixed values, no secret
CONTACTS_SECRET = "demo-contacts-secret-0000000000000000000000"  # noqa: S105
CALLBACK_TOKEN = "DemoCallbackToken"  # noqa: S105
CALLBACK_AES_KEY = "DemoEncodingAESKey0123456789abcdefghijklmno"
CALLBACK_URL = "http://127.0.0.1:8000/wecom/callback"
LEFT = 5
"""A member's status after leaving the company."""
TRANSFER_SECONDS = 24 * 3600
ASSIGNED = 202
"""The `add_way` of a customer who came by transfer."""


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
    mobile: str = ""
    email: str = ""
    left_at: int = 0

    @property
    def visible(self) -> bool:
        """In the app's scope, and still in the company."""
        return self.in_scope and self.status != LEFT


@dataclass
class WelcomeCode:
    """One code of one add event: 20 seconds, once."""

    code: str
    userid: str
    external_userid: str
    issued: float
    """Clock seconds that never jump."""
    used: bool = False
    distributing: bool = False
    """A call with it is being carried out."""


@dataclass
class Corp:
    """Everything the platform knows about the company. `reset` in the control side builds a new one."""

    clock: Clock
    corp_id: str = CORP_ID
    callback_token: str = CALLBACK_TOKEN
    callback_aes_key: str = CALLBACK_AES_KEY
    callback_url: str = CALLBACK_URL
    trusted_domain: str = ""
    """Host and port OAuth may go back to (可信域名); "" trusts every one."""
    apps: list[App] = field(
        default_factory=lambda: [App(AGENT_SECRET, AGENT_ID), App(CONTACTS_SECRET, None, "通讯录同步", False)]
    )
    departments: dict[int, Department] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    customers: dict[str, Customer] = field(default_factory=dict)
    follows: Follows = field(default_factory=Follows)
    tag_groups: dict[str, TagGroup] = field(default_factory=dict)
    tags: dict[str, Tag] = field(default_factory=dict)
    welcome_codes: dict[str, WelcomeCode] = field(default_factory=dict)
    chats: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    """What the app sent each member: {n, at, msgtype, body, task_id?, updated?}, oldest first."""
    state: AppState = field(default_factory=AppState)
    """Cards, uploads, menu: what the app made."""
    transfers: list[Transfer] = field(default_factory=list)
    waiting: deque[Transfer] = field(default_factory=deque)
    """Transfers not settled yet, oldest first."""
    groups: dict[str, Group] = field(default_factory=dict)
    group_sends: dict[str, GroupSend] = field(default_factory=dict)
    reached: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Mass sends that arrived, by (external_userid or chat_id, month)."""
    links: dict[str, Link] = field(default_factory=dict)
    days: defaultdict[tuple[str, int], DayCount] = field(default_factory=lambda: defaultdict(DayCount))
    """By (userid, start of the day on the platform's clock)."""
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

    def member(self, userid: str) -> Member | None:
        """The member with this userid, upper and lower case alike."""
        if found := self.members.get(userid):
            return found
        return next((one for one in self.members.values() if one.userid.lower() == userid.lower()), None)

    def tie(self, userid: str, external_userid: str) -> Follow | None:
        """The tie of a pair, the half kind too."""
        self.settle()
        return self.follows.get((userid, external_userid))

    def follows_of(self, external_userid: str) -> list[Follow]:
        """Every tie of one customer that is not the half kind, members in scope only."""
        self.settle()
        ties = self.follows.by_customer.get(external_userid, {}).values()
        return [follow for follow in ties if not follow.half and self.members[follow.userid].visible]

    def customers_of(self, userid: str) -> Iterator[Follow]:
        """Every tie of one member that is not the half kind, oldest first."""
        self.settle()
        return (follow for follow in self.follows.by_member.get(userid, {}).values() if not follow.half)

    def settle(self) -> None:
        """Finish the transfers whose 24 hours are over."""
        while self.waiting and self.waiting[0].started + TRANSFER_SECONDS <= self.now():
            transfer = self.waiting.popleft()
            if transfer.status == 2:
                self.finish(transfer)

    def finish(self, transfer: Transfer) -> None:
        """Move a customer: the old tie ends, the new one begins."""
        transfer.status, transfer.takeover_time = 1, self.now()
        pair = (transfer.takeover, transfer.external_userid)
        self.follows.pop((transfer.handover, transfer.external_userid), None)
        if pair not in self.follows:
            self.follows[pair] = Follow(*pair, self.now(), add_way=ASSIGNED, oper_userid=transfer.takeover)


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
