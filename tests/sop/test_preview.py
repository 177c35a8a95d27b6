"""Preview: whom a rule would reach today and ahead, what each condition costs, and that nothing is written."""

from datetime import date, timedelta

import pytest
from sqlmodel import Session, func, select

from bot.database import Database
from contacts.offers import Offer
from sop import packs, rules
from sop.parts import check_rule
from sop.preview import Preview, preview
from sop.sops import Run, SopVersion, Todo, publish, roll_back, save
from tests.sop.company import NOW, TODAY, ZONE, at, attribute, booking, customer, on

ARMS = [{"name": "a", "share": 50}, {"name": "b", "share": 30}]


def birthday_rule(who: object = None, days: int = -15) -> rules.Rule:
    """A birthday rule."""
    todo = {"kind": "todo", "title": "祝福", "words": "{{ customer.name }}生日快乐"}
    body = {"when": {"kind": "date", "field": "birthday", "days": days}, "what": [{"do": todo}]}
    return rules.read_rule({**body, "who": who})


async def test_a_preview_counts_each_day_the_drop_off_and_the_load_and_writes_nothing(database: Database) -> None:
    def build(session: Session) -> None:
        packs.install(session, "insurance", NOW)
        for number, ahead in enumerate((15, 15, 16, 29, 40)):
            who = customer(
                session, f"客户{number}", "lin" if number else "wang", birthday_next=TODAY + timedelta(days=ahead)
            )
            attribute(session, who, "insurance_budget", 1000 * number)

    await on(database, build=build)
    budget = {"kind": "attribute", "key": "insurance_budget"}
    compare = {"kind": "compare", "left": budget, "op": ">=", "right": {"kind": "number", "value": 1000}}

    def look(session: Session) -> tuple[Preview, int]:
        made = preview(session, birthday_rule(compare), TODAY, ZONE)
        written = session.exec(select(func.count()).select_from(Run)).one()
        return made, written + session.exec(select(func.count()).select_from(Todo)).one()

    made, written = await database.read(look)
    assert made.today == 1
    assert [(one.day, one.number) for one in made.days if one.number] == [
        (TODAY, 1),
        (TODAY + timedelta(days=1), 1),
        (TODAY + timedelta(days=14), 1),
    ]
    assert [number for _, number in made.drop_off] == [4, 3]
    assert made.load == {"lin": 3}
    assert made.sample == ["客户1", "客户2", "客户3"]
    assert written == 0


async def test_the_difference_to_the_published_version_is_shown(database: Database) -> None:
    def build(session: Session) -> None:
        for number in range(3):
            customer(session, f"客户{number}", gender=number, birthday_next=TODAY + timedelta(days=15))
        file = rules.RuleFile(code="b", name="生日", rule=birthday_rule({"kind": "gender", "value": "female"}))
        publish(session, save(session, file, NOW), "", NOW)

    await on(database, build=build)
    made = await database.read(lambda session: preview(session, birthday_rule(), TODAY, ZONE, "b"))
    assert (made.gained, made.lost) == (2, 0)


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"kind": "tagged", "tags": ["没有这个"]}, "who.tags: there is no tag 没有这个"),
        ({"kind": "attribute_known", "key": "nope"}, "who.key: there is no attribute nope"),
        ({"kind": "channel", "states": ["nope"]}, "who.states: there is no channel nope"),
        (
            {
                "kind": "compare",
                "left": {"kind": "lookup", "table": "nope", "column": "x"},
                "op": ">",
                "right": {"kind": "number", "value": 0},
            },
            "who.left.table: there is no table nope",
        ),
    ],
)
async def test_a_rule_that_names_what_is_not_there_is_refused_with_the_place(
    database: Database, rule: dict[str, object], place: str
) -> None:
    def build(session: Session) -> str:
        with pytest.raises(rules.RuleRefused) as refused:
            check_rule(session, birthday_rule(rule))
        return str(refused.value)

    assert place in await on(database, build=build)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{% for x in customer %}{% endfor %}", "for is not allowed here"),
        ("{{ customer.__class__ }}", "customer.__class__ is unknown"),
        ("{{ customer.phone }}", "customer.phone is unknown"),
    ],
)
async def test_words_that_reach_too_far_are_refused_with_the_place(database: Database, words: str, said: str) -> None:
    def build(session: Session) -> str:
        todo = {"kind": "todo", "title": "x", "words": words}
        rule = rules.read_rule({"when": {"kind": "visit_made"}, "what": [{"do": todo}]})
        with pytest.raises(rules.RuleRefused) as refused:
            check_rule(session, rule)
        return str(refused.value)

    text = await on(database, build=build)
    assert "what.0.do.words" in text
    assert said in text


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"when": {"kind": "silent", "days": 0}, "what": []}, "when.silent.days"),
        ({"when": {"kind": "visit_made"}, "what": [{"day": -1, "do": {"kind": "tag"}}]}, "what.0.day"),
        ({"when": {"kind": "never"}, "what": []}, "when"),
        ({"when": {"kind": "visit_made"}, "what": [{"do": {"kind": "split", "arms": ARMS}}]}, "make them 100"),
    ],
)
def test_a_rule_with_a_mistake_names_the_place(rule: dict[str, object], said: str) -> None:
    with pytest.raises(rules.RuleRefused, match=said):
        rules.read_rule(rule)


