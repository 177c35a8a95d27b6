"""`frontline plan`, `pack install`, `sop preview`: work on the record alone, beside a running server or without one."""

from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.table import Table
from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.database import Database
from bot.language import speaking
from bot.settings import Settings
from contacts.models import Staff
from sop import packs
from sop.digest import lists_of
from sop.plan import plan
from sop.preview import DAYS, Preview, preview
from sop.rules import RuleRefused, read_rule_file

LINES = 200


def planning(settings: Settings, day: date | None, *, dry_run: bool) -> Callable[[Database], Awaitable[Table]]:
    """The work of `frontline plan`; a dry run is made the same way and thrown away."""

    async def work(database: Database) -> Table:
        zone, now = ZoneInfo(settings.timezone), Clock().now()
        today = day or now.astimezone(zone).date()

        def make(session: Session) -> Table:
            with speaking(settings.language):
                counts = plan(session, today, now, zone)
                title = f"{today}: {counts.enrolled} enrolled, {counts.ended} ended, {counts.todos} to-dos"
                return listing(session, title, today)

        return await (database.read(make) if dry_run else database.write(make))

    return work


def listing(session: Session, title: str, today: date) -> Table:
    """The day's to-dos by member."""
    table = Table("staff", "", "customer", "to do", "why", title=title)
    people = {one.userid: one.name for one in session.exec(select(Staff).order_by(col(Staff.userid)))}
    lines = [(userid, item) for userid, items in lists_of(session, today).items() for item in items]
    for userid, item in lines[:LINES]:
        table.add_row(
            people.get(userid, userid), str(item.todo.number), item.customer, item.todo.title, item.todo.reason
        )
    if len(lines) > LINES:
        table.caption = f"… and {len(lines) - LINES} more"
    return table


def installing(source: str) -> Callable[[Database], Awaitable[packs.Installed]]:
    """The work of `frontline pack install`."""

    async def work(database: Database) -> packs.Installed:
        return await database.write(lambda session: packs.install(session, source, Clock().now()))

    return work


def trying(settings: Settings, source: str) -> Callable[[Database], Awaitable[Table]]:
    """The work of `frontline pack preview`: the pack is installed, looked at and thrown away."""

    async def work(database: Database) -> Table:
        zone, now = ZoneInfo(settings.timezone), Clock().now()

        def look(session: Session) -> Table:
            pack = packs.read_pack(source)
            packs.install(session, source, now)
            table = Table("code", "SOP", "today", f"{DAYS} days", "", title=f"{pack.name}, version {pack.version}")
            for file in pack.sops:
                made = preview(session, file.rule, now.astimezone(zone).date(), zone)
                whole = sum(one.number for one in made.days)
                table.add_row(file.code, file.name, str(made.today), str(whole), "; ".join(made.notes))
            return table

        return await database.read(look)

    return work


def previewing(settings: Settings, file: Path) -> Callable[[Database], Awaitable[Table]]:
    """The work of `frontline sop preview`. Raises `RuleRefused`."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleRefused(f"{file} cannot be read: {error}") from error
    given = read_rule_file(text)

    async def work(database: Database) -> Table:
        zone = ZoneInfo(settings.timezone)
        today = Clock().now().astimezone(zone).date()
        made = await database.read(lambda session: preview(session, given.rule, today, zone, given.code))
        return previewed(given.name, made)

    return work


def previewed(name: str, made: Preview) -> Table:
    """A preview to be read."""
    table = Table("", "number", title=f"{name}: {made.today} today")
    for one in made.days:
        if one.number:
            table.add_row(str(one.day), str(one.number))
    table.add_section()
    for what, number in made.drop_off:
        table.add_row(what, str(number))
    table.add_section()
    for userid, number in made.load.items():
        table.add_row(userid, str(number))
    if made.offers:
        table.add_section()
    for offer in made.offers:
        left = "" if offer.left is None else f", {offer.left} left"
        table.add_row(f"{offer.name}{left}", f"{offer.wanted} · ¥{offer.cost_fen / 100:.2f}")
    sample = f"for example {', '.join(made.sample)}" if made.sample else "nobody"
    change = f"; against the published version {made.gained:+d} / {-made.lost:+d}" if made.gained or made.lost else ""
    table.caption = "; ".join((sample + change, *made.notes))
    return table
