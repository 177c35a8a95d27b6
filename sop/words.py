"""The reason and the words of to-dos, filled for many customers at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlmodel import Session, col

from contacts.bulk import among
from contacts.facts import Product
from contacts.models import Customer
from scripts_library.context import VARIABLES, contexts, spoken
from scripts_library.models import Script, ScriptVersion
from scripts_library.rendering import TemplateRefused, render, used_variables
from sop import rules
from sop.conditions import Day, holds, number
from sop.parts import VARIABLES as RULE_VARIABLES

CONDITION: TypeAdapter[rules.Condition] = TypeAdapter(rules.Condition)
FORMS = {"number": 1, "yuan": 100, "wan": 1_000_000}


class Standing(Protocol):
    """A run, as far as words are concerned."""

    customer_id: int
    day: date


@dataclass(frozen=True)
class Text:
    """A text to be filled for many; the same values are filled in once."""

    template: str
    names: Sequence[str]
    """The variables it uses."""
    known: dict[tuple[str, ...], str] = field(default_factory=dict)

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with its values."""
        key = tuple(values[name] for name in self.names)
        if key not in self.known:
            self.known[key] = fill(self.template, values)
        return self.known[key]


def text_of(template: str | None, shown: Iterable[str]) -> Text:
    """A template with the variables it uses; empty when it cannot be filled."""
    known = frozenset((*RULE_VARIABLES, *(f"show.{name}" for name in shown)))
    try:
        return Text(template or "", sorted(used_variables(template or "", known)))
    except TemplateRefused:
        return Text("", ())


@dataclass(frozen=True)
class Words:
    """Everything the words of one step need, read in sets."""

    reason: Text
    words: Text
    recorded: Sequence[str]
    """The variables they use that stand in the record."""
    fallbacks: Mapping[str, str]
    day: Day
    contexts: Mapping[tuple[str, int], Any]
    shown: Mapping[str, Mapping[int, str]]
    products: Mapping[int, str]
    offer: Mapping[str, str]
    """The variables of the offer the step hands over."""

    def of(self, run: Standing, userid: str) -> tuple[str, str]:
        """(reason, words) for one run."""
        values = self.contexts[(userid, run.customer_id)].values(self.fallbacks, self.recorded)
        values |= {"trigger.day": spoken(run.day), "trigger.days": str(abs((run.day - self.day.today).days))}
        values |= {f"show.{name}": by_id.get(run.customer_id, "") for name, by_id in self.shown.items()}
        if run.customer_id in self.products:
            values["product.name"] = self.products[run.customer_id]
        values |= self.offer
        return self.reason.filled(values), self.words.filled(values)


def fill(template: str | None, values: Mapping[str, str]) -> str:
    """A text with its values; one that cannot be filled is left out rather than shown broken."""
    try:
        return render(template, values) if template else ""
    except TemplateRefused:
        return ""


def words_of(
    session: Session,
    action: rules.TodoAction,
    group: Sequence[tuple[Standing, str]],
    day: Day,
    now: datetime,
    *,
    offer: Mapping[str, str],
) -> Words:
    """What the words of one step need for (run, member) pairs."""
    script, fallbacks = script_of(session, action.script)
    ids = sorted({run.customer_id for run, _ in group})
    reason, words = (text_of(one, action.show) for one in (action.reason, action.words or script))
    recorded = sorted({*reason.names, *words.names} & VARIABLES.keys())
    pairs = [(userid, run.customer_id) for run, userid in group]
    made = contexts(session, pairs, now, day.zone, names=recorded) if group else {}
    shown = {name: numbers(session, one, ids, day) for name, one in action.show.items()}
    products = recommended(session, ids, day) if action.recommend else {}
    return Words(reason, words, recorded, fallbacks, day, made, shown, products, offer)


def script_of(session: Session, code: str | None) -> tuple[str, Mapping[str, str]]:
    """The published text of a script and its fallbacks; empty when there is none."""
    if code is None:
        return "", {}
    query = select(ScriptVersion).join(Script, col(Script.id) == col(ScriptVersion.script_id))
    query = query.where(col(Script.code) == code, col(ScriptVersion.number) == col(Script.version))
    version = session.scalars(query).first()
    return (version.body, version.fallbacks) if version else ("", {})


def numbers(session: Session, shown: rules.Shown, ids: Sequence[int], day: Day) -> dict[int, str]:
    """A number of each customer as it is written."""
    query = select(col(Customer.id), number(shown.of, day)).where(among(session, col(Customer.id), ids))
    rows = ((customer_id, value) for customer_id, value in session.execute(query) if value is not None)
    return {customer_id: f"{round(float(value) / FORMS[shown.form], 1):.12g}" for customer_id, value in rows}


def recommended(session: Session, ids: Sequence[int], day: Day) -> dict[int, str]:
    """For each customer the product whose conditions she fits; of several the dearest."""
    sold = select(Product).where(col(Product.active)).order_by(col(Product.price_fen))
    found: dict[int, str] = {}
    for product in session.scalars(sold):
        if not product.conditions:
            continue
        condition = CONDITION.validate_python(product.conditions)
        fits = select(col(Customer.id)).where(among(session, col(Customer.id), ids), holds(condition, day))
        found |= {customer_id: product.name for customer_id in session.scalars(fits) if customer_id}
    return found
