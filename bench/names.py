"""Customers found by what only sounds or looks like their names, company-wide; and names found in a question.

`python -m bench.names [CUSTOMERS] [sqlite|postgresql …]`
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import insert, text
from sqlmodel import Session

from assistant.masking import names_on_record
from bench.layers import server
from bench.machine import describe, median
from bot.database import Database, defaults
from bot.schema import migrate
from contacts.models import Customer, FollowUser
from contacts.names import hear
from contacts.search import Asked, call_of, find_customers, likeness, visible
from contacts.spelling import sound

TARGET_MS = 50.0
ROUNDS = 5
STAFF = 200
AT_ONCE = 10_000
SURNAMES = "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡"
GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂春华文辉玲婷宇浩然欣怡雨桐"
    "子轩梓涵诗琪思雅若曦晨阳俊熙佳慧美红云莲真环雪荣爱妹香月莺媛"
)
SOUGHT = (
    "liu chunhau",
    "王坊",
    "zhangwie",
    "lch",
    "陈晶晶",
    "ms wang",
    "wang",
    "萧辰阳",
    "lin",
    "吴雨同",
    "zhoujielun",
)
QUESTION = "李春华和王芳芳上个月一共买了多少，谁的客单价高？how many orders did Zhang Wei bring last month"
"""None of what is sought is written so in any name."""
AT = datetime(2026, 11, 16, 2, 0, tzinfo=UTC)


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    describe()
    for kind in sys.argv[2:] or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, server(kind, folder) as url:
            asyncio.run(measure(kind, url, count))


async def measure(kind: str, url: str, count: int) -> None:
    """Fill, and ask."""
    database = Database(url)
    await migrate(database)
    began, pick = time.perf_counter(), random.Random(1)
    for first in range(1, count + 1, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count + 1))
        await database.write(partial(fill, numbers=numbers, pick=pick))
    await database.write(lambda session: session.execute(text("ANALYZE")) and None)
    print(f"{kind}: {count:,} customers made in {time.perf_counter() - began:.0f} s, in a table of names too")
    times = {words: await asked(database, partial(find, words=words)) for words in SOUGHT}
    for words, (ms, found) in times.items():
        print(f"  {words:12} {found:3} found in {ms:6.1f} ms")
    print(f"  slowest {max(ms for ms, _ in times.values()):.1f} ms (target at 100,000: {TARGET_MS:g} ms)")
    ms, found = await asked(database, lambda session: full_scan(session, SOUGHT[0]))
    print(f"  every name looked at, {SOUGHT[0]}: {found} found in {ms:.0f} ms")
    ms, found = await asked(database, lambda session: len(list(names_on_record(session, QUESTION))))
    print(f"  names in a question: {found} found in {ms:.1f} ms", flush=True)
    await database.close()


def find(session: Session, words: str) -> int:
    """The search, of everybody: how many are found."""
    return len(find_customers(session, words, None))


def full_scan(session: Session, words: str) -> int:
    """What the search was before it had an index."""
    asked_of = Asked(session, visible(session, None), lost=False)
    return len(likeness(asked_of.names(), sound(words), words, call_of(words)))


async def asked(database: Database, work: Callable[[Session], int]) -> tuple[float, int]:
    """The median of several runs in milliseconds, and the answer; on SQLite of the processor's own time."""
    clock = time.thread_time if database.sqlite else time.perf_counter

    def timed(session: Session) -> tuple[float, int]:
        began = clock()
        answer = work(session)
        return (clock() - began) * 1000, answer

    runs = [await database.read(timed) for _ in range(ROUNDS)]
    return median([ms for ms, _ in runs]), runs[0][1]


def fill(session: Session, numbers: range, pick: random.Random) -> None:
    """Customers with names as common as in life, a remark for a third of them."""
    people, ties = [], []
    for number in numbers:
        surname = SURNAMES[min(int(pick.expovariate(0.06)), len(SURNAMES) - 1)]
        name = surname + "".join(pick.choices(GIVEN, k=pick.choice((1, 2, 2, 2))))
        userid = f"u{number % STAFF}"
        people.append(defaults(Customer) | {"id": number, "name": name, "main_userid": userid})
        remark = f"{surname}{pick.choice(('姐', '女士', '总'))}{pick.randrange(100)}" if number % 3 == 0 else ""
        ties.append(
            defaults(FollowUser)
            | {"id": number, "customer_id": number, "userid": userid, "added_at": AT, "remark": remark}
        )
    session.execute(insert(Customer), people)
    session.execute(insert(FollowUser), ties)
    hear(session, [(one["id"], one["name"]) for one in people])
    hear(session, [(one["customer_id"], one["remark"]) for one in ties])


if __name__ == "__main__":
    main()
