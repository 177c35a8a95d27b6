"""The worker: which runner carries out which kind of job, what is due by the clock, and loops that never stay down."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import structlog
from sqlmodel import Session

from assistant import evening
from assistant.asking import ModelQuestions
from assistant.baseline_alerts import BASELINES, check_baselines
from assistant.drafting import Drafts
from assistant.evening import EVENING, tell_evening
from assistant.model import LanguageModel
from assistant.model_jobs import ASK_MODEL, WRITE_DRAFT
from assistant.reporting import AT, REPORT, REPORTS, morning_reports, team_report
from bot.callback import EVENT
from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Runner, enqueue, forget_payloads
from bot.links import Links
from bot.observability import log
from bot.outbox import CARD_UPDATE, MESSAGE, deliver_card_update, deliver_message, forget_codes
from bot.router import Context, Router
from bot.settings import Settings
from bot.wecom.events import TYPES, CardEvent, MenuClicked, Message, kind_of, read
from contacts.channel_marks import APPLY_CHANNEL, PUT_REMARK, apply_channel, put_remark
from contacts.channel_setup import FETCH_QR, SET_UP, fetch_qr, set_up_channel
from contacts.corp_tags import ADD_TAG, FETCH_TAGS, add_tag, fetch_tags, sync_tags
from contacts.domain_events import DOMAIN_EVENT
from contacts.fetching import FETCH_CUSTOMER, fetch_customer
from contacts.group_sync import SYNC_GROUPS, fetch_group, sync_groups
from contacts.groups import FETCH_GROUP
from contacts.handover_jobs import FIND_UNASSIGNED, HandOvers
from contacts.ingest import CREDIT
from contacts.layers import LAYERS, recompute_all
from contacts.losses import LOSS_NOTICE, tell_losses
from contacts.names import HEAR_NAMES, hear_names
from contacts.privacy import RETENTION, erase_expired
from contacts.staff import SYNC, sync_staff
from contacts.statistics import PULL_STATISTICS, pull_statistics
from contacts.sync import KINDS, LANE, SYNC_CUSTOMERS, sync_customers
from contacts.tag_push import MARK_TAG, SYNC_TAGS, mark_tag
from contacts.unasked import HELD, HELD_FROM, gate, send_held
from handlers.choosing import dispatch
from handlers.staff_message import cannot_answer
from kpi.credit import keep_credits
from scripts_library.media import MediaLibrary
from scripts_library.sending import SCRIPT_FILE, deliver_file
from sop import mass_sends, silence
from sop.announcing import announcer
from sop.calendar import polite_time
from sop.card_refresh import CARD_REFRESH, CardRefresher
from sop.digest import DIGEST, digest
from sop.fire import FIRE, firer, listener
from sop.greeting import Greeter, renew_media
from sop.outcomes import OUTCOMES, link_all
from sop.overdue import ESCALATE, TOLD_FROM, escalate
from sop.plan import PLAN, planner
from sop.welcome import WELCOME

HOUSEKEEPING, RENEW_MEDIA = "housekeeping", "renew_media"
TICK_SECONDS = 20.0
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class Cron:
    """Something done by the clock, once a day at a local time. What shares a lane is done in the order given here."""

    kind: str
    at: time
    lane: str | None = None


CRONS = (
    *(Cron(kind, time(3, 10), LANE) for kind in KINDS),
    Cron(PLAN, time(8, 30), "morning"),
    Cron(DIGEST, time(9, 3), "morning"),
    Cron(ESCALATE, TOLD_FROM, "morning"),
    Cron(HELD, HELD_FROM, "morning"),
    Cron(EVENING, evening.TOLD_FROM),
    Cron(REPORTS, AT),
    Cron(PULL_STATISTICS, time(9, 20)),
    Cron(BASELINES, time(9, 40)),
    Cron(HOUSEKEEPING, time(3, 40)),
    Cron(HEAR_NAMES, time(3, 50)),
    Cron(FIND_UNASSIGNED, time(9, 10)),
    Cron(RENEW_MEDIA, time(4, 10)),
    Cron(CREDIT, time(4, 30)),
    Cron(RETENTION, time(4, 30)),
    Cron(LAYERS, time(5, 0)),
    Cron(OUTCOMES, time(5, 20)),
)


def runners(
    settings: Settings, database: Database, clock: Clock, gateway: Gateway, router: Router
) -> dict[str, Runner]:
    """Every kind of job there is."""
    zone = ZoneInfo(settings.timezone)
    library = MediaLibrary(settings.home, database, gateway, clock)
    model = LanguageModel(settings)
    return {
        EVENT: Runner(handle(router, settings, clock)),
        WELCOME: Greeter(gateway, library, clock, settings.welcome_seconds).runner(),
        MESSAGE: Runner(gate(deliver_message(gateway, zone), database, clock, zone, lambda at: polite_time(at, zone))),
        CARD_UPDATE: Runner(deliver_card_update(gateway)),
        SYNC: Runner(sync_staff(gateway, clock)),
        LAYERS: Runner(recompute_all(database, clock, zone)),
        RETENTION: Runner(erase_expired(database, clock, settings.retention_days)),
        HEAR_NAMES: Runner(hear_names(database)),
        CREDIT: Runner(keep_credits(database)),
        BASELINES: Runner(check_baselines(database, clock, zone, settings.language)),
        SET_UP: Runner(set_up_channel(gateway, database, clock, settings.language)),
        FETCH_QR: fetch_qr(gateway, settings.language),
        APPLY_CHANNEL: Runner(apply_channel(database, clock)),
        PUT_REMARK: Runner(put_remark(gateway)),
        **HandOvers(gateway, database, clock, settings.language, lambda at: polite_time(at, zone)).runners(),
        LOSS_NOTICE: Runner(tell_losses(clock, zone, settings.language)),
        SYNC_CUSTOMERS: Runner(sync_customers(gateway, database, clock)),
        SYNC_GROUPS: Runner(sync_groups(gateway, database, clock)),
        FETCH_GROUP: Runner(fetch_group(gateway, clock)),
        PULL_STATISTICS: Runner(pull_statistics(gateway, database, clock)),
        FETCH_CUSTOMER: Runner(fetch_customer(gateway, clock)),
        MARK_TAG: Runner(mark_tag(gateway, database, clock)),
        SYNC_TAGS: Runner(sync_tags(gateway, clock)),
        FETCH_TAGS: Runner(fetch_tags(gateway, clock)),
        ADD_TAG: add_tag(gateway, database, clock),
        SCRIPT_FILE: Runner(deliver_file(gateway, library)),
        RENEW_MEDIA: Runner(renew_media(library)),
        HOUSEKEEPING: Runner(clean_up(gateway, clock)),
        DOMAIN_EVENT: Runner(listener(clock)),
        FIRE: Runner(firer(zone, clock, announcer(zone, settings.language))),
        PLAN: Runner(planner(database, zone, clock, settings.language)),
        DIGEST: Runner(digest(database, zone, clock, settings.language, Links(settings))),
        ESCALATE: Runner(escalate(clock, zone, settings.language)),
        HELD: Runner(send_held(clock, zone, settings.language)),
        EVENING: Runner(tell_evening(clock, zone, settings.language)),
        OUTCOMES: Runner(link_all(database, clock)),
        REPORTS: Runner(morning_reports(clock, zone, settings.language)),
        REPORT: Runner(team_report(database, clock, zone, settings.language)),
        CARD_REFRESH: CardRefresher(gateway, database, clock, settings).runner(),
        ASK_MODEL: ModelQuestions(
            model, database, clock, zone, links=Links(settings), otherwise=cannot_answer
        ).runner(),
        WRITE_DRAFT: Drafts(model, database, clock, zone).runner(),
        mass_sends.ASK: mass_sends.asker(gateway, database, clock, zone),
        mass_sends.RESULT: Runner(mass_sends.fetcher(gateway, database, clock)),
    }


def handle(router: Router, settings: Settings, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner of callbacks: the handler works inside the transaction that ends the job."""

    async def run(job: Job) -> Done:
        event, kind = read(job.payload), kind_of(job.payload)

        def then(session: Session) -> None:
            ctx = Context(session, settings, clock.now(), job.id or 0, job.created_at)
            if isinstance(event, Message | CardEvent | MenuClicked):
                silence.answered(session, event.userid, ctx.now)
            if not dispatch(router, event, ctx):
                known = TYPES.get(kind)
                remedy = f"add one with @router.on({known.__name__})" if known else "it is stored only"
                log.info("no handler", kind=kind, remedy=remedy)

        return Done("handled", then=then)

    return run


