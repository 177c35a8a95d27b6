"""`/api/v1`: who is let in, what is understood, and how wrong records are named."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.api import MAX_API_BODY
from bot.clock import Clock
from bot.wecom.crypto import MAX_BODY
from contacts.facts import Order
from contacts.models import Customer
from tests.bot.program import TODAY, Program, body_over, program_beside
from tests.conftest import RunningBot, WeCom

ORDER: dict[str, Any] = {"id": "o-1", "customer": {"phone": "13800138000"}, "amount_fen": 12_000}


@pytest.fixture
async def program(wecom: WeCom, database_url: str, tmp_path: Path, clock: Clock) -> AsyncIterator[Program]:
    """A program beside a bot, on each database."""
    async with program_beside(wecom, database_url, tmp_path, clock) as running:
        yield running


async def test_without_a_token_of_our_own_nobody_is_let_in(bot: RunningBot) -> None:
    status, answer = await Program(bot).post("orders", [])

    assert status == 403
    assert "FRONTLINE_API_TOKEN" in answer["error"]


async def test_a_wrong_token_is_not_let_in(program: Program) -> None:
    tokens = (None, "", "another", "token-of-the-shop-syste", "密钥")
    statuses = [(await program.post("orders", [{**ORDER, "at": TODAY}], token=token))[0] for token in tokens]

    assert statuses == [401] * len(tokens)
    assert await program.rows(Order) == []


async def test_one_record_and_a_list_are_both_understood(program: Program) -> None:
    one = await program.post("orders", {**ORDER, "at": TODAY})
    two = await program.post("orders", [{**ORDER, "at": TODAY, "id": "o-2"}, {**ORDER, "at": TODAY}])

    assert one == (200, {"stored": 1, "unchanged": 0, "rejected": 0})
    assert two == (200, {"stored": 1, "unchanged": 1, "rejected": 0})
    assert len(await program.rows(Customer)) == 1


async def test_an_unknown_kind_names_those_there_are(program: Program) -> None:
    status, answer = await program.post("ordres", [])

    assert status == 404
    assert "orders" in answer["error"]


async def test_what_is_no_json_is_refused(program: Program) -> None:
    bodies = (b"", b"{", b"\xff\xfe", b'[{"id": NaN}]', b"[" * 100_000)
    answers = [await program.post("orders", data=body) for body in bodies]

    assert [status for status, _ in answers] == [400] * len(bodies)
    assert all("not JSON" in answer["error"] for _, answer in answers)


async def test_more_than_a_thousand_records_are_refused(program: Program) -> None:
    status, answer = await program.post("orders", [{}] * 1_001)

    assert status == 422
    assert "1000" in answer["error"]


async def test_a_large_body_is_read_and_a_larger_one_refused(program: Program) -> None:
    at, http = f"{program.bot.url}/api/v1/orders", program.bot.wecom.http

    assert await body_over(MAX_API_BODY + 1, http, at) == 413
    assert await body_over(MAX_BODY * 2, http, at) == 400
    assert await body_over(MAX_BODY + 1, http, f"{program.bot.url}/wecom/callback") == 413


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("orders", {"customer": {"phone": "1"}}, ["amount_fen", "customer.phone", "id"]),
    ("orders", {**ORDER, "amount_fen": -1}, ["amount_fen"]),
    ("orders", {**ORDER, "amount_fen": 12.5}, ["amount_fen"]),
    ("orders", {**ORDER, "amount_fen": "12"}, ["amount_fen"]),
    ("orders", {**ORDER, "amount_fen": True}, ["amount_fen"]),
    ("orders", {**ORDER, "amount_fen": 10**30}, ["amount_fen"]),
    ("orders", {**ORDER, "customer": {}}, ["customer"]),
    ("orders", {**ORDER, "customer": "chen"}, ["customer"]),
    ("orders", {**ORDER, "amount": 5}, ["amount"]),
    ("orders", {**ORDER, "id": "a\x00b"}, ["id"]),
    ("orders", {**ORDER, "id": "\ud800"}, ["id"]),
    ("orders", {**ORDER, "at": "2026-11-16"}, ["at"]),
    ("orders", {**ORDER, "at": "2026-11-16T09:30:00"}, ["at"]),
    ("orders", {**ORDER, "at": 1763256600}, ["at"]),
    ("orders", {**ORDER, "at": "2026-11-16T11:00:00+08:00"}, ["at"]),
    ("orders", {**ORDER, "userid": "nobody"}, ["userid"]),
    ("orders", {**ORDER, "campaign": "none", "channel": "none"}, ["campaign", "channel"]),
    ("orders", {**ORDER, "items": [{"sku": "a", "name": "b", "qty": 0, "amount_fen": 1}]}, ["items.0.qty"]),
    ("refunds", {"id": "r", "order_id": "none", "amount_fen": 5}, ["order_id"]),
    ("refunds", {"id": "r", "order_id": "none", "amount_fen": 0}, ["amount_fen"]),
    ("bookings", {"id": "b", "customer": {"phone": "13800138000"}, "starts_at": TODAY, "status": "came"}, ["status"]),
    ("visits", {"id": "v", "customer": {"phone": "13800138000"}, "booking_id": "none"}, ["booking_id"]),
    (
        "policies",
        {
            "id": "p",
            "customer": {"member_id": "m"},
            "product": "x",
            "kind": "life",
            "premium_fen": 1,
            "sum_insured_fen": 1,
            "starts_on": "2026-02-30",
            "ends_on": "16.11.2026",
        },
        ["ends_on", "starts_on"],
    ),
    ("participations", {"id": "j", "customer": {"member_id": "m"}, "campaign": "none"}, ["campaign"]),
    (
        "referrals",
        {"id": "f", "customer": {"phone": "13800138000"}, "referrer": {"phone": "+86 138 0013 8000"}},
        ["referrer.phone"],
    ),
    ("events", {"id": "e", "customer": {"member_id": "m"}, "name": "Page Viewed"}, ["name"]),
    ("events", {"id": "e", "customer": {"member_id": "m"}, "name": "cart", "properties": []}, ["properties"]),
    (
        "events",
        {"id": "e", "customer": {"member_id": "m"}, "name": "cart", "properties": {"a": "\x00"}},
        ["properties"],
    ),
    ("traffic", {"id": "t", "channel": "none", "date": "2026-11-17", "visitors": 1}, ["channel", "date"]),
    ("spend", {"id": "s", "date": "2026-11-15", "amount_fen": -1}, ["amount_fen"]),
    ("totals", {"id": "d", "date": "2026-11-17", "net_amount_fen": -1}, ["date"]),
    ("attributes", {"id": "a", "customer": {"member_id": "m"}, "key": "none", "value": "1"}, ["key"]),
    ("attributes", {"id": "a", "customer": {"member_id": "m"}, "key": "birthday", "value": "soon"}, ["value"]),
    ("identities", {"id": "i", "customer": {"member_id": "m"}, "kind": "qq", "value": "1"}, ["kind"]),
    ("identities", {"id": "i", "customer": {"member_id": "m"}, "kind": "member_id", "value": "n"}, ["record"]),
]


async def test_each_wrong_field_is_named(program: Program) -> None:
    answers = [await program.post(kind, [{"at": TODAY, **record}]) for kind, record, _ in WRONG]
    named = [sorted(one["field"] for one in answer["errors"]) for _, answer in answers]

    assert named == [fields for _, _, fields in WRONG]
    assert {status for status, _ in answers} == {422}
    assert {(answer["stored"], answer["rejected"]) for _, answer in answers} == {(0, 1)}
    assert all(one["index"] == 0 and one["remedy"] for _, answer in answers for one in answer["errors"])
    assert await program.rows(Customer) == []


async def test_good_rows_beside_bad_ones_are_kept_only_if_asked(program: Program) -> None:
    rows = [{**ORDER, "at": TODAY}, {**ORDER, "at": TODAY, "id": "o-2", "amount_fen": -5}, 7]
    status, answer = await program.post("orders", rows)
    kept = await program.rows(Order)
    partial_status, partial = await program.post("orders?partial=1", rows)

    assert (status, answer["stored"], answer["rejected"], kept) == (422, 0, 2, [])
    assert (partial_status, partial["stored"], partial["rejected"]) == (422, 1, 2)
    assert [(one["index"], one["field"]) for one in partial["errors"]] == [(1, "amount_fen"), (2, "record")]
    assert [row.source_id for row in await program.rows(Order)] == ["o-1"]


async def test_a_partial_that_is_neither_yes_nor_no_is_refused(program: Program) -> None:
    status, answer = await program.post("orders?partial=yes", [])

    assert status == 422
    assert "partial" in answer["error"]
