"""The reason and the words of to-dos, filled for many customers at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlmodel import Session, col

from contacts.bulk import among
from contacts.facts import Product
from contacts.models import Customer
from scripts_library.context import VARIABLES, ScriptContext, contexts, spoken
from scripts_library.models import Script, ScriptVersion
from scripts_library.rendering import TemplateRefused, render, used_variables
from sop import rules
from sop.conditions import Day, holds, number
from sop.parts import VARIABLES as RULE_VARIABLES

CONDITION: TypeAdapter[rules.Condition] = TypeAdapter(rules.Condition)
FORMS = {"number": 1, "yuan": 100, "wan": 1_000_000}


@dataclass(frozen=True)
class Draft:
    """A to-do whose reason and words are yet to be filled in."""

    row: dict[str, Any]
    """Its columns."""
    action: rules.TodoAction
    day: date
    """The day it is about: birthday, missed appointment, policy's end."""
    offer: Mapping[str, str]
    """The variables of the offer the step hands over."""


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


def fill(template: str | None, values: Mapping[str, str]) -> str:
    """A text with its values; one that cannot be filled is left out rather than shown broken."""
    try:
        return render(template, values) if template else ""
    except TemplateRefused:
        return ""


@dataclass(frozen=True)
class Words:
    """What the reason and the words of one step are made of."""

    reason: Text
    words: Text
    fallbacks: Mapping[str, str]
    """The script's own."""
    recorded: Sequence[str]
    """The variables they use that stand in the record."""
    shown: Mapping[str, Mapping[int, str]]
    products: Mapping[int, str]

    def of(self, draft: Draft, context: ScriptContext, today: date) -> dict[str, str]:
        """The two columns of one to-do."""
        customer_id = draft.row["customer_id"]
        values = context.values(self.fallbacks, self.recorded)
        values |= {"trigger.day": spoken(draft.day), "trigger.days": str(abs((draft.day - today).days))}
        values |= {f"show.{name}": by_id.get(customer_id, "") for name, by_id in self.shown.items()}
        if customer_id in self.products:
            values["product.name"] = self.products[customer_id]
        values |= draft.offer
        return {"reason": self.reason.filled(values), "words": self.words.filled(values)}


def word(session: Session, drafts: Sequence[Draft], day: Day, now: datetime) -> None:
    """Give to-dos their reason and their words; what the record knows is read once for all of them."""
    steps: dict[int, list[Draft]] = defaultdict(list)
    for draft in drafts:
        steps[id(draft.action)].append(draft)
    words = {step: words_of(session, some, day) for step, some in steps.items()}
    pairs = [(draft.row["userid"], draft.row["customer_id"]) for draft in drafts]
    asked = {name for one in words.values() for name in one.recorded}
    made = contexts(session, pairs, now, day.zone, names=asked)
    for draft, pair in zip(drafts, pairs, strict=True):
        draft.row.update(words[id(draft.action)].of(draft, made[pair], day.today))


def words_of(session: Session, drafts: Sequence[Draft], day: Day) -> Words:
    """What the to-dos of one step are worded with."""
    action, ids = drafts[0].action, sorted({draft.row["customer_id"] for draft in drafts})
    script, fallbacks = script_of(session, action.script)
    reason, words = (text_of(one, action.show) for one in (action.reason, action.words or script))
    recorded = sorted({*reason.names, *words.names} & VARIABLES.keys())
    shown = {name: numbers(session, one, ids, day) for name, one in action.show.items()}
    products = recommended(session, ids, day) if action.recommend else {}
    return Words(reason, words, fallbacks, recorded, shown, products)


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
