"""One page of customers as the platform lists them, made ours: in sets, a handful of statements whatever it holds.

The platform's state wins, with three exceptions: a customer who deleted a member stays lost though the platform still
lists her (a one-way relation remains), until she adds again; tags we have set and not pushed yet stay; and what
somebody fetched after the page was asked for is newer than the page.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from bot.wecom.results import ExternalContact, ListedCustomer
from contacts.changes import BLANK_TIE, CUSTOMERS, TIES
from contacts.channels import source_of
from contacts.domain_events import DomainEvent, raise_events
from contacts.identities import claim_phones, owners, resolve
from contacts.models import ADDED, CONFIRMED, CUSTOMER, REPEATED, TRANSFERRED_IN, MainStaffChange
from contacts.names import hear
from contacts.records import EXTERNAL, UNION
from contacts.tag_push import Pair
from contacts.tagging import Why, follow_platform
from contacts.tags import SYNCED
from contacts.tie_log import TIE_CHANGES, replay
from contacts.tombstones import buried

SYNC = "sync"
"""The source of what a sync found."""
LAG = timedelta(seconds=60)
"""The platform's lists may be so much behind its events, and its clock may differ from ours."""
ASSIGNED = 202
"""The `add_way` of a customer assigned by an admin."""
RECENT = timedelta(days=2)
DETAILS = ("remark", "description", "company", "phones")

WHOSE: BindParameter[Any] = bindparam("whose", expanding=True)
CUSTOMERS_OF = select(CUSTOMERS).where(CUSTOMERS.c.id.in_(WHOSE))
MAIN_STAFF: Table = MainStaffChange.__table__  # type: ignore[attr-defined]
DECIDED = select(MAIN_STAFF.c.customer_id).where(MAIN_STAFF.c.customer_id.in_(WHOSE), MAIN_STAFF.c.by != "system")
TIES_OF = select(TIES).where(TIES.c.customer_id.in_(WHOSE))
PROFILE = ("name", "gender", "kind", "main_userid", "first_added_at")
CHANGE_CUSTOMER = update(CUSTOMERS).where(CUSTOMERS.c.id == bindparam("which"))
CHANGE_CUSTOMER = CHANGE_CUSTOMER.values({name: bindparam(f"new_{name}") for name in PROFILE})
STATE = (
    *DETAILS, "added_at", "half", "lost_at", "lost_by", "state", "channel_id", "add_way", "fetched_at",
    "missing_at",
)  # fmt: skip
CHANGE_TIE = update(TIES).where(TIES.c.id == bindparam("which"))
CHANGE_TIE = CHANGE_TIE.values({name: bindparam(f"new_{name}") for name in STATE})


@dataclass
class Page:
    """What is being stored, and what was found on the way."""

    session: Session
    connection: Connection
    listed: Sequence[ListedCustomer]
    asked_at: datetime
    """When the platform was asked."""
    now: datetime
    customers: dict[str, int] = field(default_factory=dict)
    """Ids by external_userid."""
    found: Counter[str] = field(default_factory=Counter)
    history: set[Pair] = field(default_factory=set)
    """Ties found now that began long ago."""

    def pair(self, one: ListedCustomer) -> Pair:
        """Whose line it is."""
        return Pair(self.customers[one.contact.external_userid], one.tie.userid)


def store_page(session: Session, listed: Sequence[ListedCustomer], asked_at: datetime, now: datetime) -> Counter[str]:
    """Store a page; answers how much of what was not on record: customers_new, ties_new, tags_changed …"""
    page = Page(session, session.connection(), not_erased(session, listed), asked_at, now)
    if page.listed:
        store_customers(page)
        current = store_ties(page)
        store_tags(page, current)
    return +page.found


def not_erased(session: Session, listed: Sequence[ListedCustomer]) -> list[ListedCustomer]:
    """The lines but those of people who were erased since: only who adds again afterwards is on record again."""
    graves = buried(session, {one.contact.external_userid for one in listed})
    return [
        one
        for one in listed
        if (grave := graves.get(one.contact.external_userid)) is None or one.tie.createtime > grave
    ]


