"""The parts a rule names — tags, scripts, offers, fields, people — and its words: whether all of it is there."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from contacts.bulk import among
from contacts.channels import Campaign, Channel
from contacts.facts import Product
from contacts.models import Attribute, Staff
from contacts.offers import Offer
from contacts.tags import Tag, TagGroup
from scripts_library.attachments import Strict
from scripts_library.context import VARIABLES as CONTEXT_VARIABLES
from scripts_library.models import PUBLISHED, Script
from scripts_library.rendering import TemplateRefused, Variable, check
from sop import rules
from sop.lookup import LookupTable

WORDS_BYTES = 2000
PERSONAL = {"customer", "booking", "trigger", "offer"}
"""Parts of the variables that differ from one customer to the next."""
VARIABLES = CONTEXT_VARIABLES | {
    "trigger.day": Variable("the day it is about: birthday, missed appointment, policy's end", "12月31日", "那天"),
    "trigger.days": Variable("days between today and that day", "365", "几"),
}


def check_rule(session: Session, rule: rules.Rule) -> None:
    """Refuse a rule that names what is not there or words that cannot be filled. Raises `RuleRefused`."""
    problems = missing_parts(session, [rule])[0] + list(bad_words(rule))
    if problems:
        raise rules.RuleRefused("; ".join(problems))


def missing_parts(session: Session, rules_: Sequence[Any]) -> list[list[str]]:
    """Of each rule or condition the places that name something we do not have, or that is not in use.

    One look-up per kind of part, however many rules there are.
    """
    places = [list(named(one)) for one in rules_]
    wanted: dict[str, set[str]] = defaultdict(set)
    for _place, kind, name in chain.from_iterable(places):
        wanted[kind].add(name)
    known = {kind: KNOWN[kind](session, names) for kind, names in wanted.items()}
    return [
        [
            f"{place}: there is no {kind} {name}; make it first or choose another"
            if name not in known[kind]
            else f"{place}: {kind} {name} {known[kind][name]}"
            for place, kind, name in some
            if known[kind].get(name) != ""
        ]
        for some in places
    ]


Known = dict[str, str]
"""Names that are there, each with what is wrong with it; nothing wrong: an empty text."""


def known_tags(session: Session, names: set[str]) -> Known:
    """Tags by `name` or `group/name`."""
    pairs = session.execute(
        select(col(Tag.name), col(TagGroup.name))
        .join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
        .where(~col(Tag.deleted), among(session, col(Tag.name), {one.rpartition("/")[2] for one in names} | names))
    )
    return {one: "" for name, group in pairs for one in (name, f"{group}/{name}")}


def known_scripts(session: Session, names: set[str]) -> Known:
    """Scripts by code; only a published one can be said."""
    rows = session.execute(select(col(Script.code), col(Script.status)).where(among(session, col(Script.code), names)))
    return {code: "" if status == PUBLISHED else f"is {status}; publish it or choose another" for code, status in rows}


def known_offers(session: Session, names: set[str]) -> Known:
    """Offers by code."""
    rows = session.execute(select(col(Offer.code), col(Offer.active)).where(among(session, col(Offer.code), names)))
    return {code: "" if active else "was retired; choose another" for code, active in rows}


def by_column(column: Any) -> Callable[[Session, set[str]], Known]:
    """Names that stand in a column."""

    def known(session: Session, names: set[str]) -> Known:
        return dict.fromkeys(session.scalars(select(column).where(among(session, column, names))), "")

    return known


KNOWN: dict[str, Callable[[Session, set[str]], Known]] = {
    "tag": known_tags,
    "script": known_scripts,
    "offer": known_offers,
    "attribute": by_column(col(Attribute.key)),
    "channel": by_column(col(Channel.state)),
    "campaign": by_column(col(Campaign.code)),
    "table": by_column(col(LookupTable.name)),
    "product": by_column(col(Product.sku)),
    "member of staff": by_column(col(Staff.userid)),
}
"""How names of each kind are looked up."""
NAMES = {
    "tags": "tag", "tag": "tag", "add": "tag", "remove": "tag", "tagged": "tag", "mark": "tag", "states": "channel",
    "codes": "campaign", "campaign": "campaign", "table": "table", "script": "script", "offer": "offer",
    "sku": "product", "userids": "member of staff",
}  # fmt: skip
"""Fields that name something kept elsewhere."""
DATES = ("birthday", "policy_end", "repurchase")


def named(part: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """(place, kind, name) of whatever a rule refers to."""
    if isinstance(part, list):
        for number, one in enumerate(part):
            yield from named(one, f"{place}.{number}")
        return
    if isinstance(part, dict):
        for name, one in part.items():
            yield from named(one, f"{place}.{name}")
        return
    if not isinstance(part, Strict):
        return
    for field in type(part).model_fields:
        value, here = getattr(part, field), f"{place}.{field}".strip(".")
        if field == "key" or (field == "field" and value not in DATES):
            yield here, "attribute", value
        elif field in NAMES and value:
            yield from ((here, NAMES[field], one) for one in (value if isinstance(value, list) else [value]))
        else:
            yield from named(value, here)


def bad_words(rule: rules.Rule) -> Iterator[str]:
    """Each text that could not be filled in when its day comes."""
    for place, step in steps_of(rule.what, "what"):
        for field in ("words", "reason", "text"):
            template = getattr(step.do, field, None)
            if not template:
                continue
            shown = {f"show.{name}": Variable("a number", "9" * 12, "") for name in getattr(step.do, "show", {})}
            try:
                used = check(template, VARIABLES | shown, WORDS_BYTES)
            except TemplateRefused as refused:
                yield f"{place}.do.{field}: {refused}"
                continue
            personal = sorted(one for one in used if one.partition(".")[0] in PERSONAL)
            if step.do.kind == "mass_send" and personal:
                yield f"{place}.do.text: {', '.join(personal)} differs per customer; a mass send is one text for all"


def steps_of(steps: Sequence[rules.Step], place: str) -> Iterator[tuple[str, rules.Step]]:
    """Every step, nested ones included, with its place."""
    for number, step in enumerate(steps):
        here = f"{place}.{number}"
        yield here, step
        for name, block in rules.blocks(step.do).items():
            yield from steps_of(block, f"{here}.do.{name}")
