"""The day plan: `python -m bench.plan [CUSTOMERS] [DATABASE_URL]`, 50 rules, 10,000 of the customers due.

Prints what the whole plan takes with its to-dos, what evaluating alone takes, and a preview of one rule.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from sqlmodel import Session, SQLModel

from bench.machine import describe
from bot.database import defaults, make_engine
from bot.schema import config
from contacts.facts import Watermark
from contacts.models import Customer, FollowUser, Staff
from sop import rules
from sop.plan import plan
from sop.preview import preview
from sop.sops import publish, save

CUSTOMERS, DUE, RULES, STAFF, ROWS = 1_000_000, 10_000, 50, 1000, 10_000
ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 18, 0, 30, tzinfo=UTC)


def rule(number: int) -> rules.RuleFile:
    """One of fifty: a birthday some days ahead, with a condition on a sum and a silence."""
    net, zero = {"kind": "fact", "name": "net_fen"}, {"kind": "number", "value": 0}
    who = {
        "kind": "all",
        "of": [
            {"kind": "compare", "left": net, "op": ">=", "right": zero},
            {"kind": "none", "of": [{"kind": "visited", "days": 30}]},
            {"kind": "friend"},
        ],
    }  # fmt: skip
    todo = {"kind": "todo", "title": "祝福", "reason": "{{ trigger.day }}生日", "words": "{{ customer.name }}您好"}
    body = {"when": {"kind": "date", "field": "birthday", "days": -number}, "who": who, "what": [{"do": todo}]}
    return rules.RuleFile.model_validate({"code": f"r{number}", "name": f"规则{number}", "rule": body})


def rows(model: type[SQLModel], many: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Rows with every column, ten thousand at a time."""
    blank = {name: value for name, value in defaults(model).items() if name != "id"}
    part: list[dict[str, Any]] = []
    for one in many:
        part.append({**blank, **one})
        if len(part) == ROWS:
            yield part
            part = []
    if part:
        yield part


def fill(session: Session, customers: int) -> None:
    """Staff, customers and their ties: so many birthdays fall into the fifty days that 10,000 are due today."""
    session.add_all(Staff(userid=f"s{one}", name=f"员工{one}", synced_at=NOW) for one in range(STAFF))
    session.add(Watermark(feed="visits", store="", complete_to=NOW))
    session.flush()
    added = NOW - timedelta(days=300)

    def birthday(one: int) -> date:
        return TODAY + timedelta(days=one % RULES if one < DUE else RULES + 1 + one % 200)

    people = (
        {
            "name": f"客户{one}",
            "main_userid": f"s{one % STAFF}",
            "birthday_next": birthday(one),
            "first_added_at": added,
        }
        for one in range(customers)
    )
    ties = ({"customer_id": one + 1, "userid": f"s{one % STAFF}", "added_at": added} for one in range(customers))
    for model, many in ((Customer, people), (FollowUser, ties)):
        for part in rows(model, many):
            session.connection().execute(insert(model), part)


def timed(what: str, began: float) -> float:
    """Print how long something took."""
    seconds = time.perf_counter() - began
    print(f"{what}: {seconds:.2f} s")
    return seconds


def measure(customers: int, url: str) -> None:
    """Fill, plan, plan again, preview."""
    engine = make_engine(url)
    with engine.execution_options(writes=True).begin() as connection:
        from alembic import command  # noqa: PLC0415 - only here

        command.upgrade(config(connection), "head")
    with Session(engine.execution_options(writes=True)) as session:
        fill(session, customers)
        for number in range(RULES):
            publish(session, save(session, rule(number), NOW), "", NOW)
        session.commit()
    if url.startswith("postgresql"):
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    with Session(engine.execution_options(writes=True)) as session:
        began = time.perf_counter()
        counts = plan(session, TODAY, NOW, ZONE)
        whole = timed(f"{customers:,} customers × {RULES} rules, {counts.todos:,} to-dos with their words", began)
        session.commit()
        print(f"per to-do: {whole / max(counts.todos, 1) * 1e6:.0f} µs")
        began = time.perf_counter()
        plan(session, TODAY, NOW, ZONE)
        timed("evaluation alone (planned again: nothing new)", began)
        began = time.perf_counter()
        preview(session, rule(3).rule, TODAY, ZONE)
        timed("preview of one rule, 14 days", began)


def main() -> None:
    """Measure and print."""
    describe()
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS
    with tempfile.TemporaryDirectory() as folder:
        measure(customers, sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{Path(folder) / 'plan.db'}")


if __name__ == "__main__":
    main()