def store_tags(page: Page, current: Sequence[ListedCustomer]) -> None:
    """Make the pairs' tags what the platform says. Tags of an old tie that is new to us are no news for rules."""
    told = {page.pair(one): one.tie.tag_id for one in current}
    changed = follow_platform(page.session, told, Why(SYNCED, page.now), history=page.history)
    page.found["tags_changed"] += sum(map(len, changed.values()))


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows that break no unique constraint; answers how many."""
    if not rows:
        return 0
    kind = sqlite if connection.dialect.name == "sqlite" else postgresql
    return connection.execute(kind.insert(table).on_conflict_do_nothing(), rows).rowcount


def store_customers(page: Page) -> None:
    """Find or make the customer of every line, and note what the platform says of her. Fills `page.customers`."""
    contacts = {one.contact.external_userid: one.contact for one in page.listed}
    known = owners(page.session, ((EXTERNAL, one) for one in contacts))
    named = [
        {EXTERNAL: one, **({UNION: contact.unionid} if contact.unionid else {})} for one, contact in contacts.items()
    ]
    ids = resolve(page.session, named, reason=SYNC, now=page.now)
    page.customers = dict(zip(contacts, ids, strict=True))
    noted = [
        (page.customers[one.contact.external_userid], phone) for one in page.listed for phone in one.tie.remark_mobiles
    ]
    claim_phones(page.session, noted, page.now)
    page.found["customers_new"] += len(contacts) - len(known)
    first = first_adds(page)
    rows = page.connection.execute(CUSTOMERS_OF, {"whose": sorted(first)}).all()
    earlier = earlier_members(page, rows, first)
    people = {page.customers[one]: contact for one, contact in contacts.items()}
    changed = [
        {"which": row.id, **{f"new_{name}": value for name, value in values.items()}}
        for row in rows
        if (values := profile(row, people[row.id], first[row.id][0], earlier.get(row.id)))
    ]
    if changed:
        page.connection.execute(CHANGE_CUSTOMER, changed)
        before = {row.id: row.name for row in rows}
        called = [(one["which"], one["new_name"]) for one in changed]
        hear(page.session, [one for one in called if before[one[0]] != one[1]])


def first_adds(page: Page) -> dict[int, tuple[datetime, str]]:
    """When and by which member each customer of the page was added first, as far as the page tells."""
    first: dict[int, tuple[datetime, str]] = {}
    for one in page.listed:
        key, this = page.customers[one.contact.external_userid], (one.tie.createtime, one.tie.userid)
        first[key] = min(first.get(key, this), this)
    return first


def earlier_members(page: Page, rows: Sequence[Any], first: dict[int, tuple[datetime, str]]) -> dict[int, str]:
    """Who answers for customers who had nobody yet, or were added earlier than we knew and have whom the app chose."""
    found = {row.id: first[row.id][1] for row in rows if row.main_userid is None}
    late = {row.id: row for row in rows if row.first_added_at and first[row.id][0] < row.first_added_at}
    late = {whose: row for whose, row in late.items() if row.main_userid not in {None, first[whose][1]}}
    if not late:
        return found
    chosen = set(page.connection.execute(DECIDED, {"whose": sorted(late)}).scalars())
    moved = {whose: first[whose][1] for whose in late if whose not in chosen}
    if moved:
        reason = {"by": "system", "at": page.now, "reason": "added her first"}
        log = [{**reason, "customer_id": one, "before": late[one].main_userid, "after": moved[one]} for one in moved]
        page.connection.execute(insert(MAIN_STAFF), log)
    return found | moved


def profile(row: Any, contact: ExternalContact, at: datetime, main: str | None) -> dict[str, Any]:
    """A customer's new values, none when nothing is new. What the platform leaves open stays as it is."""
    values = {
        "name": contact.name or row.name,
        "gender": contact.gender or row.gender,
        "kind": contact.type,
        "main_userid": main or row.main_userid,
        "first_added_at": min(row.first_added_at or at, at),
    }
    return {} if all(getattr(row, name) == value for name, value in values.items()) else values


