"""`frontline import`: files as shops export them, each row once, and every wrong row named."""

import asyncio
import csv
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from bot.database import Database
from contacts.facts import Order, OrderItem, Visit, Watermark
from contacts.models import Customer, Identity
from tests.bot.command import GOOD, Ended, begun, end_of, frontline

HEADER = "id,at,phone,amount_fen,sku,name,category,qty,item_amount_fen"
LINES = [
    "o-1,2026-11-10T10:00:00+08:00,138 0013 8000,300,A,洁牙,引流,1,100",
    "o-1,2026-11-10T10:00:00+08:00,138 0013 8000,300,B,正畸,高客单,2,200",
    "o-2,2026-11-11T10:00:00+08:00,13800138001,500,,,,,",
]


@pytest.fixture
def settings(database_url: str) -> dict[str, str]:
    """Good settings on each database."""
    return GOOD | {"DATABASE_URL": database_url}


async def rows(database: Database, model: type[SQLModel]) -> list[Any]:
    """A table, oldest first."""
    table = SQLModel.metadata.tables[str(model.__tablename__)]
    query = select(table).order_by(*table.primary_key.columns)
    return await database.read(lambda session: list(session.connection().execute(query).all()))


async def imported(settings: dict[str, str], folder: Path, content: str | bytes, *words: str) -> Ended:
    """Import a file of orders."""
    (folder / "orders.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return await frontline("import", "orders", "orders.csv", *words, folder=folder, settings=settings)


def csv_of(*lines: str) -> str:
    """A file of orders."""
    return "\r\n".join([HEADER, *lines, ""])


async def test_a_file_is_stored_once(tmp_path: Path, settings: dict[str, str], database: Database) -> None:
    first = await imported(settings, tmp_path, csv_of(*LINES))
    again = await imported(settings, tmp_path, csv_of(*LINES))

    assert (first.code, first.out, first.err) == (0, "2 stored, 0 unchanged, 0 rejected\n", "")
    assert again.out == "0 stored, 2 unchanged, 0 rejected\n"
    assert [(one.source_id, one.amount_fen) for one in await rows(database, Order)] == [("o-1", 300), ("o-2", 500)]
    assert [(one.order_id, one.name, one.amount_fen) for one in await rows(database, OrderItem)] == [
        (1, "洁牙", 100),
        (1, "正畸", 200),
    ]
    assert [one.value for one in await rows(database, Identity)] == ["13800138000", "13800138001"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
async def test_files_of_excel_are_read(
    tmp_path: Path, settings: dict[str, str], database: Database, encoding: str
) -> None:
    ended = await imported(settings, tmp_path, csv_of(*LINES).encode(encoding))

    assert ended.out == "2 stored, 0 unchanged, 0 rejected\n"
    assert [one.name for one in await rows(database, OrderItem)] == ["洁牙", "正畸"]


async def test_nothing_is_stored_when_a_row_is_wrong_unless_asked(
    tmp_path: Path, settings: dict[str, str], database: Database
) -> None:
    content = csv_of(*LINES, "=o-3,soon,13800138001,-5,,,,,", "o-2,2026-11-11T10:00:00+08:00,13800138001,7,,,,,")
    refused = await imported(settings, tmp_path, content)
    stored = await rows(database, Order)
    partial = await imported(settings, tmp_path, content, "--partial")

    assert (refused.code, stored) == (1, [])
    assert "2 rows of orders.csv are wrong and nothing was stored" in refused.err
    assert (partial.code, partial.out.partition(";")[0]) == (0, "2 stored, 0 unchanged, 2 rejected")
    with (tmp_path / "orders.rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        wrong = list(csv.reader(file))
    assert [row[:3] for row in wrong] == [
        ["line", "field", "value"],
        ["5", "at", "soon"],
        ["5", "amount_fen", "'-5"],
        ["6", "id", "o-2"],
    ]
    assert all(row[3] for row in wrong)
    assert len(await rows(database, Order)) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "orders.csv is empty"),
        (b"id,at,colour\n", "unknown column 'colour'; columns are amount_fen, at, campaign"),
        (b"id,at,phone,customer.phone\n", "column 'customer.phone' stands twice"),
        (b"id,at\na,b,c\n", "orders.csv, line 2: 3 cells for 2 columns"),
        (b'id,at\na,"b\n', "orders.csv, line 2: unexpected end of data"),
        (b"id,at\n" + b"a" * 10_000_000 + b",b\n", "a cell is too large"),
        (b"\x89PNG\x00\x00", "orders.csv is not a text file"),
    ],
)
async def test_a_file_that_cannot_be_read_is_a_sentence(
    tmp_path: Path, settings: dict[str, str], database: Database, content: bytes, said: str
) -> None:
    ended = await imported(settings, tmp_path, content)

    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ordres", "orders.csv"), "there is no kind 'ordres'; there are attributes, bookings"),
        (("orders", "none.csv"), "none.csv: there is no such file"),
        (("orders", "orders.csv", "--complete-to", "today"), "--complete-to today: write a time with its offset"),
    ],
)
async def test_a_command_that_makes_no_sense_is_a_sentence(
    tmp_path: Path, settings: dict[str, str], database: Database, words: tuple[str, ...], said: str
) -> None:
    ended = await frontline("import", *words, folder=tmp_path, settings=settings)

    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err


