"""Names kept for finding: the index finds whom looking at every name finds, and follows whatever becomes of names."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, delete, select

from bot.database import Database
from bot.jobs import Job
from contacts.merging import merge, undo_merge
from contacts.models import CalledName, Customer, FollowUser
from contacts.names import hear_again, hear_names
from contacts.privacy import erase
from contacts.search import Asked, Match, best, call_of, exactness, likeness, likeness_of_many, near_to, visible
from contacts.sounding import Sought, sounding
from contacts.spelling import sound
from tests.conftest import MONDAY_TEN

NOW = MONDAY_TEN
SURNAMES = "李黎利刘柳林单曾任仇欧王汪黄张章Aa1🌸"
GIVEN = "春纯华花婷廷芳方放磊蕾静晶明茗lisa3 -女士姐先生🌸"
NAME = st.builds("".join, st.tuples(st.sampled_from(SURNAMES), st.text(GIVEN, max_size=4)))
LIMIT = 5


@st.composite
def people(draw: st.DrawFn) -> tuple[list[tuple[str, str, int]], list[str]]:
    """Customers' names, remarks and genders, and what they are called: a name, its letters, and the like."""
    named = draw(st.lists(st.tuples(NAME, st.one_of(st.just(""), NAME), st.integers(0, 2)), min_size=1, max_size=40))
    names = st.one_of(NAME, st.sampled_from([name for name, _, _ in named]))
    words = st.one_of(names, names.map(sound), names.map(lambda name: sound(name)[:-2]), names.map(lambda one: one[0]),
                      names.map(lambda one: f"ms {sound(one[:1])}"), names.map(lambda one: one[:1] + "姐"))  # fmt: skip
    asked = [one.strip().casefold() for one in draw(st.lists(words, min_size=1, max_size=8))]
    return named, [one for one in asked if one and sound(one[0])]


@pytest.mark.parametrize("userid", [None, "lin"])
async def test_the_index_finds_whom_looking_at_every_name_finds(database: Database, userid: str | None) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(people())
    def same(drawn: tuple[list[tuple[str, str, int]], list[str]]) -> None:
        named, words = drawn
        with Session(database.engine) as session:
            write(session, named)
            asked = Asked(session, visible(session, userid), lost=False)
            many = replace(asked, most=0)
            for said in words:
                call = call_of(said)
                assert as_written(many, said) == as_written(asked, said)
                # Names that are alike as written are found before anybody listens to their sound.
                if not as_written(asked, said):
                    every = likeness(asked.names(), sound(call.surname if call else said), said, call)
                    found = likeness_of_many(many, said, call, LIMIT)
                    assert ranks(found) == ranks(every), said
                    assert found.items() <= every.items()

    same()


def as_written(asked: Asked, words: str) -> list[Match]:
    """Who is called so, letter by letter."""
    call = call_of(words)
    return best(asked.rows(near_to(asked, words, call)), "lin", lambda match: exactness(match, words, call))


def write(session: Session, named: list[tuple[str, str, int]]) -> None:
    """Customers of Lin, every third of Wang too, by whom she is called otherwise."""
    for number, (name, remark, gender) in enumerate(named, 1):
        session.add(Customer(id=number, name=name, gender=gender, main_userid="lin"))
        session.flush()
        session.add(FollowUser(customer_id=number, userid="lin", remark=remark, added_at=NOW))
        session.add_all(
            [FollowUser(customer_id=number, userid="wang", remark=name[::-1], added_at=NOW)] if number % 3 == 0 else []
        )
    session.flush()
    hear_again(session, range(1, len(named) + 1))


def ranks(found: dict[int, float]) -> list[float]:
    """The best scores; who of several that fit alike comes, is left open."""
    return sorted(found.values(), reverse=True)[:LIMIT]


def kept(session: Session) -> dict[int, set[str]]:
    """Every name by customer."""
    found: dict[int, set[str]] = {}
    for row in session.exec(select(CalledName)):
        found.setdefault(row.customer_id, set()).add(row.text)
    return found


async def test_a_merge_shares_names_its_undoing_parts_them_and_erasing_leaves_none(database: Database) -> None:
    def work(session: Session) -> None:
        write(session, [("李春华", "华姐", 2), ("黎纯", "", 2)])
        one = merge(session, 1, 2, reason="orders:o-1", by="system", now=NOW)
        both = kept(session)[one]
        undo_merge(session, 1, by="su", now=NOW)
        apart = kept(session)
        erase(session, 1, by="su", reason="she asked", now=NOW)
        assert both == {"李春华", "华姐", "黎纯"}
        assert apart == {1: {"李春华", "华姐"}, 2: {"黎纯"}}
        assert kept(session) == {2: {"黎纯"}}

    await database.write(work)


async def test_names_that_nobody_heard_are_heard_by_night(database: Database) -> None:
    def unheard(session: Session) -> None:
        write(session, [("李春华", "华姐", 2), ("", "黎纯", 2), ("", "", 0)])
        session.execute(delete(CalledName).where(col(CalledName.customer_id) > 0))

    await database.write(unheard)
    job = Job(key="night", kind="hear_names", run_at=NOW, created_at=NOW)
    await hear_names(database)(job)

    assert await database.read(kept) == {1: {"李春华", "华姐"}, 2: {"黎纯"}}


async def test_of_too_many_alike_only_those_with_more_letters_in_common_are_looked_at(database: Database) -> None:
    def work(session: Session) -> None:
        named = [(f"李{one}", "", 0) for one in "春纯华花婷廷"]
        write(session, [*named, ("李春芳", "", 0), ("林春芳", "", 0), ("王芳", "", 0)])
        every = dict(sounding(session, Sought("lichunfan", "lichunfan")))
        few = dict(sounding(session, Sought("lichunfan", "lichunfan"), most=5))
        assert every.keys() > few.keys() == {1, 2, 7}
        assert few.items() <= every.items()
        assert [one for one, _ in sounding(session, Sought("linchunfang", "linchunfang"), most=1)] == [8]

    await database.write(work)
