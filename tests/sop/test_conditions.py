"""A rule's SQL says of random customers what its plain meaning says, on both databases."""

from datetime import date, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select as select_rows
from sqlmodel import Session, col, delete, select

from bot.database import Database
from contacts.facts import Booking, Order, OrderItem, Policy, Visit
from contacts.models import AttributeValue, Customer, FollowUser, Identity
from contacts.tags import PairTag, Tag, TagGroup
from sop import rules
from sop.conditions import Day, day_of, holds
from sop.lookup import LookupRow, LookupTable
from tests.sop import reference
from tests.sop.company import NOW, TODAY, ZONE, at, attribute, booking, customer, on, order, policy, visit
from tests.sop.reference import Person

TABLE = [
    LookupRow(when={"age": [18, 40]}, then={"wanted": 80, "share": 0.1}),
    LookupRow(when={"age": [40, 60], "city": "上海"}, then={"wanted": 60}),
    LookupRow(when={"budget": [0, 5000]}, then={"wanted": 20}),
]
GROUPS = {"意向": ["高意向", "再考虑"], "关注点": ["价格"]}
few = st.integers(0, 3)
ages = st.integers(-40, 400)


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """A moment up to a year back or a month ahead, midnights included."""
    day = TODAY - timedelta(days=draw(st.integers(-30, 370)))
    return at(day, draw(st.sampled_from([0, 1, 9, 12, 23])))


people = st.builds(
    Person,
    today=st.just(TODAY),
    main=st.sampled_from(["lin", "wang"]),
    friend=st.booleans(),
    gender=st.integers(0, 2),
    layers=st.fixed_dictionaries(
        {"stage": st.sampled_from(["", "new", "vip"]), "rfm": st.sampled_from(["", "555"]), "aipl": st.just("A")}
    ),
    birthday=st.none() | st.dates(date(1960, 1, 1), date(2010, 12, 31)),
    first_added_at=st.none() | moments(),
    last_contact_at=st.none() | moments(),
    tags=st.sets(st.sampled_from([(group, name) for group, names in GROUPS.items() for name in names])),
    words=st.dictionaries(st.just("city"), st.sampled_from(["上海", "杭州"])),
    numbers=st.dictionaries(st.just("budget"), st.integers(0, 10_000).map(float)),
    orders=st.lists(
        st.tuples(moments(), st.integers(1, 500), st.sampled_from(["引流", "高客单"]), st.booleans()),
        max_size=4,
        unique_by=lambda one: f"{one[0]:%m%d%H}",
    ),
    bookings=st.lists(
        st.tuples(moments(), st.sampled_from(["booked", "moved", "cancelled"])),
        max_size=3,
        unique_by=lambda one: f"{one[0]:%m%d%H}",
    ),
    visits=st.lists(moments(), max_size=3, unique_by=lambda one: f"{one:%m%d%H}"),
    policies=st.lists(
        st.tuples(
            st.sampled_from(["重疾", "医疗"]),
            st.integers(1, 90).map(lambda number: number * 100),
            st.dates(date(2025, 6, 1), date(2026, 12, 31)),
        ).map(lambda one: (one[0], one[1], one[2], one[2] + timedelta(days=365))),
        max_size=2,
        unique_by=lambda one: one[0],
    ),
    tables=st.just({"need": TABLE}),
)

numbers = st.recursive(
    st.one_of(
        st.builds(rules.Constant, value=st.integers(-5, 500).map(float)),
        st.builds(rules.AttributeNumber, key=st.sampled_from(["budget", "unknown"])),
        st.builds(
            rules.Fact,
            name=st.sampled_from(
                ["orders", "net_fen", "age", "days_since_contact", "days_since_order", "days_since_added"]
            ),
        ),
        st.builds(
            rules.Fact, name=st.sampled_from(["held_fen", "premium_fen"]), policy=st.none() | st.sampled_from(["重疾"])
        ),
        st.builds(rules.Looked, table=st.sampled_from(["need", "none"]), column=st.sampled_from(["wanted", "share"])),
    ),
    lambda inner: st.builds(
        rules.Arithmetic,
        kind=st.sampled_from(["plus", "minus", "times", "over", "least", "most"]),
        left=inner,
        right=inner,
    ),
    max_leaves=3,
)
ops = st.sampled_from(["<", "<=", "=", "!=", ">=", ">"])
leaves = st.one_of(
    st.builds(
        rules.Tagged,
        kind=st.just("tagged"),
        tags=st.lists(st.sampled_from(["高意向", "关注点/价格", "没有"]), min_size=1),
    ),
    st.builds(
        rules.InLayer,
        kind=st.just("layer"),
        layer=st.sampled_from(["stage", "rfm", "aipl"]),
        values=st.lists(st.sampled_from(["new", "555", "A"]), min_size=1),
    ),
    st.builds(rules.AttributeIs, kind=st.just("attribute_is"), key=st.just("city"), values=st.just(["上海", "北京"])),
    st.builds(rules.AttributeKnown, kind=st.just("attribute_known"), key=st.sampled_from(["city", "budget", "x"])),
    st.builds(rules.Compare, kind=st.just("compare"), left=numbers, op=ops, right=numbers),
    st.builds(
        rules.Ordered,
        kind=st.just("ordered"),
        category=st.none() | st.sampled_from(["引流", "高客单"]),
        days=st.none() | st.integers(1, 400),
        measure=st.sampled_from(["count", "sum_fen"]),
        op=ops,
        value=st.integers(0, 600),
    ),
    st.builds(rules.Booked, kind=st.just("booked"), days=st.none() | st.integers(1, 40)),
    st.builds(rules.Visited, kind=st.just("visited"), days=st.integers(1, 400)),
    st.builds(rules.OfStaff, kind=st.just("staff"), userids=st.just(["lin"])),
    st.builds(rules.Gender, kind=st.just("gender"), value=st.sampled_from(["female", "male"])),
    st.builds(rules.Friend, kind=st.just("friend")),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        *(
            st.builds(kind, kind=st.just(name), of=st.lists(inner, min_size=1, max_size=3))
            for kind, name in ((rules.AllOf, "all"), (rules.AnyOf, "any"), (rules.NoneOf, "none"))
        )
    ),
    max_leaves=6,
)


