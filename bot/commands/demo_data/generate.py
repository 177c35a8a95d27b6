"""The demo's data: all rows from its population, and into the database with everything worked out from them."""

from sqlmodel import Session

from bot.commands.demo_data.company import found
from bot.commands.demo_data.customers import write_customers
from bot.commands.demo_data.habits import join_campaigns, live
from bot.commands.demo_data.rows import Rows, insert_all
from bot.commands.demo_data.sales import sell
from bot.commands.demo_data.sums import add_up
from contacts import layers, names, rollups
from contacts.models import Customer
from simulator.corp import Corp
from simulator.population.calendar import midnight
from simulator.population.ties import Population


def generate(population: Population, corp: Corp) -> Rows:
    """What the bot knows on the morning of the demo day. `corp` holds the same population: its statistics are taken."""
    rows = Rows()
    company = found(rows, population.day)
    lives = write_customers(rows, company, population)
    joined = join_campaigns(rows, company, lives)
    sell(rows, company, lives, joined)
    live(rows, company, lives, joined)
    add_up(rows, company, population, corp)
    return rows


def store(session: Session, rows: Rows, population: Population) -> None:
    """Write all rows into an empty database, and what follows from them into the customers'."""
    insert_all(session, rows)
    names.hear_again(session, range(1, len(rows.tables[Customer]) + 1))
    rollups.recompute(session)
    now = midnight(population.day)
    layers.keep_measures(session, layers.measure(session), now)
    everybody = layers.those_between(1, len(rows.tables[Customer]))
    layers.recompute_scope(session, everybody, layers.limits_of(session), now, "demo")
