"""What a text keeps and what it loses before a language model reads it."""

import pytest
from sqlmodel import Session

from assistant.masking import mask, sensitive
from bot.database import Database
from contacts.models import Attribute, Customer, FollowUser, Staff
from contacts.names import hear_again
from tests.conftest import MONDAY_TEN


def record(session: Session) -> None:
    """Names somebody has on record: 今天 is a customer's nickname too."""
    session.add(Staff(userid="mo", name="莫然", synced_at=MONDAY_TEN))
    for number, name in enumerate(("王芳", "Amy Wong", "今天", "欧阳娜娜"), 1):
        session.add(Customer(id=number, name=name))
    session.flush()
    session.add(FollowUser(customer_id=1, userid="mo", added_at=MONDAY_TEN, remark="三号楼辣妈"))
    session.flush()
    hear_again(session, range(1, 5))
    session.add(Attribute(key="allergy", label="忌口", type="text", sensitive=True))


CASES = {
    "王芳和莫然今天的单": "[[PERSON_1]]和[[PERSON_2]]今天的单",
    "三号楼辣妈买了啥": "[[PERSON_1]]买了啥",
    "what did amy wong buy": "what did [[PERSON_1]] buy",
    "李女士、老王和张姐谁买得多": "[[PERSON_1]]、[[PERSON_3]]和[[PERSON_2]]谁买得多",
    "ask Ms Li about it": "ask [[PERSON_1]] about it",
    "打１３８ １２３４ ５６７８": "打[[NUMBER_1]]",
    "尾号5678的是谁": "尾号[[NUMBER_1]]的是谁",
    "写到a.b@example.com": "写到[[NUMBER_1]]",
    "2026-08-01到2026-08-15一共几单": "2026-08-01到2026-08-15一共几单",
    "高意向的客户总共多少": "高意向的客户总共多少",
    "[[PERSON_1]]王芳": "[PERSON_1][[PERSON_1]]",
}


async def test_names_and_numbers_go_and_words_stay(database: Database) -> None:
    await database.write(record)

    found = await database.read(lambda session: [mask(session, text) for text in CASES])

    assert [one.text for one in found] == list(CASES.values())
    assert all(one.restore(one.text) == one.typed for one in found)


@pytest.mark.parametrize(
    ("text", "kept_back"),
    [
        ("她血压高", True),
        ("宝宝三岁了", True),
        ("理赔到了吗", True),
        ("忌口的有几个", True),
        ("提醒复诊", False),
        ("本月业绩", False),
    ],
)
async def test_what_must_not_leave_is_known_by_its_words(database: Database, text: str, kept_back: bool) -> None:
    await database.write(record)

    assert await database.read(lambda session: sensitive(session, text)) is kept_back