def store_ties(page: Page) -> list[ListedCustomer]:
    """Make the ties what the platform says, log what that changed; answers the lines that are not out of date."""
    rows = page.connection.execute(TIES_OF, {"whose": sorted(set(page.customers.values()))}).all()
    ties: dict[int, dict[str, Any]] = defaultdict(dict)
    for row in rows:
        ties[row.customer_id][row.userid] = row
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    log: list[dict[str, Any]] = []
    current: list[ListedCustomer] = []
    called: list[tuple[int, str]] = []
    for (customer_id, _), one in lines(page).items():
        tie = ties[customer_id].get(one.tie.userid)
        if tie is None:
            new.append({**BLANK_TIE, "customer_id": customer_id, "userid": one.tie.userid, **told(page, one)})
            page.found["ties_new"] += 1
            if one.tie.createtime <= page.now - RECENT:
                page.history.add(page.pair(one))
            log.append(change(page, one, began(one), one.tie.createtime, returned(ties[customer_id].values())))
        elif tie.fetched_at and tie.fetched_at >= page.asked_at:
            continue
        else:
            values, kinds = updated(page, tie, one)
            changed.append({"which": tie.id, **{f"new_{name}": value for name, value in values.items()}})
            back = returned(ties[customer_id].values())
            log += [change(page, one, kind, values["added_at"], back) for kind in kinds]
        current.append(one)
        if tie is None or tie.remark != one.tie.remark:
            called.append((customer_id, one.tie.remark))
    hear(page.session, called)
    if new:
        page.connection.execute(insert(TIES), new)
    if changed:
        page.connection.execute(CHANGE_TIE, changed)
    insert_new(page.connection, TIE_CHANGES, log)
    # Only an end can make an add mean something else: customers without one have no history to judge again.
    tell(page, log)
    ended = {whose for whose, mine in ties.items() if any(tie.lost_at for tie in mine.values())}
    for customer_id in ended & {row["customer_id"] for row in log}:
        replay(page.connection, customer_id)
    return current


def tell(page: Page, log: Sequence[dict[str, Any]]) -> None:
    """Let rules know of adds that no event told of; what is older than two days is history."""
    adds = [row for row in log if row["kind"] in {ADDED, CONFIRMED} and row["at"] > page.now - RECENT]
    raise_events(
        page.session,
        [
            DomainEvent(
                "friend_added",
                row["customer_id"],
                row["at"],
                f"{SYNC}:{row['userid']}:{row['at'].isoformat()}",
                {"userid": row["userid"], "state": row["state"], "channel_id": row["channel_id"]},
            )
            for row in adds
        ],
    )


def lines(page: Page) -> dict[tuple[int, str], ListedCustomer]:
    """The line of each pair: the newest, where one person has two ids."""
    oldest_first = sorted(page.listed, key=lambda one: one.tie.createtime)
    return {(page.customers[one.contact.external_userid], one.tie.userid): one for one in oldest_first}


def told(page: Page, one: ListedCustomer) -> dict[str, Any]:
    """What the platform says about a tie."""
    tie = one.tie
    return {
        "remark": tie.remark,
        "description": tie.description,
        "company": tie.remark_corp_name,
        "phones": list(tie.remark_mobiles),
        "added_at": tie.createtime,
        "state": tie.state,
        "channel_id": source_of(page.connection, tie.state).channel_id,
        "add_way": tie.add_way,
        "fetched_at": page.asked_at,
        "missing_at": None,
    }


def updated(page: Page, tie: Any, one: ListedCustomer) -> tuple[dict[str, Any], list[str]]:
    """A known tie's values, and the kinds of changes to log: what the platform lists stands and is whole."""
    values = {name: getattr(tie, name) for name in STATE} | told(page, one) | {"half": False}
    values |= {"state": tie.state or one.tie.state, "channel_id": tie.channel_id or values["channel_id"]}
    again = one.tie.createtime > (tie.lost_at or tie.added_at + LAG)
    values["added_at"] = one.tie.createtime if again else tie.added_at
    kinds = []
    if tie.lost_at and (again or (tie.lost_by != CUSTOMER and tie.lost_at < page.asked_at - LAG)):
        values |= {"lost_at": None, "lost_by": None, "added_at": one.tie.createtime if again else page.now}
        kinds.append(began(one))
        page.found["ties_returned"] += 1
    elif again:
        kinds.append(REPEATED)
        page.found["ties_added_again"] += 1
    if tie.half and not kinds:
        kinds.append(CONFIRMED)
        page.found["ties_confirmed"] += 1
    page.found["remarks_changed"] += any(values[name] != getattr(tie, name) for name in DETAILS)
    return values, kinds


def began(one: ListedCustomer) -> str:
    """How a tie began: by an add, or by assignment from another member."""
    return TRANSFERRED_IN if one.tie.add_way == ASSIGNED else ADDED


def returned(ties: Iterable[Any]) -> bool:
    """Whether a customer had been lost to everybody."""
    ties = list(ties)
    return bool(ties) and all(tie.lost_at for tie in ties)


def change(page: Page, one: ListedCustomer, kind: str, at: datetime, back: bool) -> dict[str, Any]:
    """A row of the history of ties."""
    return {
        "at": at,
        "customer_id": page.customers[one.contact.external_userid],
        "userid": one.tie.userid,
        "kind": kind,
        "by": None,
        "returned": back and kind == ADDED,
        "state": one.tie.state,
        "channel_id": source_of(page.connection, one.tie.state).channel_id,
        "source": SYNC,
    }