async def test_an_earlier_version_comes_back_in_one_step(database: Database) -> None:
    def build(session: Session) -> list[int]:
        numbers = []
        for days in (-15, -10):
            file = rules.RuleFile(code="b", name="生日", rule=birthday_rule(days=days))
            sop = save(session, file, NOW)
            numbers += [publish(session, sop, "su", NOW).number, publish(session, sop, "su", NOW).number]
        back = roll_back(session, sop, 1, NOW)
        assert session.get_one(SopVersion, sop.version_id) is back
        assert back.rule.when.days == -15
        return numbers

    assert await on(database, build=build) == [1, 1, 2, 2]
    assert date(2026, 11, 18) == TODAY


async def test_who_will_be_silent_is_shown_for_each_day_ahead_and_who_missed_for_the_days_behind(
    database: Database,
) -> None:
    def build(session: Session) -> list[tuple[list[tuple[date, int]], list[str]]]:
        for number in (30, 25, 20, 10):
            customer(session, f"沉默{number}", last_contact_at=at(TODAY - timedelta(days=number)))
        for number in (1, 3, 20):
            booking(
                session, customer(session, f"爽约{number}", last_contact_at=NOW), at(TODAY - timedelta(days=number))
            )
        shown = []
        for when in ({"kind": "silent", "days": 30}, {"kind": "booking_missed"}):
            rule = rules.read_rule({"when": when, "what": [{"do": {"kind": "todo", "title": "x"}}]})
            made = preview(session, rule, TODAY, ZONE)
            shown.append(([(one.day, one.number) for one in made.days if one.number], made.notes))
        return shown

    silent, behind = await on(database, build=build)
    assert silent == ([(TODAY + timedelta(days=one), 1) for one in (0, 5, 10)], [])
    assert behind[0] == [(TODAY - timedelta(days=one), 1) for one in (3, 1)]
    assert behind[1] == ["what people do cannot be foreseen: shown are the 14 days until today"]


async def test_a_preview_says_what_the_offers_of_its_steps_cost(database: Database) -> None:
    def build(session: Session) -> Preview:
        for number in range(3):
            customer(session, f"客户{number}", birthday_next=TODAY + timedelta(days=15))
        session.add(Offer(code="gift", name="生日礼", stock=5, taken=3, cost_fen=1500, updated_at=NOW))
        session.flush()
        todo = {"kind": "todo", "title": "祝福", "offer": "gift"}
        when = {"kind": "date", "field": "birthday", "days": -15}
        return preview(session, rules.read_rule({"when": when, "what": [{"do": todo}]}), TODAY, ZONE)

    made = await on(database, build=build)
    assert [(one.name, one.wanted, one.left, one.cost_fen) for one in made.offers] == [("生日礼", 3, 2, 3000)]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"do": {"kind": "todo", "title": "x", "script": "nope"}}, "what.0.do.script: there is no script nope"),
        ({"do": {"kind": "todo", "title": "x", "offer": "nope"}}, "what.0.do.offer: there is no offer nope"),
        ({"do": {"kind": "tag", "add": ["没有"]}}, "what.0.do.add: there is no tag 没有"),
    ],
)
async def test_a_step_that_names_what_is_not_there_is_refused_with_the_place(
    database: Database, part: dict[str, object], said: str
) -> None:
    def build(session: Session) -> str:
        rule = rules.read_rule({"when": {"kind": "visit_made"}, "what": [part]})
        with pytest.raises(rules.RuleRefused) as refused:
            check_rule(session, rule)
        return str(refused.value)

    assert said in await on(database, build=build)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ({"kind": "ordered", "sku": "nope"}, "who.sku: there is no product nope"),
        ({"kind": "staff", "userids": ["lin", "nobody"]}, "who.userids: there is no member of staff nobody"),
    ],
)
async def test_a_condition_that_names_an_unknown_product_or_member_is_refused(
    database: Database, who: dict[str, object], said: str
) -> None:
    def build(session: Session) -> str:
        with pytest.raises(rules.RuleRefused) as refused:
            check_rule(session, birthday_rule(who))
        return str(refused.value)

    assert await on(database, build=build) == f"{said}; make it first or choose another"
