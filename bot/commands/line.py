"""The command line: `frontline …` (design §4.1). Errors are one clear sentence and a non-zero exit."""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date
from errno import EADDRINUSE
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from aiohttp import web
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select
from uvloop import new_event_loop

from bot.app import AlreadyRunning, create_app
from bot.clock import Clock
from bot.commands import demo, doctor
from bot.commands.load import ImportFailed, import_file
from bot.commands.load_targets import import_targets
from bot.commands.planning import installing, planning, previewing, trying
from bot.commands.sync import SyncFailed, sync
from bot.database import Database
from bot.jobs import DEAD, Job, NewJob, Priority, enqueue, retry_dead
from bot.observability import configure_logs
from bot.schema import current, head, migrate
from bot.settings import Settings, SettingsError, SimulatorSettings, host_and_port, read_settings
from bot.worker import RENEW_MEDIA
from kpi.targets import TARGETS
from scripts_library.loading import Loaded, load
from scripts_library.scripts import ScriptRefused
from simulator.app import create_simulator
from simulator.corp import Corp, demo_corp
from sop.flows import FlowRefused, read_flows, store_flows
from sop.models import WelcomeFlow
from sop.rules import RuleRefused

app = typer.Typer(
    help="Frontline (一线助手): a WeCom chat assistant for people who sell.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
welcome = typer.Typer(help="Welcome flows: what a new customer is greeted with.", no_args_is_help=True)
scripts = typer.Typer(help="Scripts (话术): what staff say to customers.", no_args_is_help=True)
pack = typer.Typer(help="Industry packs.", no_args_is_help=True)
sop = typer.Typer(help="SOPs.", no_args_is_help=True)
jobs = typer.Typer(help="Jobs: what could not be done, and another try.", no_args_is_help=True)
app.add_typer(welcome, name="welcome")
app.add_typer(scripts, name="scripts")
app.add_typer(jobs, name="jobs")
app.add_typer(pack, name="pack")
app.add_typer(sop, name="sop")
SWITCH_SECONDS = 0.0005
COMMANDS_LOG = "commands.log"
out = Console()
problems = Console(stderr=True, soft_wrap=True)


class CommandFailed(Exception):
    """A command cannot go on; the text says why and what to do."""


def main() -> None:
    """Run the command line: every expected failure is a sentence, never a traceback."""
    try:
        app()
    except (
        CommandFailed,
        SettingsError,
        AlreadyRunning,
        FlowRefused,
        ScriptRefused,
        RuleRefused,
        demo.DemoFailed,
        SyncFailed,
        ImportFailed,
    ) as error:
        fail(str(error))
    except DBAPIError as error:
        fail(f"the database refused: {error.orig}")
    except OSError as error:
        fail(str(error))


def fail(sentence: str) -> None:
    """Say why and end with 1."""
    problems.print(sentence, style="red", markup=False, highlight=False)
    sys.exit(1)


@app.command()
def serve() -> None:
    """Run bot, worker and scheduler in one process; settings come from the environment or .env."""
    configure_logs()
    # Between the event loop and the database's threads the interpreter's lock changes hands at once, not after 5 ms.
    sys.setswitchinterval(SWITCH_SECONDS)
    settings = read_settings(Settings)
    asyncio.run(prepare(settings))
    application = create_app(settings)
    # What was loaded stays: no collection need look at it again, and what a callback leaves is seldom a cycle.
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    run_server(application, settings.listen)


async def prepare(settings: Settings) -> None:
    """Bring the database up to date before serving."""
    settings.home.mkdir(parents=True, exist_ok=True)
    await with_database(settings, migrate)


def settings_of_command() -> Settings:
    """The settings of a command that speaks for itself: log lines go to a file in HOME, not between its own."""
    settings = read_settings(Settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    configure_logs((settings.home / COMMANDS_LOG).open("a", encoding="utf-8"))
    return settings


def run_server(application: web.Application, listen: str) -> None:
    """Serve until stopped. Raises `CommandFailed` when the port is taken."""
    host, port = host_and_port(listen)
    try:
        web.run_app(application, host=host, port=port, print=None, access_log=None, loop=new_event_loop())
    except OSError as error:
        cause = "; another program uses the port" if error.errno == EADDRINUSE else ""
        raise CommandFailed(f"cannot listen on {listen}: {error.strerror}{cause}") from error


@app.command()
def simulator(
    open_control: Annotated[bool, typer.Option("--open", help="Answer control calls of other machines too.")] = False,
) -> None:
    """Run the simulated WeCom alone, for a bot of yours to talk to."""
    configure_logs()
    settings = read_settings(SimulatorSettings)
    out.print(f"Simulated WeCom on http://{settings.simulator_listen}/ (Ctrl-C ends it)")
    run_server(create_simulator(corp_for(settings), open_control=open_control), settings.simulator_listen)


def corp_for(settings: SimulatorSettings) -> Corp:
    """The demo company with the values the bot was given."""
    corp = demo_corp(Clock())
    corp.callback_url = settings.simulator_callback
    corp.corp_id = settings.corp_id or corp.corp_id
    corp.app.agent_id = settings.agent_id or corp.app.agent_id
    if settings.agent_secret:
        corp.app.secret = settings.agent_secret.get_secret_value()
    if settings.callback_token:
        corp.callback_token = settings.callback_token.get_secret_value()
    if settings.callback_aes_key:
        corp.callback_aes_key = settings.callback_aes_key.get_secret_value()
    return corp


@app.command("demo")
def demo_command(
    once: Annotated[bool, typer.Option(help="Play the demo day, print what happened, and end.")] = False,
    day: Annotated[str | None, typer.Option("--date", help="The day to play, YYYY-MM-DD.")] = None,
    at: Annotated[str, typer.Option(help="The time of day to begin at, HH:MM.")] = "08:25",
) -> None:
    """Run simulator and bot with demo data: nothing to configure, no WeCom account needed."""
    configure_logs(demo.log_file().open("a", encoding="utf-8"))
    start = demo.start_time(parsed_date(day), at)
    asyncio.run(demo.play_once(start, out) if once else demo.run_until_stopped(start, out))


def parsed_date(text: str | None) -> date | None:
    """A day of the command line. Raises `CommandFailed`."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandFailed(f"--date {text}: expected a day such as 2026-11-20") from error


@app.command("doctor")
def doctor_command() -> None:
    """Check the configuration against the platform; says cause and cure, exit 1 if anything fails."""
    findings = asyncio.run(doctor.examine(settings_of_command()))
    for finding in findings:
        mark = "[green]✓[/]" if finding.good else "[red]✗[/]"
        out.print(f"{mark} {escape(finding.what)}", highlight=False, soft_wrap=True)
        if not finding.good:
            out.print(f"  → {finding.cure}", highlight=False, markup=False, soft_wrap=True)
    if not all(finding.good for finding in findings):
        sys.exit(1)


@app.command("migrate")
def migrate_command() -> None:
    """Bring the database to the newest schema."""
    changed = asyncio.run(with_database(settings_of_command(), migrate))
    out.print(f"database at revision {head()}" + ("" if changed else ", as before"))


@app.command("sync")
def sync_command(
    accept_losses: Annotated[
        bool, typer.Option("--accept-losses", help="End the ties of customers that WeCom does not list, however many.")
    ] = False,
) -> None:
    """Pull staff, tags, customers and customer groups from WeCom."""
    found = asyncio.run(migrated_sync(settings_of_command(), accept_losses=accept_losses))
    out.print(found, highlight=False, markup=False)


async def migrated_sync(settings: Settings, *, accept_losses: bool) -> str:
    """Pull, on a database that is up to date."""
    await prepare(settings)
    return await sync(settings, out, accept_losses=accept_losses)


@app.command("import")
def import_command(
    kind: Annotated[str, typer.Argument(help="What the records are: orders, visits, … (docs/ingest.md).")],
    file: Annotated[Path, typer.Argument(help="A CSV file whose columns are named as the fields are.")],
    partial: Annotated[bool, typer.Option("--partial", help="Store the good rows even if others are wrong.")] = False,
    complete_to: Annotated[
        str | None, typer.Option(help="Up to when this feed is complete, such as 2026-11-16T00:00:00+08:00.")
    ] = None,
) -> None:
    """Load records of other systems from a CSV file; loading it again changes nothing."""
    settings = settings_of_command()

    async def work(database: Database) -> str:
        now, zone = Clock().now(), ZoneInfo(settings.timezone)
        if kind == TARGETS:
            return await import_targets(database, file, now=now, only_good=partial)
        given: dict[str, Any] = {"now": now, "zone": zone, "only_good": partial, "complete_to": complete_to, "out": out}
        return await import_file(database, kind, file, **given)

    out.print(asyncio.run(with_database(settings, migrated(work))), markup=False, highlight=False, soft_wrap=True)


@app.command("plan")
def plan_command(
    day: Annotated[str | None, typer.Option("--date", help="The day to plan, YYYY-MM-DD; today unless given.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be made and write nothing.")] = False,
) -> None:
    """Make a day's to-dos from the rules in force; making them again changes nothing."""
    settings = settings_of_command()
    out.print(asyncio.run(with_database(settings, migrated(planning(settings, parsed_date(day), dry_run=dry_run)))))


PACK = Annotated[str, typer.Argument(help="insurance, dental, exam, baby, retail, or a .yaml file of your own.")]


@pack.command("install")
def install_pack(source: PACK) -> None:
    """Install a pack: tags, attributes, tables, products, offers, scripts and SOPs, put in force."""
    done = asyncio.run(with_database(settings_of_command(), migrated(installing(source))))
    out.print(f"{len(done.sops)} SOPs in force: {', '.join(done.sops) or '–'}", highlight=False, markup=False)
    if done.kept:
        out.print(f"{len(done.kept)} left as you published them: {', '.join(done.kept)}", highlight=False, markup=False)


@pack.command("preview")
def preview_pack(source: PACK) -> None:
    """Check a pack and show whom its SOPs would reach; writes nothing."""
    settings = settings_of_command()
    out.print(asyncio.run(with_database(settings, migrated(trying(settings, source)))))


@sop.command("preview")
def preview_sop(file: Annotated[Path, typer.Argument(help="A rule as YAML; see docs/sop.md.")]) -> None:
    """Show whom a rule would reach today and in the next 14 days; writes nothing."""
    settings = settings_of_command()
    out.print(asyncio.run(with_database(settings, migrated(previewing(settings, file)))))


@welcome.command("load")
def load_welcome(file: Annotated[Path, typer.Argument(help="A YAML file of flows; see docs/welcome.md.")]) -> None:
    """Make a file's flows the company's welcome; the flows it does not name are removed."""
    flows, settings = read_flows(file), settings_of_command()

    async def work(database: Database) -> list[WelcomeFlow]:
        now = Clock().now()
        upload = NewJob(f"{RENEW_MEDIA}:load:{now.isoformat()}", RENEW_MEDIA, now, priority=Priority.SYNC)

        def store(session: Session) -> list[WelcomeFlow]:
            enqueue(session, upload)  # a running server uploads new files now, not with the first welcome
            return store_flows(session, flows, settings.home, file.parent, now)

        return await database.write(store)

    stored = asyncio.run(with_database(settings, migrated(work)))
    out.print(f"{len(stored)} welcome flows in force: {', '.join(flow.name for flow in stored)}", markup=False)


@welcome.command("list")
def list_welcome() -> None:
    """Show the welcome flows in the order they are tried."""

    async def work(database: Database) -> list[WelcomeFlow]:
        flows = select(WelcomeFlow).order_by(col(WelcomeFlow.position))
        return await database.read(lambda session: list(session.exec(flows).all()))

    table = Table("", "name", "when", "text")
    for flow in asyncio.run(with_database(settings_of_command(), migrated(work))):
        conditions = flow.conditions.model_dump(exclude_none=True)
        when = ", ".join(f"{name}={value}" for name, value in conditions.items()) or "always"
        table.add_row(str(flow.position + 1), flow.name, when, flow.text)
    out.print(table)


@scripts.command("load")
def load_scripts(
    source: Annotated[str, typer.Argument(help="A YAML file of scripts, or general, insurance, dental, …; see docs.")],
) -> None:
    """Add a file's scripts, or the ready-made ones of a trade, to the library."""

    async def work(database: Database) -> Loaded:
        return await database.write(lambda session: load(session, source, Clock().now()))

    done = asyncio.run(with_database(settings_of_command(), migrated(work)))
    out.print(f"{done.added} scripts added, {done.updated} updated, {done.untouched} left as they are", markup=False)


@jobs.command("dead")
def dead_jobs() -> None:
    """List the jobs that were given up, with their reasons."""

    async def work(database: Database) -> list[Job]:
        dead = select(Job).where(Job.state == DEAD).order_by(col(Job.id))
        return await database.read(lambda session: list(session.exec(dead).all()))

    table = Table("id", "kind", "since", "attempts", "reason")
    for job in asyncio.run(with_database(settings_of_command(), migrated(work))):
        table.add_row(str(job.id), job.kind, f"{job.finished_at:%Y-%m-%d %H:%M}Z", str(job.attempts), job.error or "")
    out.print(table)


@jobs.command("retry")
def retry_jobs(ids: Annotated[list[int], typer.Argument(help="Ids from `frontline jobs dead`.")]) -> None:
    """Give dead jobs another try; a running server takes them up within a second."""

    async def work(database: Database) -> int:
        return await database.write(lambda session: retry_dead(session, ids, Clock().now()))

    revived = asyncio.run(with_database(settings_of_command(), migrated(work)))
    out.print(f"{revived} of {len(ids)} jobs are ready again")


def migrated(work: Callable[[Database], Awaitable[Any]]) -> Callable[[Database], Coroutine[Any, Any, Any]]:
    """The work, on a database that is up to date. Raises `CommandFailed` when it is not."""

    async def checked(database: Database) -> Any:
        if await current(database) != head():
            raise CommandFailed("the database is not up to date; run: frontline migrate")
        return await work(database)

    return checked


async def with_database(settings: Settings, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """Open the database, do the work, close it. Raises `CommandFailed` when its folder cannot be made."""
    try:
        database = Database(settings.database)
    except OSError as error:
        cure = "check FRONTLINE_DATABASE_URL and FRONTLINE_HOME"
        raise CommandFailed(f"no folder for {settings.database}: {error.strerror}; {cure}") from error
    try:
        return await work(database)
    finally:
        await database.close()
