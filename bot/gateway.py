"""The one typed door to WeCom: tokens, limits kept on our side, a time-out on every call, and a record of each.

Each method is one call of the platform with a typed answer. Errors are `bot.wecom.errors`; a call that our own limits
or a refused secret hold back raises `Later`, so that a job waits in its row and not in memory.
"""

import asyncio
import time
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
import structlog
from pydantic import BaseModel, ValidationError
from sqlalchemy import Column, delete, insert
from sqlmodel import Field, Index, Session, SQLModel, col, select

from bot.clock import Clock
from bot.database import BigId, Database, UtcTime
from bot.jobs import Later
from bot.limits import DAY, MESSAGES, Limits
from bot.observability import CALL_SECONDS, CALLS, log
from bot.settings import Settings
from bot.tokens import TokenStore
from bot.wecom.client import Answer, Client, exchange
from bot.wecom.errors import RateLimited, SecretRefused, TooManyAtOnce, WeComError, WeComUnreachable
from bot.wecom.results import (
    App,
    Behavior,
    ContactWay,
    ContactWayPage,
    CorpTagGroup,
    CustomerPage,
    Department,
    ExternalContact,
    Group,
    GroupPage,
    Handed,
    HandOverPage,
    Link,
    LinkPage,
    Member,
    Sent,
    UnassignedPage,
)

R = TypeVar("R", bound=BaseModel)
GETTOKEN = "gettoken"
CALL_SECONDS_MAX = 10.0
WELCOME_SECONDS = 5.0
"""Time-out of a welcome call: leaves room for repeats inside the code's 20 seconds."""
LOOK_SECONDS = 2.0
"""Time-out of a look at the customer before a welcome: her name is not worth her waiting."""
UPLOAD_SECONDS = 60.0
MAX_IMAGE = 1024 * 1024
IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
"""How a PNG and a JPEG begin."""
PAGE = 100
"""Ties of one page of customers: the most there are."""
GROUP_PAGE = 1000
FLUSH_SECONDS = 0.2
"""How often the records of calls are written."""
KEEP_CALLS = timedelta(days=30)
DUPLICATE_WINDOW = 14_400
"""Seconds in which WeCom swallows a message it has delivered already: the longest it offers."""


class Call(SQLModel, table=True):
    """The record of one call: what was asked of which path for whom, and what became of it. Never its content."""

    id: int | None = Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))
    at: datetime = Field(sa_type=UtcTime)
    path: str
    userid: str | None = None
    job_id: int | None = Field(default=None, sa_type=BigId)
    ms: float
    errcode: int | None = None
    """None when there was no answer."""
    outcome: str

    __table_args__ = (Index("ix_call_path_at", "path", "at"), Index("ix_call_at", "at"))


