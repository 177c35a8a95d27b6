"""`frontline doctor`: checks the configuration against the platform; each finding that fails names its cure."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Later
from bot.schema import current, head
from bot.settings import Settings
from bot.wecom.crypto import Crypto
from bot.wecom.errors import IpNotTrusted, SecretRefused, WeComError, WeComUnreachable

CALLBACK_SECONDS = 5.0
REFUSALS = {"signature": "CALLBACK_TOKEN", "ciphertext": "CALLBACK_AES_KEY", "receiveid": "CORP_ID"}
"""What a running bot says to an echo it cannot open, and the setting in which it differs from ours."""
CORP_ID = re.compile(r"^w[wx][0-9a-zA-Z]{16}$")


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, and the cure if it failed."""

    what: str
    cure: str = ""

    @property
    def good(self) -> bool:
        """Whether the check passed."""
        return not self.cure


async def examine(settings: Settings) -> list[Finding]:
    """Every check in order; those that need a token stop when there is none."""
    findings = [shape(settings)]
    try:
        database = Database(settings.database)
    except OSError as error:
        return [*findings, unusable(error.strerror)]
    try:
        findings.append(await schema(database))
        if findings[-1].good:
            async with aiohttp.ClientSession() as http:
                gateway = Gateway(settings, database, Clock(), http)
                findings += [finding async for finding in platform(settings, gateway)]
                findings.append(await callback(settings, http))
                await gateway.flush()
    finally:
        await database.close()
    return findings


def shape(settings: Settings) -> Finding:
    """The corp id's form; the other keys were checked when the settings were read."""
    if CORP_ID.match(settings.corp_id):
        return Finding(f"settings read; corp id {settings.corp_id}, agent {settings.agent_id}")
    return Finding(
        f"FRONTLINE_CORP_ID is {settings.corp_id!r}",
        "copy 企业ID from the console, 我的企业 → 企业信息: ww and 16 characters",
    )


async def schema(database: Database) -> Finding:
    """The database answers and is up to date."""
    try:
        at, newest = await current(database), head()
    except DBAPIError as error:
        return unusable(error.orig)
    if at == newest:
        return Finding(f"database at revision {at}")
    return Finding(f"database at revision {at}, newest is {newest}", "run: frontline migrate")


def unusable(reason: object) -> Finding:
    """The database cannot be asked."""
    return Finding(f"database: {reason}", "check FRONTLINE_DATABASE_URL, and that its folder or server is there")


async def platform(settings: Settings, gateway: Gateway) -> AsyncIterator[Finding]:
    """Token, trusted address, app, scope and the right to customers' data."""
    token = await fetched(gateway)
    yield token
    if not token.good:
        return
    try:
        app = await gateway.app()
    except (WeComError, WeComUnreachable, Later) as error:
        yield app_refused(settings, error)
        return
    users = [one["userid"] for one in app.allow_userinfos.get("user", [])]
    departments = app.allow_partys.get("partyid", [])
    scope = f"app {app.name!r}: visible scope has {len(users)} members and {len(departments)} departments"
    empty = "console → 应用管理 → the app → 可见范围: add the sales staff"
    yield Finding(scope, "" if users or departments else empty)
    yield await customers(gateway)


async def fetched(gateway: Gateway) -> Finding:
    """Whether WeCom gives us a token."""
    try:
        await gateway.store.current()
    except SecretRefused as error:
        if error.errcode == 40013:
            return Finding(f"no token: {error}", "FRONTLINE_CORP_ID is wrong: copy 企业ID from 我的企业 → 企业信息")
        cure = "FRONTLINE_AGENT_SECRET is wrong or the app is disabled: copy Secret from 应用管理 → the app"
        return Finding(f"no token: {error}", cure)
    except WeComError as error:
        return Finding(f"no token: {error}", "wait an hour if wrong secrets were tried often, then run this again")
    except WeComUnreachable as error:
        return Finding(f"WeCom cannot be reached: {error}", "check FRONTLINE_API_BASE, DNS and the outgoing firewall")
    return Finding("token fetched")


def app_refused(settings: Settings, error: Exception) -> Finding:
    """Why the app's own record cannot be read."""
    if isinstance(error, IpNotTrusted):
        return Finding(
            f"our address {error.address or '(not named)'} is not trusted (60020)",
            f"console → 应用管理 → the app → 企业可信IP: add {error.address or 'the address named in the error'}",
        )
    if isinstance(error, WeComError) and error.errcode in {301002, 40056}:
        return Finding(
            f"agent {settings.agent_id} does not belong to the secret ({error.errcode})",
            "FRONTLINE_AGENT_ID: copy AgentId from 应用管理 → the app whose Secret you use",
        )
    return Finding(f"the app cannot be read: {error}", "see the error code in docs/operations.md")


async def customers(gateway: Gateway) -> Finding:
    """Whether the app may use 客户联系, and for whom."""
    allow = "console → 客户与上下游 → 客户联系 → API → 可调用接口的应用: add the app"
    try:
        members = await gateway.follow_users()
    except (WeComError, WeComUnreachable, Later) as error:
        return Finding(f"客户联系 cannot be used: {error}", allow)
    if not members:
        return Finding(
            "no member in scope has 客户联系", "console → 客户联系 → 权限配置: give the sales staff 客户联系"
        )
    return Finding(f"{len(members)} members can have customers")


async def callback(settings: Settings, http: aiohttp.ClientSession) -> Finding:
    """Whether our callback answers at the public address as WeCom will ask it."""
    base = settings.public_url or f"http://{settings.listen}"
    note = "" if settings.public_url else " (FRONTLINE_PUBLIC_URL is not set: asked locally)"
    crypto = Crypto(
        settings.callback_token.get_secret_value(), settings.callback_aes_key.get_secret_value(), settings.corp_id
    )
    echo, nonce, timestamp = secrets.token_hex(8), secrets.token_hex(5), str(int(Clock().now().timestamp()))
    encrypted = crypto.encrypt(echo)
    signed = {"msg_signature": crypto.sign(timestamp, nonce, encrypted), "timestamp": timestamp, "nonce": nonce}
    url = f"{base.rstrip('/')}/wecom/callback"
    try:
        timeout = aiohttp.ClientTimeout(total=CALLBACK_SECONDS)
        async with http.get(f"{url}?{urlencode({**signed, 'echostr': encrypted})}", timeout=timeout) as answer:
            status, text = answer.status, await answer.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError) as error:
        cure = "start the bot with frontline serve, and let the proxy or firewall pass this path to it"
        return Finding(f"{url} does not answer ({type(error).__name__}){note}", cure)
    if status == 200 and text == echo:
        return Finding(f"callback answers at {url}{note}")
    if text in REFUSALS:
        return Finding(f"{url} refuses our {text}{note}", f"the running bot has another FRONTLINE_{REFUSALS[text]}")
    return Finding(f"{url} answers {status} and not the echo{note}", "another program answers there: check the proxy")