async def test_the_feed_is_complete_to_where_the_command_says(
    tmp_path: Path, settings: dict[str, str], database: Database
) -> None:
    (tmp_path / "visits.csv").write_text("id,at,member_id,store\nv-1,2026-11-10T10:00:00+08:00,M-1,S01\n", "utf-8")
    words = ("import", "visits", "visits.csv", "--complete-to", "2026-11-11T00:00:00+08:00")
    ended = await frontline(*words, folder=tmp_path, settings=settings)

    assert ended.out == "1 stored, 0 unchanged, 0 rejected\n"
    [mark], visits = await rows(database, Watermark), await rows(database, Visit)
    assert (mark.feed, mark.store, f"{mark.complete_to:%d %H}", len(visits)) == ("visits", "S01", "10 16", 1)


def large(*last: str) -> str:
    """A file of more than a mebibyte, with these rows at its end."""
    name = "套餐" * 30
    many = (f"o-{n},2026-11-10T10:00:00+08:00,13{n % 500:09},300,A,{name},引流,1,300" for n in range(6_000))
    return csv_of(*many, *last)


async def test_a_large_file_is_stored_whole_or_not_at_all(
    tmp_path: Path, settings: dict[str, str], database: Database
) -> None:
    refused = await imported(settings, tmp_path, large("o-x,soon,13800138001,-5,,,,,"))
    assert (refused.code, await rows(database, Order), await rows(database, Identity)) == (1, [], [])
    assert "1 rows of orders.csv are wrong and nothing was stored" in refused.err
    with (tmp_path / "orders.rejected.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row[:3] for row in csv.reader(file)][1:] == [["6002", "at", "soon"], ["6002", "amount_fen", "'-5"]]

    broken = await imported(settings, tmp_path, large('o-x,"'))
    assert (broken.code, await rows(database, Order)) == (1, [])
    assert "orders.csv, line 6002: unexpected end of data" in broken.err

    stored = await imported(settings, tmp_path, large())
    assert (stored.out, stored.err) == ("6000 stored, 0 unchanged, 0 rejected\n", "")
    customers = await rows(database, Customer)
    assert (len(customers), sum(one.orders for one in customers)) == (500, 6_000)


async def test_an_import_that_is_interrupted_leaves_nothing(
    tmp_path: Path, settings: dict[str, str], database: Database
) -> None:
    (tmp_path / "orders.csv").write_text(large(), "utf-8")
    process = await begun("import", "orders", "orders.csv", folder=tmp_path, settings=settings)
    reader = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(reader.read_text):  # noqa: ASYNC110 - another process, which tells nobody
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGINT)
    ended = await end_of(process)

    assert ended.code != 0
    assert "Traceback" not in ended.err
    assert await rows(database, Order) == []
    assert (await frontline("import", "orders", "orders.csv", folder=tmp_path, settings=settings)).code == 0
