"""The demo's company on a Friday with what it has none of, and beside it the facts as the SQL by hand asks for them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, text
from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.commands.demo_data.generate import generate, store
from contacts.calendar import is_workday
from contacts.channels import Campaign
from contacts.facts import DoNotContact, Order, Refund, Touch, Visit
from contacts.models import ADDED, CONFIRMED, Customer, TieChange
from kpi.credit import credit_orders
from kpi.models import CreditDecision
from kpi.periods import Period
from simulator.app import create_simulator
from simulator.corp import Corp
from simulator.platform import PLATFORM
from simulator.population.calendar import midnight
from simulator.population.company import HIRES
from simulator.population.settling import settle
from simulator.population.ties import populate
from sop.mass_sends import MassSend, MassSendCustomer
from sop.models import NOT_SENT, SENT, UNCONFIRMED, Welcome
from sop.sops import DONE, NOT_APPLICABLE, OPEN, WITHDRAWN, Todo
from tests.kpi.company import ZONE

FRIDAY = date(2026, 11, 20)
NOW = midnight(FRIDAY) + timedelta(hours=10)
SINCE = midnight(date(2026, 9, 1))
SELLERS = [hire.userid for hire in HIRES if hire.share]
BY_HAND = Path(__file__).parent / "by_hand"
WRITTEN: dict[str, dict[str, str]] = {
    "sqlite": {
        "us": r"(CAST(strftime('%s', \1) AS INTEGER) * 1000000 + CAST(substr(\1, 21, 6) AS INTEGER))",
        "midnight": r"((CAST(strftime('%s', \1) AS INTEGER) - 28800) * 1000000)",
        "day_of": r"strftime('%Y-%m-%d', \1, '+8 hours')",
        "days": r"(\1 * 86400000000)",
    },
    "postgresql": {
        "us": r"CAST(extract(epoch FROM \1) * 1000000 AS BIGINT)",
        "midnight": r"CAST((extract(epoch FROM CAST(\1 AS timestamp)) - 28800) * 1000000 AS BIGINT)",
        "day_of": r"to_char(\1 AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD')",
        "days": r"(\1 * 86400000000)",
    },
}
"""How each database says what the SQL by hand leaves open."""


def demo_company(session: Session) -> None:
    """All of it, in a new database, credited."""
    population = populate(FRIDAY)
    corp = Corp(Clock(NOW))
    settle(create_simulator(corp)[PLATFORM], population)
    store(session, generate(population, corp), population)
    random = Random(7)
    for more in (work, sends, corners):
        more(session, random, len(population.people))
        session.flush()
    ids = session.exec(select(Order.id).order_by(col(Order.id)))
    credit_orders(session, [one for one in ids if one is not None])


def moment(random: Random) -> datetime:
    """A time since the beginning of September, to the second."""
    return SINCE + timedelta(seconds=random.randrange(int((midnight(FRIDAY) - SINCE).total_seconds())))


def work(session: Session, random: Random, customers: int) -> None:
    """To-dos with what became of them, and touches for them that a campaign claims."""
    for number in range(900):
        at, userid, customer_id = moment(random), random.choice(SELLERS), random.randrange(1, customers)
        state = random.choice([DONE, DONE, OPEN, NOT_APPLICABLE, WITHDRAWN])
        # The bot withdraws what is overdue for too long as soon as it starts.
        state = WITHDRAWN if state == OPEN and at < midnight(date(2026, 10, 25)) else state
        closed = at + timedelta(hours=random.randrange(100)) if state == DONE else None
        result = random.choice(["replied", "no_reply", "booked", "deal", "refused", ""]) if closed else ""
        day = at.astimezone(ZONE).date()
        given: dict[str, Any] = {"day": day, "due_on": day + timedelta(days=number % 4), "title": "回访"}
        given |= {"campaign_id": random.choice([None, None, 1, 2]), "state": state, "result": result}
        session.add(Todo(customer_id=customer_id, userid=userid, closed_at=closed, **given))
        if number % 3 == 0:
            scene: dict[str, Any] = {"scene": "step", "reference": f"t{number}", "doubtful": number % 30 == 0}
            claimed = random.choice([None, 1, 2])
            session.add(Touch(at=at, customer_id=customer_id, userid=userid, campaign_id=claimed, **scene))


def sends(session: Session, random: Random, customers: int) -> None:
    """Mass sends and welcomes, delivered and not."""
    for number in range(1, 61):
        session.add(
            MassSend(id=number, key=f"m{number}", userid=random.choice(SELLERS), text="上新", asked_at=moment(random))
        )
        session.flush()
        for one in random.sample(range(1, customers), 12):
            sent: dict[str, Any] = {"external_userid": f"x{one}", "status": random.choice([0, 1, 1, 2, 3])}
            session.add(MassSendCustomer(mass_send_id=number, customer_id=one, **sent))
    for number in range(1, 301):
        outcome = random.choice([SENT, SENT, UNCONFIRMED, NOT_SENT])
        given: dict[str, Any] = {"external_userid": "x", "kind": "new", "code_present": True, "outcome": outcome}
        session.add(Welcome(event_id=number, userid=random.choice(SELLERS), received_at=moment(random), **given))


def corners(session: Session, random: Random, customers: int) -> None:
    """Wishes that end, half adds confirmed, refunds of what was paid before the add, strangers who add, decisions."""
    for number in range(120):
        at = moment(random)
        until = at.astimezone(ZONE).date() + timedelta(days=random.randrange(40)) if number % 3 else None
        lifted = at + timedelta(days=random.randrange(1, 30)) if number % 4 == 0 else None
        wish: dict[str, Any] = {"until": until, "lifted_at": lifted if lifted and lifted < NOW else None, "by": "lin"}
        session.add(DoNotContact(at=at, customer_id=random.randrange(1, customers), **wish))
    for number in range(80):
        tie: dict[str, Any] = {"customer_id": customers + number % 60 + 1, "userid": random.choice(SELLERS)}
        at = moment(random)
        session.add(TieChange(at=at, kind="half_added", channel_id=random.choice([1, 2, None]), **tie))
        session.add(TieChange(at=at + timedelta(hours=2), kind=CONFIRMED, channel_id=1 + number % 8, **tie))
    for number in range(50):
        met, userid = moment(random), random.choice(SELLERS)
        stranger = Customer(name=f"路人{number}", main_userid=userid)
        session.add(stranger)
        session.flush()
        who: dict[str, Any] = {"customer_id": stranger.id, "userid": userid}
        session.add(Visit(source_id=f"v{number}", digest="", at=met, store="east", **who))
        if number % 3:
            session.add(TieChange(at=met + timedelta(days=random.randrange(10)), kind=ADDED, channel_id=6, **who))
    for number in range(40):
        paid = moment(random)
        order = Order(source_id=f"c{number}", digest="", at=paid, customer_id=customers + 1 + number, amount_fen=50_000)
        order.refunded_fen = 20_000
        session.add(order)
        session.flush()
        back = min(paid + timedelta(days=random.randrange(30)), midnight(FRIDAY))
        given: dict[str, Any] = {"order_id": order.id, "customer_id": order.customer_id, "amount_fen": 20_000}
        session.add(Refund(source_id=f"c{number}", digest="", at=back, **given))

    for number in range(60):
        said: dict[str, Any] = {"order_id": 1 + 37 * (number % 45), "by": "su", "userid": random.choice(SELLERS)}
        session.add(CreditDecision(at=NOW, undone_at=NOW if number % 4 == 0 else None, **said))


@dataclass(frozen=True)
class View:
    """Whose numbers, of which days, narrowed to what: as the API is asked, and as the SQL by hand is."""

    name: str
    query: dict[str, str]
    period: str = "last_month"
    theirs: str = "1 = 1"
    channel: int | None = None
    campaign: int | None = None

    def words(self, period: Period) -> dict[str, str]:
        """What the views by hand leave open."""
        channel = f"channel = {self.channel}" if self.channel else "1 = 1"
        campaign = f"campaign = {self.campaign}" if self.campaign else "1 = 1"
        came = f"customer_id IN (SELECT customer_id FROM x_first WHERE {channel})" if self.channel else "1 = 1"
        days = {"first": f"{period.first}", "last": f"{period.last}", "until": f"{min(period.last, FRIDAY)}"}
        moments = {"start": str(us(period.start)), "end": str(us(min(period.end, NOW)))}
        narrowed = {"came": came, "of_channel": channel, "of_campaign": campaign, "made": f"{channel} AND {campaign}"}
        return {"theirs": self.theirs, **narrowed, **days, **moments}


EAST = "userid IN (SELECT userid FROM staffdepartment WHERE department_id = 2)"
VIEWS = (
    View("company", {}),
    View("this month", {}, "this_month"),
    View("department", {"department": "2"}, theirs=EAST),
    View("member", {"staff": "lin"}, theirs="userid = 'lin'"),
    View("channel", {"channel": "6"}, channel=6),
    View("campaign", {"campaign": "1"}, "2026-09-01..2026-10-31", campaign=1),
)


def us(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def by_hand(connection: Connection, name: str) -> str:
    """A file of SQL by hand, for this database."""
    said = re.sub(r"--(?! metric).*", "", (BY_HAND / name).read_text(encoding="utf-8"))
    for word, meaning in WRITTEN[connection.dialect.name].items():
        said = re.sub(rf"\b{word}\(([^()]*)\)", meaning, said)
    return said


def execute_all(connection: Connection, statements: str) -> None:
    """Carry out statements one by one."""
    for statement in filter(str.strip, statements.split(";")):
        connection.exec_driver_sql(statement)


def write_facts(session: Session) -> None:
    """The facts as the SQL by hand asks for them, and the calendar and steps of commission beside them."""
    connection = session.connection()
    connection.exec_driver_sql("CREATE TABLE x_calendar (day TEXT, workday INTEGER)")
    for ahead in range(120):
        day = date(2026, 9, 1) + timedelta(days=ahead)
        row = {"day": day.isoformat(), "workday": int(is_workday(day))}
        connection.execute(text("INSERT INTO x_calendar VALUES (:day, :workday)"), row)
    connection.exec_driver_sql("CREATE TABLE x_tier (campaign INTEGER, from_fen BIGINT, percent FLOAT)")
    for campaign in session.exec(select(Campaign)):
        for start, percent in campaign.tiers:
            tier = {"campaign": campaign.id, "start": start, "percent": percent}
            connection.execute(text("INSERT INTO x_tier VALUES (:campaign, :start, :percent)"), tier)
    execute_all(connection, by_hand(connection, "facts.sql"))


def write_views(connection: Connection, view: View, period: Period) -> None:
    """What one asker sees, in place of what the one before saw."""
    said = by_hand(connection, "views.sql")
    for name in reversed(re.findall(r"CREATE (TABLE|VIEW) (\w+)", said)):
        connection.exec_driver_sql(f"DROP {name[0]} IF EXISTS {name[1]}")
    execute_all(connection, said.format(**view.words(period)))


def metrics_by_hand(connection: Connection) -> dict[str, str]:
    """The SQL of each metric, by its name."""
    pieces = by_hand(connection, "metrics.sql").split("-- metric: ")[1:]
    return {name: sql for name, _, sql in (piece.partition("\n") for piece in pieces)}
