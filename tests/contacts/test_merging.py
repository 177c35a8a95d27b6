"""Two customers become one and two again: nothing is lost, and nothing that came later moves."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlmodel import Session, SQLModel
from sqlmodel import select as select_rows

from bot.database import Database, defaults
from contacts.facts import Note, Order, Participation, Referral, Touch
from contacts.identities import resolve
from contacts.merging import CannotMerge, decide_held, merge, personal_columns, undo_merge
from contacts.models import AttributeValue, Customer, FollowUser, HeldMerge, Identity, Merge, TieChange
from contacts.names import hear_again
from contacts.tags import PairTag

AT = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
EARLIER, LATER = AT - timedelta(days=9), AT + timedelta(days=1)
OURS = {"merge", "job"}
"""Tables that merging itself writes."""


def row(session: Session, model: type[SQLModel], **given: Any) -> int:
    """Write a row past the ORM; answers its id."""
    values = {name: value for name, value in defaults(model).items() if name != "id"} | given
    made = session.connection().execute(insert(model).values(**values))
    return int((made.inserted_primary_key or (0,))[0])


def every(session: Session, model: type[Any]) -> list[Any]:
    """A table, as it is now."""
    session.expire_all()
    return list(session.exec(select_rows(model).order_by(model.id)).all())


def customer(session: Session, tied: bool = False, **given: Any) -> int:
    """A customer with something of everything that may collide."""
    number = row(session, Customer, **given)
    if tied:
        row(session, FollowUser, customer_id=number, userid="lin", added_at=EARLIER)
    return number


def dump(session: Session) -> dict[str, list[tuple[Any, ...]]]:
    """Every table but the merge log and the news of it, row by row."""
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in OURS]
    rows = {
        table.name: session.connection().execute(select(table).order_by(*table.primary_key.columns)).all()
        for table in tables
    }
    return {name: [tuple(one) for one in some] for name, some in rows.items()}


def two_with_everything(session: Session) -> tuple[int, int]:
    """Two customers whose rows collide wherever they can."""
    kept = customer(session, name="陈", orders=1, net_fen=500, last_order_at=EARLIER, first_order_at=EARLIER)
    gone = customer(session, name="小陈", gender=2, orders=2, net_fen=700, last_order_at=AT, first_added_at=EARLIER)
    row(session, FollowUser, customer_id=kept, userid="lin", added_at=EARLIER, lost_at=AT, lost_by="customer")
    row(session, FollowUser, customer_id=gone, userid="lin", added_at=EARLIER)
    row(session, FollowUser, customer_id=gone, userid="wang", added_at=EARLIER)
    for number, at in ((kept, EARLIER), (gone, AT)):
        row(session, AttributeValue, customer_id=number, key="budget", text=str(number), at=at)
        row(session, PairTag, customer_id=number, userid="lin", tag_id="t", since=at)
        row(session, Participation, source_id=f"j{number}", digest="", at=at, customer_id=number, campaign_id=1)
        row(session, Touch, at=at, customer_id=number, userid="lin", scene="step", reference="1")
        row(session, TieChange, at=EARLIER, customer_id=number, userid="lin", kind="added")
        row(session, Order, source_id=f"o{number}", digest="", at=at, customer_id=number, amount_fen=500)
        row(session, Note, at=at, customer_id=number, userid="lin", text="怕疼")
        row(session, Identity, customer_id=number, kind="member_id", value=str(number))
    row(session, Referral, source_id="f", digest="", at=AT, customer_id=gone, referrer_id=kept)
    hear_again(session, [kept, gone])
    return kept, gone


def campaign(session: Session) -> None:
    """What participations refer to."""
    table = SQLModel.metadata.tables["campaign"]
    values = {"id": 1, "code": "expo", "name": "展会", "starts_on": date(2026, 11, 1), "ends_on": date(2026, 11, 30)}
    more = {"window_days": 30, "brief": "", "products": [], "tiers": [], "commission_percent": 0.0, "refund_days": 7}
    known = {name: value for name, value in {**values, **more, "created_at": AT}.items() if name in table.c}
    session.connection().execute(insert(table).values(known))


async def test_everything_of_one_becomes_the_others_and_undoing_gives_it_all_back(database: Database) -> None:
    def work(session: Session) -> None:
        campaign(session)
        kept, gone = two_with_everything(session)
        before = dump(session)
        assert merge(session, gone, kept, reason="orders:o-1", by="system", now=AT) == kept
        for column in personal_columns():
            whose = set(session.connection().execute(select(column)).scalars())
            assert whose <= {kept}, column
        middle = dump(session)
        assert {name: len(rows) for name, rows in middle.items()} != {name: len(rows) for name, rows in before.items()}
        one = session.get(Customer, kept)
        assert one is not None
        assert (one.name, one.gender, one.orders, one.net_fen) == ("陈", 2, 3, 1_200)
        assert (one.first_added_at, one.first_order_at, one.last_order_at) == (EARLIER, EARLIER, AT)
        undo_merge(session, 1, by="su", now=LATER)
        assert dump(session) == before

    await database.write(work)


async def test_the_better_of_two_rows_stays(database: Database) -> None:
    def work(session: Session) -> None:
        campaign(session)
        kept, gone = two_with_everything(session)
        merge(session, kept, gone, reason="", by="", now=AT)
        ties = {one.userid: one.lost_at for one in every(session, FollowUser)}
        assert ties == {"lin": None, "wang": None}
        assert [one.text for one in every(session, AttributeValue)] == [str(gone)]
        assert len(every(session, Referral)) == 0

    await database.write(work)


async def test_what_is_written_after_a_merge_stays_with_the_kept_one(database: Database) -> None:
    def work(session: Session) -> None:
        kept, gone = customer(session, tied=True), customer(session, name="陈")
        row(session, Note, at=AT, customer_id=gone, userid="lin", text="before")
        merge(session, kept, gone, reason="", by="", now=AT)
        row(session, Note, at=LATER, customer_id=kept, userid="lin", text="after")
        one = session.get(Customer, kept)
        assert one is not None
        one.stage = "宝妈"
        session.flush()
        undo_merge(session, 1, by="su", now=LATER)
        session.expire_all()
        assert {note.text: note.customer_id for note in every(session, Note)} == {"before": gone, "after": kept}
        assert [(one.name, one.stage, one.merged_into) for one in every(session, Customer)] == [
            ("", "宝妈", None),
            ("陈", "", None),
        ]

    await database.write(work)


async def test_the_one_with_a_tie_stays_else_the_older(database: Database) -> None:
    def work(session: Session) -> None:
        old, tied, young = customer(session), customer(session, tied=True), customer(session)
        assert merge(session, old, tied, reason="", by="", now=AT) == tied
        assert merge(session, young, tied, reason="", by="", now=AT) == tied
        first, second = customer(session), customer(session)
        assert merge(session, second, first, reason="", by="", now=AT) == first

    await database.write(work)


async def test_merges_are_undone_the_latest_first_and_once(database: Database) -> None:
    def work(session: Session) -> None:
        one, two, three = (customer(session) for _ in range(3))
        before = dump(session)
        merge(session, one, two, reason="", by="", now=AT)
        merge(session, one, three, reason="", by="", now=AT)
        with pytest.raises(CannotMerge, match="undo merge 2 first"):
            undo_merge(session, 1, by="su", now=LATER)
        undo_merge(session, 2, by="su", now=LATER)
        undo_merge(session, 1, by="su", now=LATER)
        assert dump(session) == before
        with pytest.raises(CannotMerge, match="no merge 1 to undo"):
            undo_merge(session, 1, by="su", now=LATER)
        with pytest.raises(CannotMerge, match="one is gone"):
            merge(session, one, one, reason="", by="", now=AT)

    await database.write(work)


@pytest.mark.parametrize(("one_person", "number"), [(True, 1), (False, 2)])
async def test_a_person_decides_on_doubtful_ones(database: Database, one_person: bool, number: int) -> None:
    shared = [{"phone": "13800138000", "member_id": member} for member in ("M-1", "M-2")]

    def work(session: Session) -> None:
        first, second = resolve(session, shared, reason="visits:1", now=AT)
        assert first != second
        [held] = every(session, HeldMerge)
        decide_held(session, held.id or 0, one_person=one_person, by="su", now=LATER)
        again = resolve(session, [*shared, {"member_id": "M-1"}, {"member_id": "M-2"}], reason="visits:2", now=LATER)
        assert len(set(again)) == number
        assert again[:2] == again[2:]
        assert len(every(session, HeldMerge)) == 1
        with pytest.raises(CannotMerge, match="to decide on"):
            decide_held(session, held.id or 0, one_person=True, by="su", now=LATER)

    await database.write(work)


async def test_different_phones_and_different_friends_are_held(database: Database) -> None:
    def work(session: Session) -> None:
        known = [
            {"external_userid": "wm1", "phone": "13800138001"},
            {"external_userid": "wm2", "phone": "13800138002"},
            {"member_id": "M", "external_userid": "wm1"},
            {"member_id": "M", "external_userid": "wm2"},
        ]
        first, second, third, fourth = resolve(session, known, reason="orders:1", now=AT)
        assert (first, second) == (third, fourth)
        assert first != second
        assert [one.reason for one in every(session, HeldMerge)] == ["different phone, different external_userid"]
        assert len(every(session, Merge)) == 0

    await database.write(work)


async def test_records_of_one_batch_that_name_one_another_are_one_customer(database: Database) -> None:
    def work(session: Session) -> None:
        named = [
            {"phone": "13800138000"},
            {"member_id": "M"},
            {"member_id": "M", "phone": "13800138000"},
            {"member_id": "M"},
        ]
        assert len(set(resolve(session, named, reason="orders:1", now=AT))) == 1
        living = [one for one in every(session, Customer) if one.merged_into is None]
        assert {one.customer_id for one in every(session, Identity)} == {living[0].id}
        assert len(living) == 1

    await database.write(work)


def test_every_table_of_customers_can_be_merged() -> None:
    assert [str(column) for column in personal_columns() if "id" not in column.table.c] == []
