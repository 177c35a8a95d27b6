"""Who a record speaks of: customers found by any of their ids, made where nobody knows them, merged where they are one.

A batch of records costs a handful of queries. What to do is first worked out in memory (`Plan`), then written in sets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlmodel import Session

from bot.database import defaults
from contacts.bulk import among, insert_rows
from contacts.merging import hold, merge, verdicts
from contacts.models import Customer, Identity
from contacts.records import EXTERNAL, KINDS, MEMBER, PHONE, UNION, normal_phone

Id = tuple[str, str]
"""Kind and value."""
CUSTOMERS: Table = Customer.__table__  # type: ignore[attr-defined]
IDENTITIES: Table = Identity.__table__  # type: ignore[attr-defined]
BLANK = {name: value for name, value in defaults(Customer).items() if name != "id"}
SURE = (EXTERNAL, UNION, MEMBER)
"""Ids that belong to one person; a phone may be a family's."""


@dataclass
class Plan:
    """What a batch makes of whom it names. Customers still to be made have negative numbers."""

    owner: dict[Id, int]
    """Whose each id is."""
    held: dict[int, dict[str, set[str]]]
    """By customer, the values she has of each kind."""
    apart: set[tuple[int, int]]
    """Pairs that stay two until a person decides otherwise."""
    new: int = 0
    attached: list[tuple[Id, int]] = field(default_factory=list)
    merges: list[tuple[int, int]] = field(default_factory=list)
    doubts: list[tuple[int, int, str]] = field(default_factory=list)
    became: dict[int, int] = field(default_factory=dict)
    """Who was absorbed by whom."""

    def current(self, customer: int) -> int:
        """Who this customer is by now."""
        while customer in self.became:
            customer = self.became[customer]
        return customer

    def place(self, ids: Mapping[str, str]) -> int:
        """Whose record it is that names these ids."""
        known = {kind: self.owner[kind, value] for kind, value in ids.items() if (kind, value) in self.owner}
        if len(known) == len(ids) and len(set(known.values())) == 1:
            return self.current(next(iter(known.values())))
        owner = self.owner_among(ids, known)
        for kind, value in ids.items():
            if (kind, value) not in self.owner:
                self.attach((kind, value), owner)
        return owner

    def owner_among(self, ids: Mapping[str, str], known: Mapping[str, int]) -> int:
        """The customer of the surest id; others named beside her are merged with her, or held."""
        surest = [self.current(known[kind]) for kind in KINDS if kind in known]
        if not surest:
            return self.make()
        owner = surest[0]
        if set(known) == {PHONE} and (clash := self.other_person(owner, ids)):
            stranger = self.make()
            self.doubt(owner, stranger, f"{PHONE} shared, different {clash}")
            return stranger
        for other in dict.fromkeys(surest[1:]):
            if self.current(other) != owner:
                owner = self.join(owner, self.current(other), known)
        return owner

    def other_person(self, owner: int, ids: Mapping[str, str]) -> str:
        """The sure kind of id in which a record differs from the customer who has its phone."""
        mine = self.held.get(owner, {})
        return next((kind for kind in SURE if kind in ids and mine.get(kind, {ids[kind]}) != {ids[kind]}), "")

    def join(self, one: int, other: int, known: Mapping[str, int]) -> int:
        """Two known customers whom one record names: merged, unless doubtful. Answers whose the record is."""
        pair = (min(one, other), max(one, other))
        if pair in self.apart:
            return one
        if reason := self.doubtful(one, other, known):
            self.doubt(one, other, reason)
            return one
        self.merges.append((one, other))
        self.became[other] = one
        mine = self.held.setdefault(one, {})
        for kind, values in self.held.pop(other, {}).items():
            mine.setdefault(kind, set()).update(values)
        return one

    def doubtful(self, one: int, other: int, known: Mapping[str, int]) -> str:
        """Why two customers may not be one person; empty when nothing speaks against it."""
        ours, theirs = self.held.get(one, {}), self.held.get(other, {})
        differing = [kind for kind in KINDS if ours.get(kind) and theirs.get(kind) and not ours[kind] & theirs[kind]]
        by_phone = [kind for kind in known if self.current(known[kind]) == other] == [PHONE]
        clash = next((kind for kind in SURE if kind in differing), "")
        if clash and by_phone:
            return f"{PHONE} shared, different {clash}"
        if PHONE in differing and clash in {EXTERNAL, UNION}:
            return f"different {PHONE}, different {clash}"
        return ""

    def doubt(self, one: int, other: int, reason: str) -> None:
        """Leave a pair to a person."""
        self.doubts.append((one, other, reason))
        self.apart.add((min(one, other), max(one, other)))

    def make(self) -> int:
        """A customer nobody knew."""
        self.new += 1
        return -self.new

    def attach(self, one: Id, owner: int) -> None:
        """An id nobody had is hers."""
        self.owner[one] = owner
        self.held.setdefault(owner, {}).setdefault(one[0], set()).add(one[1])
        self.attached.append((one, owner))