def clean_up(gateway: Gateway, clock: Clock) -> Callable[[Job], Awaitable[Done]]:
    """The runner that empties old payloads and drops old records of calls."""

    async def run(_: Job) -> Done:
        def then(session: Session) -> None:
            forget_payloads(session, clock.now())
            forget_codes(session, clock.now())
            silence.forget_cards(session, clock.now().date())
            gateway.forget(session)

        return Done(then=then)

    return run


def last_tick(cron: Cron, now: datetime, zone: ZoneInfo) -> datetime:
    """The latest moment at which the cron was due."""
    local = now.astimezone(zone)
    today = datetime.combine(local.date(), cron.at, zone)
    return today if today <= local else today - timedelta(days=1)


async def tick(database: Database, clock: Clock, zone: ZoneInfo) -> None:
    """Write a row for everything that is due; a tick already written is left alone, a missed one is made up for."""
    now = clock.now()

    def work(session: Session) -> None:
        for cron in CRONS:
            due = last_tick(cron, now, zone)
            key = f"cron:{cron.kind}:{due:%Y-%m-%d}"
            enqueue(
                session,
                NewJob(key=key, kind=cron.kind, lane=cron.lane or cron.kind, priority=Priority.SYNC, created_at=now),
            )

    await database.write(work)


async def keep_ticking(database: Database, clock: Clock, zone: ZoneInfo) -> None:
    """Look at the clock for ever."""
    while True:
        await tick(database, clock, zone)
        await asyncio.sleep(TICK_SECONDS)


async def supervised(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop for ever: whatever ends it is logged, and a second later it runs again."""
    while True:
        try:
            await loop()
        except Exception as error:  # noqa: BLE001 - the supervisor of every loop
            structlog.contextvars.clear_contextvars()
            log.error("loop failed", loop=name, error=type(error).__name__, exc_info=error)
        await asyncio.sleep(RESTART_SECONDS)
