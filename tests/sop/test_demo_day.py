"""The demo's customers on exactly their days, and each kind of trigger that its packs use, over the demo's own data."""

from collections import Counter
from datetime import date, timedelta
from typing import Any, get_args

import pytest
from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.commands.demo_data.generate import generate, store
from bot.database import Database
from contacts.facts import Policy, Visit
from contacts.models import Customer
from contacts.offers import Offer, OfferGrant
from simulator.corp import Corp
from simulator.population.calendar import midnight
from simulator.population.ties import populate
from sop import packs, rules
from sop.plan import plan
from sop.sops import Run, Sop, SopVersion, Todo
from tests.sop.company import ZONE, at

FRIDAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def demo() -> Any:
    """The demo's company on that Friday."""
    population = populate(FRIDAY)
    return population, generate(population, Corp(Clock(midnight(FRIDAY))))


@pytest.fixture
async def planned(demo: Any, database: Database) -> Database:
    """The demo's company with every pack, and the plan of its morning."""
    population, rows = demo

    def fill(session: Session) -> None:
        store(session, rows, population)
        for name in packs.names():
            packs.install(session, name, midnight(FRIDAY))

    await database.write(fill)
    await database.write(lambda session: plan(session, FRIDAY, at(FRIDAY, 8), ZONE))
    return database


def todos_of(session: Session, code: str) -> list[tuple[Todo, Run]]:
    """The to-dos of one SOP with their runs."""
    query = select(Todo, Run).join(Run, col(Run.id) == col(Todo.run_id)).join(Sop, col(Sop.id) == col(Todo.sop_id))
    return list(session.exec(query.where(col(Sop.code) == code)).all())


async def test_missed_on_wednesday_is_asked_after_on_friday_and_nobody_who_came(planned: Database) -> None:
    def read(session: Session) -> tuple[set[int], set[int], set[date]]:
        made = todos_of(session, "dental-missed")
        missed = {todo.customer_id for todo, _ in made}
        came = set(session.exec(select(Visit.customer_id).where(col(Visit.at) >= midnight(FRIDAY - timedelta(2)))))
        return missed, came, {run.day for _, run in made}

    missed, came, days_ = await planned.read(read)
    assert len(missed) >= 5
    assert not missed & came
    assert days_ <= {FRIDAY - timedelta(days=one) for one in (2, 3)}


async def test_birthdays_in_fifteen_days_and_under_insured_within_budget_only(planned: Database) -> None:
    def read(session: Session) -> tuple[set[date], int, int]:
        made = todos_of(session, "insurance-birthday")
        ids = [todo.customer_id for todo, _ in made]
        born = session.scalars(select(col(Customer.birthday_next)).where(col(Customer.id).in_(ids))).all()
        full = select(Policy.customer_id).where(
            col(Policy.customer_id).in_(ids), Policy.kind == "重疾险", col(Policy.sum_insured_fen) >= 80_000_000,
            col(Policy.ends_on) >= FRIDAY,
        )  # fmt: skip
        return {one for one in born if one}, len(ids), len(session.exec(full).all())

    born, number, full = await planned.read(read)
    assert number > 0
    assert born <= {FRIDAY + timedelta(days=one) for one in (12, 13, 14, 15)}
    assert full == 0


async def test_every_kind_of_trigger_there_is_fires(planned: Database) -> None:
    def read(session: Session) -> Counter[str]:
        query = select(SopVersion, Run).join(Run, col(Run.version_id) == col(SopVersion.id))
        return Counter(version.rule.when.kind for version, _ in session.exec(query).all())

    kinds = {kind for one in get_args(get_args(rules.Trigger)[0]) for kind in get_args(one.__annotations__["kind"])}
    assert kinds - set(await planned.read(read)) == set()


async def test_offers_of_several_packs_are_set_aside_and_named_in_the_words(planned: Database) -> None:
    def read(session: Session) -> tuple[set[str], int, int]:
        theirs = select(OfferGrant, Offer, Todo).join(Offer, col(Offer.code) == col(OfferGrant.offer_code))
        same = (col(Todo.run_id) == col(OfferGrant.run_id)) & (col(Todo.position) == col(OfferGrant.position))
        rows = session.exec(theirs.join(Todo, same)).all()
        return {offer.pack for _, offer, _ in rows}, len(rows), sum(offer.name in todo.words for _, offer, todo in rows)

    from_packs, set_aside, named = await planned.read(read)
    assert from_packs >= {"baby", "exam", "insurance", "retail"}
    assert named == set_aside > 0