class Gateway(Client):
    """The bot's calls to WeCom with the app's secret."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, http: aiohttp.ClientSession) -> None:
        self.settings = settings
        self.database = database
        self.clock = clock
        self.agent_id = settings.agent_id
        self.limits = Limits(clock, settings.account_cap)
        self.records: list[dict[str, Any]] = []
        secret = settings.agent_secret.get_secret_value()
        self.store = TokenStore(database, clock, settings.corp_id, secret, self._gettoken)
        self._secret = secret
        super().__init__(http, settings.api_base, self.store, CALL_SECONDS_MAX)

    async def send_message(self, message: dict[str, Any]) -> Sent:
        """message/send to members. A body delivered in the last four hours is swallowed: make each unique."""
        once = {"enable_duplicate_check": 1, "duplicate_check_interval": DUPLICATE_WINDOW}
        return typed(Sent, await self.post(MESSAGES, data={"agentid": self.agent_id, **message, **once}))

    async def update_card(self, userid: str, response_code: str, update: dict[str, Any]) -> Sent:
        """message/update_template_card; `update` is {button: {replace_name}} or {template_card: {…}}."""
        body = {"userids": [userid], "agentid": self.agent_id, "response_code": response_code, **update}
        return typed(Sent, await self.post("message/update_template_card", data=body))

    async def send_welcome(self, code: str, text: str, attachments: list[dict[str, Any]]) -> None:
        """send_welcome_msg: once, within 20 seconds of the add."""
        body: dict[str, Any] = {"welcome_code": code}
        if text:
            body["text"] = {"content": text}
        if attachments:
            body["attachments"] = attachments
        await self.post("externalcontact/send_welcome_msg", data=body, timeout=WELCOME_SECONDS)

    async def customer(self, external_userid: str, seconds: float = CALL_SECONDS_MAX) -> ExternalContact:
        """externalcontact/get with every follower, page by page."""
        contact: dict[str, Any] = {}
        follows: list[Any] = []
        cursor = ""
        while True:
            params = {"external_userid": external_userid, "cursor": cursor or None}
            answer = await self.get("externalcontact/get", params=params, timeout=seconds)
            contact = contact or answer.get("external_contact") or {}
            follows += answer.get("follow_user") or []
            cursor = answer.get("next_cursor") or ""
            if not cursor:
                return typed(ExternalContact, {**contact, "follows": follows})

    async def upload(self, kind: str, filename: str, content: bytes) -> str:
        """media/upload: a media id, good for three days."""
        files = {"media": (filename, content)}
        answer = await self.post("media/upload", params={"type": kind}, files=files, timeout=UPLOAD_SECONDS)
        return str(answer["media_id"])

    async def customers_of(self, userids: list[str], cursor: str = "") -> CustomerPage:
        """batch/get_by_user: a page of the customers of up to 100 members."""
        body = {"userid_list": userids, "cursor": cursor, "limit": PAGE}
        return typed(CustomerPage, await self.post("externalcontact/batch/get_by_user", data=body))

    async def corp_tags(self, tag_id: str = "", group_id: str = "") -> list[CorpTagGroup]:
        """get_corp_tag_list: all, one tag, or one group with its tags; only by id are deleted ones shown."""
        body = {"tag_id": [tag_id] if tag_id else [], "group_id": [group_id] if group_id else []}
        answer = await self.post("externalcontact/get_corp_tag_list", data=body)
        return [typed(CorpTagGroup, one) for one in answer.get("tag_group") or []]

    async def add_corp_tag(self, group: str, name: str) -> CorpTagGroup:
        """add_corp_tag: a tag in a group, which is made if there is none of this name; answers the new tag."""
        body = {"group_name": group, "tag": [{"name": name}], "agentid": self.agent_id}
        answer = await self.post("externalcontact/add_corp_tag", data=body)
        return typed(CorpTagGroup, answer.get("tag_group") or {})

    async def mark_tag(self, userid: str, external_userid: str, add: list[str], remove: list[str]) -> None:
        """mark_tag: corp tags on and off one pair."""
        pair = {"userid": userid, "external_userid": external_userid}
        await self.post("externalcontact/mark_tag", data={**pair, "add_tag": add, "remove_tag": remove})

    async def groups(self, owners: list[str], cursor: str = "") -> GroupPage:
        """groupchat/list: a page of the groups of up to 100 owners; no owners: of everybody in scope."""
        owned = {"owner_filter": {"userid_list": owners}} if owners else {}
        body = {"status_filter": 0, "cursor": cursor, "limit": GROUP_PAGE, **owned}
        return typed(GroupPage, await self.post("externalcontact/groupchat/list", data=body))

    async def group(self, chat_id: str) -> Group:
        """groupchat/get with names."""
        answer = await self.post("externalcontact/groupchat/get", data={"chat_id": chat_id, "need_name": 1})
        return typed(Group, answer.get("group_chat") or {})

    async def behavior(self, userid: str, first: datetime, last: datetime) -> list[Behavior]:
        """get_user_behavior_data: a row for each day from `first` to `last`."""
        span = {"start_time": int(first.timestamp()), "end_time": int(last.timestamp())}
        answer = await self.post("externalcontact/get_user_behavior_data", data={"userid": [userid], **span})
        return [typed(Behavior, one) for one in answer.get("behavior_data") or []]

    async def add_contact_way(self, way: dict[str, Any]) -> ContactWay:
        """add_contact_way: answers its id and the address of its QR code."""
        return typed(ContactWay, await self.post("externalcontact/add_contact_way", data=way))

    async def contact_way(self, config_id: str) -> ContactWay:
        """get_contact_way."""
        answer = await self.post("externalcontact/get_contact_way", data={"config_id": config_id})
        return typed(ContactWay, answer.get("contact_way") or {})

    async def contact_ways(self, since: datetime, cursor: str = "") -> ContactWayPage:
        """list_contact_way: a page of the ids of those made since then."""
        body = {"start_time": int(since.timestamp()), "cursor": cursor, "limit": GROUP_PAGE}
        return typed(ContactWayPage, await self.post("externalcontact/list_contact_way", data=body))

    async def update_contact_way(self, config_id: str, way: dict[str, Any]) -> None:
        """update_contact_way: what is given replaces what was."""
        await self.post("externalcontact/update_contact_way", data={"config_id": config_id, **way})

    async def delete_contact_way(self, config_id: str) -> None:
        """del_contact_way."""
        await self.post("externalcontact/del_contact_way", data={"config_id": config_id})

    async def create_link(self, link: dict[str, Any]) -> Link:
        """customer_acquisition/create_link."""
        answer = await self.post("externalcontact/customer_acquisition/create_link", data=link)
        return typed(Link, answer.get("link") or {})

    async def links(self, cursor: str = "") -> LinkPage:
        """customer_acquisition/list_link: a page of ids."""
        body = {"limit": PAGE, "cursor": cursor}
        return typed(LinkPage, await self.post("externalcontact/customer_acquisition/list_link", data=body))

    async def link(self, link_id: str) -> Link:
        """customer_acquisition/get."""
        answer = await self.post("externalcontact/customer_acquisition/get", data={"link_id": link_id})
        return typed(Link, {"link_id": link_id, **(answer.get("link") or {})})

    async def update_link(self, link_id: str, link: dict[str, Any]) -> None:
        """customer_acquisition/update_link: what is given replaces what was."""
        await self.post("externalcontact/customer_acquisition/update_link", data={"link_id": link_id, **link})

    async def delete_link(self, link_id: str) -> None:
        """customer_acquisition/delete_link."""
        await self.post("externalcontact/customer_acquisition/delete_link", data={"link_id": link_id})

    async def remark(self, userid: str, external_userid: str, remark: str) -> None:
        """remark: the name a member has for a customer, 20 characters at most."""
        body = {"userid": userid, "external_userid": external_userid, "remark": remark}
        await self.post("externalcontact/remark", data=body)

    async def hand_over(
        self, handover: str, takeover: str, external_userids: list[str], *, left: bool, message: str = ""
    ) -> list[Handed]:
        """transfer_customer, or resigned/transfer_customer for a member who left: up to 100 customers."""
        pair = {"handover_userid": handover, "takeover_userid": takeover}
        body = {**pair, "external_userid": external_userids, **({"transfer_success_msg": message} if message else {})}
        answer = await self.post(f"externalcontact/{'resigned/' if left else ''}transfer_customer", data=body)
        return [typed(Handed, one) for one in answer.get("customer") or []]

    async def handed_over(self, handover: str, takeover: str, *, left: bool, cursor: str = "") -> HandOverPage:
        """transfer_result, or resigned/transfer_result: a page of what became of transfers between two members."""
        body = {"handover_userid": handover, "takeover_userid": takeover, "cursor": cursor}
        path = f"externalcontact/{'resigned/' if left else ''}transfer_result"
        return typed(HandOverPage, await self.post(path, data=body))

    async def unassigned(self, cursor: str = "") -> UnassignedPage:
        """get_unassigned_list: a page of the customers of members who left."""
        body = {"cursor": cursor, "page_size": GROUP_PAGE}
        return typed(UnassignedPage, await self.post("externalcontact/get_unassigned_list", data=body))

    async def image(self, url: str) -> bytes:
        """An image the platform gave the address of, such as a QR code: PNG or JPEG, 1 MiB at most."""
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS_MAX)
        try:
            async with self.http.get(url, timeout=timeout) as answer:
                content = await answer.content.read(MAX_IMAGE + 1) if answer.status == HTTPStatus.OK else b""
                while not answer.content.at_eof() and len(content) <= MAX_IMAGE and content:
                    content += await answer.content.read(MAX_IMAGE + 1)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise WeComUnreachable("image", type(error).__name__, sent=False) from error
        if not content.startswith(IMAGES) or len(content) > MAX_IMAGE:
            raise WeComUnreachable("image", "no PNG or JPEG of at most 1 MiB", sent=False)
        return content

    async def departments(self) -> list[Department]:
        """department/list: the tree below the app's scope."""
        answer = await self.get("department/list")
        return [typed(Department, one) for one in answer.get("department") or []]

    async def members(self, department_id: int) -> list[Member]:
        """user/list: direct members of one department."""
        answer = await self.get("user/list", params={"department_id": department_id})
        return [typed(Member, one) for one in answer.get("userlist") or []]

    async def member(self, userid: str) -> Member:
        """user/get."""
        return typed(Member, await self.user.get(userid))

    async def follow_users(self) -> list[str]:
        """get_follow_user_list: members with 客户联系 in the app's scope."""
        return list((await self.external_contact.get_follow_user_list()).get("follow_user") or [])

    async def app(self) -> App:
        """agent/get: the app and its visible scope."""
        return typed(App, await self.agent.get(self.agent_id))

    async def ask_mass_send(self, userid: str, external_userids: list[str], text: str) -> tuple[str, list[str]]:
        """add_msg_template: a task in the member's client; (msgid, who cannot receive). At most 10,000 customers."""
        body = {"chat_type": "single", "sender": userid, "external_userid": external_userids, "text": {"content": text}}
        answer = await self.post("externalcontact/add_msg_template", data=body)
        return str(answer.get("msgid") or ""), list(answer.get("fail_list") or [])

    async def find_mass_send(self, userid: str, text: str, since: datetime, until: datetime) -> str:
        """get_groupmsg_list_v2: the msgid of a task with this text that the member has; empty when there is none."""
        body: dict[str, Any] = {
            "chat_type": "single",
            "start_time": int(since.timestamp()),
            "end_time": int(until.timestamp()) + 60,
            "filter_type": 2,
            "limit": 100,
            "cursor": "",
        }
        while True:
            answer = await self.post("externalcontact/get_groupmsg_list_v2", data=body)
            for one in answer.get("group_msg_list") or []:
                if (one.get("text") or {}).get("content") == text and await self._is_asked(str(one["msgid"]), userid):
                    return str(one["msgid"])
            body["cursor"] = str(answer.get("next_cursor") or "")
            if not body["cursor"]:
                return ""

    async def _is_asked(self, msgid: str, userid: str) -> bool:
        """get_groupmsg_task: whether a member is to confirm this task."""
        answer = await self.post("externalcontact/get_groupmsg_task", data={"msgid": msgid, "limit": 1000})
        return any(str(one.get("userid")) == userid for one in answer.get("task_list") or [])

    async def mass_send_results(self, msgid: str, userid: str) -> dict[str, int]:
        """get_groupmsg_send_result: status by external userid (0 unsent, 1 sent, 2 no friend, 3 too many)."""
        statuses: dict[str, int] = {}
        cursor = ""
        while True:
            body = {"msgid": msgid, "userid": userid, "limit": 1000, "cursor": cursor}
            answer = await self.post("externalcontact/get_groupmsg_send_result", data=body)
            for one in answer.get("send_list") or []:
                statuses[str(one.get("external_userid"))] = int(one.get("status") or 0)
            cursor = str(answer.get("next_cursor") or "")
            if not cursor:
                return statuses

    async def set_menu(self, menu: dict[str, Any]) -> None:
        """menu/create: replaces the app's whole menu."""
        await self.menu.create(self.agent_id, menu)

    async def _request(self, method: str, url_or_endpoint: str, **given: Any) -> Answer:
        """One call under our limits, recorded."""
        path, userid = url_or_endpoint, addressee(given)
        async with self.limits.place(path, userid):
            began = time.monotonic()
            try:
                answer = await super()._request(method, path, **given)
            except (WeComError, WeComUnreachable) as error:
                self._record(path, userid, began, error)
                self._heed(path, began, error)
                raise
            self._record(path, userid, began)
            self.limits.parallel[path].earn()
            return answer

    def _heed(self, path: str, began: float, error: WeComError | WeComUnreachable) -> None:
        """Slow down where the platform says so; a refused secret holds its jobs back uncounted."""
        if isinstance(error, TooManyAtOnce):
            self.limits.parallel[path].halve(began, time.monotonic())
        if isinstance(error, RateLimited):
            self.limits.block(error.path)
        if isinstance(error, SecretRefused):
            self.store.refuse()
        if isinstance(error, SecretRefused) or (error.path == GETTOKEN and self.store.refused_for > 0):
            raise Later(self.store.refused_for, str(error)) from error

    def _record(
        self, path: str, userid: str | None, began: float, error: WeComError | WeComUnreachable | None = None
    ) -> None:
        seconds = time.monotonic() - began
        outcome = "ok" if error is None else type(error).__name__
        errcode = error.errcode if isinstance(error, WeComError) else (0 if error is None else None)
        CALLS.labels(path, outcome).inc()
        CALL_SECONDS.labels(path).observe(seconds)
        ms = round(seconds * 1000, 1)
        job = structlog.contextvars.get_contextvars().get("job")
        log.info("call", path=path, errcode=errcode, outcome=outcome, ms=ms)
        at = self.clock.now()
        record = {"at": at, "path": path, "userid": userid, "job_id": job, "ms": ms, "errcode": errcode}
        self.records.append({**record, "outcome": outcome})

    async def _gettoken(self) -> Answer:
        params = {"corpid": self.settings.corp_id, "corpsecret": self._secret}
        began = time.monotonic()
        try:
            answer = await exchange(self.http, "GET", self.api_base, GETTOKEN, params=params, seconds=self.seconds)
        except (WeComError, WeComUnreachable) as error:
            self._record(GETTOKEN, None, began, error)
            raise
        self._record(GETTOKEN, None, began)
        return answer

    async def resume(self) -> None:
        """Take up the counts of messages sent before a restart."""
        now = self.clock.now()
        sent = select(Call.userid, Call.at).where(Call.path == MESSAGES, Call.at > now - timedelta(seconds=DAY))
        rows = await self.database.read(lambda session: session.exec(sent.order_by(col(Call.at))).all())
        self.limits.remember((userid, (now - at).total_seconds()) for userid, at in rows)

    async def keep_records(self) -> None:
        """Write the records of calls, a group at a time, until cancelled."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                await self.flush()
        finally:
            await self.flush()

    async def flush(self) -> None:
        """Write the records that wait."""
        if not self.records:
            return
        records, self.records = self.records, []

        def keep(session: Session) -> None:
            session.connection().execute(insert(Call), records)

        await self.database.write(keep)

    def forget(self, session: Session) -> None:
        """Remove records older than a month."""
        session.exec(delete(Call).where(col(Call.at) < self.clock.now() - KEEP_CALLS))


def addressee(given: dict[str, Any]) -> str | None:
    """The one member a call is about, from its body or parameters."""
    data = given.get("data") or {}
    params = given.get("params") or {}
    userid = data.get("touser") or data.get("userid") or params.get("userid")
    return str(userid) if userid and "|" not in str(userid) else None


def typed(kind: type[R], answer: Answer) -> R:
    """An answer as its type; one that does not fit is no answer."""
    try:
        return kind.model_validate(answer)
    except ValidationError as error:
        raise WeComUnreachable(kind.__name__, "the answer has an unexpected shape", sent=True) from error