def resolve(session: Session, named: Sequence[Mapping[str, str]], *, reason: str, now: datetime) -> list[int]:
    """The customer of each record, by the ids it names (kind: value, phones normalised): one id per record, in order.

    Unknown customers are made, unknown ids attached; two known customers named by one record are merged, and held for a
    person where ids speak against it. `reason` is noted with merges. Two processes that make the same customer at once
    end in an IntegrityError for one of them: its transaction is to be repeated.
    """
    ids = {(kind, value) for one in named for kind, value in one.items()}
    owner = owners(session, ids)
    plan = Plan(owner, {}, set())
    involved = {owner[pair] for one in named if len(one) > 1 for pair in one.items() if pair in owner}
    plan.held = ids_of(session, involved)
    plan.apart = verdicts(session, involved)
    placed = [plan.place(one) for one in named]
    made = write(session, plan)
    final = carry_out(session, plan, made, reason, now)
    return [final(customer) for customer in placed]


def claim_phones(session: Session, noted: Iterable[tuple[int, str]], now: datetime) -> None:
    """Phones that staff noted about customers identify them where nobody else has them.

    What staff typed may be wrong: where another customer has the phone, whether the two are one is left to a person.
    """
    theirs = [(customer_id, number) for customer_id, phone in noted if (number := normal_phone(phone))]
    if not theirs:
        return
    owner = owners(session, {(PHONE, number) for _, number in theirs})
    fresh = {(PHONE, number): customer_id for customer_id, number in reversed(theirs) if (PHONE, number) not in owner}
    rows = [{"customer_id": customer_id, "kind": kind, "value": value} for (kind, value), customer_id in fresh.items()]
    insert_rows(session, IDENTITIES, rows)
    owner |= fresh
    doubts = {(customer_id, owner[PHONE, number]) for customer_id, number in theirs}
    hold(session, [(one, other, f"{PHONE} in a remark") for one, other in sorted(doubts) if one != other], now)


def owners(session: Session, ids: Iterable[Id]) -> dict[Id, int]:
    """Whose each known id is."""
    by_kind: dict[str, list[str]] = {}
    for kind, value in ids:
        by_kind.setdefault(kind, []).append(value)
    connection = session.connection()
    found: dict[Id, int] = {}
    for kind, values in by_kind.items():
        known = select(IDENTITIES.c.value, IDENTITIES.c.customer_id)
        rows = connection.execute(known.where(IDENTITIES.c.kind == kind, among(session, IDENTITIES.c.value, values)))
        found.update(((kind, value), customer_id) for value, customer_id in rows)
    return found


def ids_of(session: Session, customer_ids: Iterable[int]) -> dict[int, dict[str, set[str]]]:
    """Every id of these customers."""
    held: dict[int, dict[str, set[str]]] = {}
    if wanted := list(customer_ids):
        theirs = select(IDENTITIES.c.customer_id, IDENTITIES.c.kind, IDENTITIES.c.value)
        rows = session.connection().execute(theirs.where(among(session, IDENTITIES.c.customer_id, wanted)))
        for customer_id, kind, value in rows:
            held.setdefault(customer_id, {}).setdefault(kind, set()).add(value)
    return held


def write(session: Session, plan: Plan) -> dict[int, int]:
    """Make the new customers and note the new ids; answers the new customers' numbers by their negative ones."""
    made: dict[int, int] = {}
    if plan.new:
        numbers = insert_rows(session, CUSTOMERS, [BLANK] * plan.new, ("id",))
        made = {-position: number for position, (number,) in enumerate(numbers, 1)}
    if plan.attached:
        rows: list[Any] = [
            {"customer_id": made.get(owner, owner), "kind": kind, "value": value}
            for (kind, value), owner in plan.attached
        ]
        insert_rows(session, IDENTITIES, rows, all_new=True)
    return made


def carry_out(session: Session, plan: Plan, made: Mapping[int, int], reason: str, now: datetime) -> Any:
    """Merge and hold; answers a function from a planned customer to the one she is in the end."""
    into: dict[int, int] = {}

    def final(customer: int) -> int:
        number = made.get(customer, customer)
        while number in into:
            number = into[number]
        return number

    for one, other in plan.merges:
        first, second = final(one), final(other)
        if first != second:
            kept = merge(session, first, second, reason=reason, by="system", now=now)
            into[second if kept == first else first] = kept
    pairs = [(final(one), final(other), why) for one, other, why in plan.doubts]
    hold(session, [pair for pair in pairs if pair[0] != pair[1]], now)
    return final