SHARE = rules.Looked(kind="lookup", table="need", column="share")
SILENT = rules.Fact(kind="fact", name="days_since_contact")
NOBODY = Person(today=TODAY, birthday=date(1970, 1, 1), numbers={"budget": 100.0}, tables={"need": TABLE})
AT_MIDNIGHT = Person(today=TODAY, last_contact_at=at(TODAY, 0))


def set_up(session: Session) -> None:
    """Tags and the lookup table."""
    for group, names in GROUPS.items():
        session.merge(TagGroup(id=group, name=group))
        session.flush()
        for name in names:
            session.merge(Tag(id=f"{group}/{name}", group_id=group, name=name))
    session.merge(LookupTable(name="need", rows=TABLE, updated_at=NOW))


def put(session: Session, who: Person) -> int:
    """A person on record; answers her id."""
    known = {"gender": who.gender, "birthday": who.birthday, "first_added_at": who.first_added_at}
    number = customer(
        session, "x", who.main, friend=who.friend, last_contact_at=who.last_contact_at, **known, **who.layers
    )
    for group, name in who.tags:
        session.add(PairTag(customer_id=number, userid=who.main, tag_id=f"{group}/{name}", since=NOW))
    for key, word in who.words.items():
        attribute(session, number, key, word)
    for key, value in who.numbers.items():
        attribute(session, number, key, value)
    for when, fen, category, refunded in who.orders:
        put_order(session, number, when, fen, category, refunded=refunded)
    for starts, status in who.bookings:
        booking(session, number, starts, status)
    for when in who.visits:
        visit(session, number, when)
    for kind, fen, _starts, ends in who.policies:
        policy(session, number, kind, fen, ends)
    return number


def put_order(session: Session, number: int, when: datetime, fen: int, category: str, *, refunded: bool) -> None:
    """An order; one refunded in full leaves the roll-ups alone."""
    if not refunded:
        before = session.get_one(Customer, number).last_order_at
        order(session, number, when, fen, category)
        found = session.get_one(Customer, number)
        found.last_order_at = max(when, before) if before else when
        session.flush()
        return
    row = Order(
        source_id=f"r{number}-{when:%m%d%H}", digest="", at=when, customer_id=number, amount_fen=fen, refunded_fen=fen
    )
    session.add(row)
    session.flush()
    session.add(OrderItem(order_id=row.id or 0, sku="x", name="x", category=category, qty=1, amount_fen=fen))
    session.flush()


def clear(session: Session) -> None:
    """Nobody is left."""
    for table in (PairTag, AttributeValue, OrderItem, Order, Booking, Visit, Policy, FollowUser, Identity, Customer):
        session.exec(delete(table))


def sql_says(session: Session, who: Person, condition: Any, day: Day) -> bool:
    """What the compiled condition says of a person."""
    number = put(session, who)
    found = session.scalars(select_rows(col(Customer.id)).where(col(Customer.id) == number, holds(condition, day)))
    return found.first() is not None


async def check(database: Database, examples: int) -> None:
    """Many random conditions over random people in one transaction that is thrown away."""
    await on(database, build=set_up)

    def work(session: Session) -> None:
        day = day_of(session, TODAY, ZONE)

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(people, conditions)
        @example(NOBODY, rules.Compare(kind="compare", left=SHARE, op=">", right=rules.Constant(value=0)))
        @example(AT_MIDNIGHT, rules.Compare(kind="compare", left=rules.Constant(value=0), op="<", right=SILENT))
        @example(NOBODY, rules.Compare(kind="compare", left=SILENT, op=">=", right=SILENT))
        def same(who: Person, condition: Any) -> None:
            with session.begin_nested() as undone:
                said = sql_says(session, who, condition, day)
                undone.rollback()
            session.expunge_all()
            assert said == reference.holds(condition, who), condition

        same()

    await database.read(work)


async def test_sql_says_what_the_condition_means(database: Database) -> None:
    await check(database, 100)


async def test_what_is_missing_never_makes_a_condition_hold(database: Database) -> None:
    def work(session: Session) -> list[bool]:
        set_up(session)
        number = customer(session, "x")
        day = day_of(session, TODAY, ZONE)
        unknown = rules.AttributeNumber(key="budget")
        zero = rules.Constant(value=0)
        both = [rules.Compare(kind="compare", left=unknown, op=op, right=zero) for op in ("<", ">=", "!=")]
        query = select(Customer.id).where(col(Customer.id) == number)
        return [session.exec(query.where(holds(one, day))).first() is None for one in both]

    await on(database, build=lambda _: None)
    assert await database.write(work) == [True, True, True]
