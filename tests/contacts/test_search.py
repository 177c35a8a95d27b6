"""Whom staff mean: names, remarks, titles, phones, pinyin; and whose customers they may find."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session

from bot.database import Database
from contacts.models import Customer, Department, FollowUser, Identity, Staff, StaffDepartment
from contacts.search import EXACT, PHONE, SURE, find_customers, the_one

NOW = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
PEOPLE = {
    # name, gender, remark, phone
    "li": ("李春华", 2, "", "13800001234"),
    "wangfang": ("王芳", 2, "展会-王芳", "13800005678"),
    "wanglei": ("王磊", 1, "", ""),
    "sun": ("小太阳", 0, "孙姐", ""),
    "ouyang": ("欧阳明", 1, "", ""),
    "zeng": ("曾静", 0, "", "13900009999"),
}


@pytest.fixture
async def company(database: Database) -> Database:
    """Lin sells and has everybody, Wang has one of her own; Su leads both; Mo, elsewhere, has another 李春华."""

    def fill(session: Session) -> None:
        session.add_all([Department(id=1, name="公司", path="/1/", order=0)])
        session.add_all(Department(id=n, name="店", parent_id=1, path=f"/1/{n}/", order=0) for n in (2, 3))
        for userid, department in (("lin", 2), ("wang", 2), ("su", 2), ("mo", 3)):
            session.add(Staff(userid=userid, name=userid, synced_at=NOW))
            session.flush()
            session.add(StaffDepartment(userid=userid, department_id=department, leads=userid == "su"))
        for number, (name, gender, remark, phone) in enumerate(PEOPLE.values(), 1):
            add(session, number, name, "lin", gender=gender, remark=remark, phone=phone)
        add(session, 20, "赵敏", "wang")
        add(session, 30, "李春华", "mo")

    await database.write(fill)
    return database


def add(session: Session, number: int, name: str, userid: str, *, gender: int = 0, remark: str = "", phone: str = "",
        lost: bool = False) -> None:  # fmt: skip
    """A customer of a member."""
    session.add(Customer(id=number, name=name, gender=gender, main_userid=userid))
    session.flush()
    session.add(
        FollowUser(
            customer_id=number,
            userid=userid,
            remark=remark,
            added_at=NOW - timedelta(days=number),
            lost_at=NOW if lost else None,
        )
    )
    session.add_all([Identity(customer_id=number, kind="phone", value=phone)] if phone else [])


async def found(database: Database, words: str, userid: str | None = "lin", *, lost: bool = False) -> list[str]:
    """Who is found, best first."""
    matches = await database.read(lambda session: find_customers(session, words, userid, lost=lost))
    return [match.shown for match in matches]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("李春华", ["李春华"]),
        ("李女士", ["李春华"]),
        ("李姐", ["李春华"]),
        ("老李", ["李春华"]),
        ("孙姐", ["孙姐"]),
        ("孙女士", ["孙姐"]),
        ("孙先生", []),
        ("李先生", []),
        ("王芳", ["展会-王芳"]),
        ("王女士", ["展会-王芳"]),
        ("王先生", ["王磊"]),
        ("王", ["展会-王芳", "王磊"]),
        ("春华", ["李春华"]),
        ("1234", ["李春华"]),
        ("尾号5678的", ["展会-王芳"]),
        ("138 0000 1234", ["李春华"]),
        ("lichunhua", ["李春华"]),
        ("Li Chunhua", ["李春华"]),
        ("lch", ["李春华"]),
        ("ms li", ["李春华"]),
        ("Mr Wang", ["王磊"]),
        ("黎春华", ["李春华"]),
        ("李春花", ["李春华"]),
        ("欧阳先生", ["欧阳明"]),
        ("zengjing", ["曾静"]),
        ("张三", []),
        ("%", []),
        ("", []),
    ],
)
async def test_customers_are_found_as_staff_call_them(company: Database, words: str, expected: list[str]) -> None:
    assert await found(company, words) == expected


async def test_exact_comes_alone_and_is_sure(company: Database) -> None:
    exact = await company.read(lambda session: find_customers(session, "李春华", "lin"))
    phone = await company.read(lambda session: find_customers(session, "1234", "lin"))
    alike = await company.read(lambda session: find_customers(session, "黎春华", "lin"))

    assert [match.score for match in exact] == [EXACT]
    assert [match.score for match in phone] == [PHONE]
    assert alike[0].score < SURE
    assert the_one(exact) == exact[0]
    assert the_one(alike) is None
    assert the_one([]) is None


async def test_two_who_fit_alike_leave_a_doubt(company: Database) -> None:
    assert the_one(await company.read(lambda session: find_customers(session, "王", "lin"))) is None


async def test_whose_customers_are_found(company: Database) -> None:
    assert await found(company, "赵敏", "lin") == []
    assert await found(company, "赵敏", "wang") == ["赵敏"]
    assert await found(company, "赵敏", "su") == ["赵敏"]
    assert await found(company, "赵敏", None) == ["赵敏"]
    assert await found(company, "李春华", "su") == ["李春华"]
    assert await found(company, "李春华", None) == ["李春华", "李春华"]


async def test_a_shared_customer_is_found_once_by_the_askers_own_tie(company: Database) -> None:
    tie = FollowUser(customer_id=20, userid="su", remark="敏姐", added_at=NOW)
    await company.write(lambda session: session.add(tie))

    [match] = await company.read(lambda session: find_customers(session, "赵敏", "su"))

    assert (match.userid, match.shown) == ("su", "敏姐")


async def test_lost_merged_and_erased_customers(company: Database) -> None:
    def change(session: Session) -> None:
        add(session, 40, "钱多", "lin", lost=True)
        session.add(Customer(id=41, name="钱一", main_userid="lin", merged_into=1))
        session.add(Customer(id=42, name="钱二", main_userid="lin", erased_at=NOW))
        session.add(Customer(id=43, name="钱三", main_userid="lin"))

    await company.write(change)

    assert await found(company, "钱多") == []
    assert await found(company, "钱多", lost=True) == ["钱多"]
    assert await found(company, "钱") == ["钱三"], "a customer without a tie is her main staff's; the others are gone"


async def test_the_limit_holds(company: Database) -> None:
    def many(session: Session) -> None:
        for number in range(100, 130):
            add(session, number, f"周{number}", "lin")

    await company.write(many)
    assert len(await company.read(lambda session: find_customers(session, "周", "lin", 10))) == 10
