"""The light pages: her own list behind the link on a card, no login, no framework, and nothing to be kept by a browser.

`GET /l/{token}` shows, `POST /l/{token}` does what a button says; the token says whose page it is (`bot.links`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlmodel import Session

from bot.clock import Clock
from bot.database import Database
from bot.language import LANGUAGES, gettext, speaking
from bot.links import LIFE, LinkRefused, Links, Ticket
from bot.settings import Settings
from contacts.models import Staff

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
PAGES = Environment(loader=PackageLoader("admin"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
PAGES.globals["_"] = gettext


@dataclass(frozen=True)
class Light:
    """What the light pages work with."""

    database: Database
    clock: Clock
    settings: Settings

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.settings.timezone)


@dataclass(frozen=True)
class Visit:
    """One opening of a link that holds: in whose name, when, and in what language it is shown."""

    light: Light
    ticket: Ticket
    name: str
    now: datetime
    language: str
    query: dict[str, str]

    @property
    def userid(self) -> str:
        """The member's."""
        return self.ticket.userid

    @property
    def until(self) -> datetime:
        """When the link ends, as the company's clocks show it."""
        return (self.ticket.made_at + LIFE).astimezone(self.light.zone)

    def here(self, **query: Any) -> str:
        """This page again, asked for in another way."""
        kept = {"lang": self.language} if self.language != self.ticket.language else {}
        return "?" + "&".join(f"{name}={value}" for name, value in (kept | query).items())


LIGHT = web.AppKey("light", Light)
Shown = Callable[[Session, Visit], dict[str, Any]]


def page(template: str, **shown: Any) -> str:
    """A page as HTML, in the language of the moment."""
    return PAGES.get_template(f"light/{template}.html").render(**shown)


async def visit(request: web.Request) -> Visit:
    """Whoever follows the link, if it still opens something. Raises a page that says why not."""
    light, now = request.app[LIGHT], request.app[LIGHT].clock.now()
    try:
        ticket = Links(light.settings).open(request.match_info["token"], now)
    except LinkRefused as refused:
        refuse(web.HTTPGone if refused.expired else web.HTTPForbidden, expired=refused.expired)
    staff = await light.database.read(lambda session: session.get(Staff, ticket.userid))
    if staff is None or not staff.active:
        refuse(web.HTTPForbidden, expired=False)
    wanted = request.query.get("lang", "")
    language = wanted if wanted in LANGUAGES else ticket.language
    return Visit(light, ticket, staff.name, now, language, dict(request.query))


def refuse(status: type[web.HTTPError], *, expired: bool) -> NoReturn:
    """End the request with a page in both languages: whose link it was is not known."""
    raise status(text=page("refused", expired=expired), content_type="text/html", headers=HEADERS)


async def show(found: Visit, template: str, look: Shown) -> web.Response:
    """The page, made of what `look` finds."""

    def work(session: Session) -> str:
        with speaking(found.language):
            return page(template, visit=found, **look(session, found))

    html = await found.light.database.read(work)
    return web.Response(text=html, content_type="text/html", headers=HEADERS)
