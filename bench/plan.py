"""The day plan: 50 rules, 10,000 customers due, among 100,000 and among as many as are asked for.

`python -m bench.plan [CUSTOMERS] [sqlite|postgresql …]`; the factor needs the extra `bench` (`rule-engine`).

Prints the evaluation of all rules, the whole plan with its to-dos and words, and the preview of one rule; each the
median of several runs, and what evaluating the same rules row by row with the library `rule-engine` would take.
Processor seconds stand beside seconds: on a machine that does other things they are the steadier of the two.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlmodel import Session, SQLModel

from bench.layers import server
from bench.machine import describe
from bot.database import defaults, make_engine
from bot.schema import config
from contacts.bulk import insert_rows
from contacts.facts import Watermark
from contacts.models import Customer, FollowUser, Staff
from sop import rules
from sop.conditions import day_of
from sop.plan import Planned, in_force, plan, since_last
from sop.preview import preview
from sop.sops import publish, save
from sop.triggers import find, window_of

FEW, CUSTOMERS, DUE, RULES, STAFF, ROWS, RUNS, SAMPLE = 100_000, 1_000_000, 10_000, 50, 1000, 10_000, 3, 2000
ZONE = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 18)
NOW = datetime(2026, 11, 18, 0, 30, tzinfo=UTC)
TARGETS = {"evaluation": 3.0, "preview": 2.0, "to-do": 100e-6, "growth": 1.5}


@dataclass(frozen=True)
class Taken:
    """Seconds on the clock and of the processor; of a server's work only the waiting shows."""

    seconds: float
    processor: float

    def __str__(self) -> str:
        return f"{self.seconds:.2f} s ({self.processor:.2f} s of the processor)"


def ahead(number: int) -> int:
    """After how many days the birthdays lie that a rule looks for; every other day, for a plan looks at two."""
    return 2 * number


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
    body = {"when": {"kind": "date", "field": "birthday", "days": -ahead(number)}, "who": who, "what": [{"do": todo}]}
    return rules.RuleFile.model_validate({"code": f"r{number}", "name": f"规则{number}", "rule": body})


def birthday(one: int) -> date:
    """The first 10,000 are due today, two hundred for each rule; nobody else is."""
    return TODAY + timedelta(days=ahead(one % RULES) if one < DUE else 2 * RULES + 1 + one % 200)


def fill(session: Session, customers: int) -> None:
    """Staff, customers and their ties, and the rules; yesterday was planned."""
    session.add_all(Staff(userid=f"s{one}", name=f"员工{one}", synced_at=NOW) for one in range(STAFF))
    session.add(Watermark(feed="visits", store="", complete_to=NOW))
    session.add(Planned(day=TODAY - timedelta(days=1), at=NOW - timedelta(days=1)))
    session.flush()
    added = NOW - timedelta(days=300)
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
    put(session, Customer, people)
    put(session, FollowUser, ties)
    for number in range(RULES):
        publish(session, save(session, rule(number), NOW), "", NOW)


def put(session: Session, model: type[SQLModel], many: Iterator[dict[str, Any]]) -> None:
    """Rows with every column, ten thousand at a time."""
    blank = {name: value for name, value in defaults(model).items() if name != "id"}
    while part := [{**blank, **one} for one in islice(many, ROWS)]:
        insert_rows(session, model.__table__, part, all_new=True)  # type: ignore[attr-defined]


def evaluate(session: Session) -> int:
    """Find whom each rule reaches today, as the plan does; answers how many."""
    window = window_of(session, day_of(session, TODAY, ZONE), since_last(session, TODAY))
    return sum(len(find(session, version.rule, window, sop_id=sop.id)) for sop, version in in_force(session))


def timed(engine: Engine, what: Callable[[Session], int]) -> tuple[Taken, int]:
    """The median of several runs, each taken back; and what it answered."""
    taken, answer = [], 0
    for _ in range(RUNS):
        with Session(engine.execution_options(writes=True)) as session:
            session.connection()
            began, busy = time.perf_counter(), time.process_time()
            answer = what(session)
            session.flush()
            taken.append((time.perf_counter() - began, time.process_time() - busy))
            session.rollback()
    seconds, processor = (statistics.median(each) for each in zip(*taken, strict=True))
    return Taken(seconds, processor), answer


def measure(customers: int, url: str) -> dict[str, Taken]:
    """Fill, evaluate, plan, preview."""
    engine = make_engine(url)
    with engine.execution_options(writes=True).begin() as connection:
        from alembic import command  # noqa: PLC0415 - only here

        command.upgrade(config(connection), "head")
    with Session(engine.execution_options(writes=True)) as session:
        fill(session, customers)
        session.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    evaluation, found = timed(engine, evaluate)
    whole, made = timed(engine, lambda session: plan(session, TODAY, NOW, ZONE).todos)
    ahead_of, _ = timed(engine, lambda session: preview(session, rule(3).rule, TODAY, ZONE).today)
    engine.dispose()
    each = (whole.processor - evaluation.processor) / made
    print(f"{url.partition(':')[0]}, {customers:,} customers × {RULES} rules, {found:,} due")
    print(f"  evaluation: {evaluation} (target {TARGETS['evaluation']:g} s)")
    print(f"  plan with {made:,} to-dos and their words: {whole}")
    print(f"    a to-do, beyond the evaluation: {(whole.seconds - evaluation.seconds) / made * 1e6:.0f} µs,", end=" ")
    print(f"of the processor {each * 1e6:.0f} µs (target 100)")
    print(f"  preview of one rule, 14 days: {ahead_of} (target {TARGETS['preview']:g} s)", flush=True)
    return {"evaluation": evaluation, "plan": whole}


def row_by_row() -> float:
    """Seconds that the library `rule-engine` needs for one customer and one rule."""
    import rule_engine  # noqa: PLC0415 - only installed with the extra `bench`

    text = "due_in == {} and net_fen >= 0 and not visited and friend"
    compiled = [rule_engine.Rule(text.format(ahead(number))) for number in range(RULES)]
    people = [
        {"due_in": float((birthday(one) - TODAY).days), "net_fen": 0.0, "visited": False, "friend": True}
        for one in range(SAMPLE)
    ]
    began = time.process_time()
    hits = sum(one.matches(person) for person in people for one in compiled)
    seconds = time.process_time() - began
    assert hits == SAMPLE
    return seconds / (SAMPLE * RULES)


def main() -> None:
    """Measure and print."""
    describe()
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else CUSTOMERS
    single = row_by_row()
    for kind in sys.argv[2:] or ["sqlite", "postgresql"]:
        taken = {}
        for many in sorted({min(FEW, customers), customers}):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, server(kind, folder) as url:
                taken[many] = measure(many, url)
        few, most = taken[min(taken)], taken[max(taken)]
        alone = single * RULES * max(taken)
        print(f"  {min(taken):,} → {max(taken):,} customers: plan {most['plan'].seconds / few['plan'].seconds:.2f} ×")
        print(f"  rule-engine, row by row: {alone:,.0f} s = {alone / most['evaluation'].seconds:,.0f} × the evaluation")


if __name__ == "__main__":
    main()
