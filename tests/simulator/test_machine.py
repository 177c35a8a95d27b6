"""The control side's own calls: the corp, calls, faults, tokens, limits, addresses, a fresh start."""

from asyncio import gather
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError
from aiohttp.web import RouteDef

from simulator import control
from simulator.control.machine import SETTABLE
from tests.simulator.conftest import Receiver, Simulator

AGENT = 1000002
DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
HELLO = {"touser": "lin", "msgtype": "text", "agentid": AGENT, "text": {"content": "你好"}}


async def test_the_corp_tells_an_outside_client_all_it_needs(simulator: Simulator) -> None:
    corp = await simulator.sim("GET", "corp")

    assert corp["corp_id"] == simulator.corp.corp_id
    assert corp["agent_id"] == AGENT
    assert corp["agent_secret"] == simulator.corp.app.secret
    assert len(corp["callback_aes_key"]) == 43
    assert corp["callback_verified"] is False
    su = next(one for one in corp["staff"] if one["userid"] == "su")
    assert (su["name"], su["departments"], su["leader"], su["leads"]) == ("苏敏", [2], True, [2])
    assert [one["name"] for one in corp["departments"]] == ["示例公司", "城东店", "城西店", "线上客服"]


async def test_every_call_is_on_record_with_its_errcode(simulator: Simulator) -> None:
    await simulator.api("message/send", HELLO)
    await simulator.api("message/send", HELLO | {"agentid": 7})

    calls = (await simulator.sim("GET", "calls?path=message/send"))["calls"]

    assert [(one["method"], one["userid"], one["errcode"]) for one in calls] == [
        ("POST", "lin", 0),
        ("POST", "lin", 301002),
    ]
    assert calls[0]["body"] == HELLO
    assert "access_token" not in calls[0]["query"]
    later = (await simulator.sim("GET", f"calls?path=message/send&after={calls[0]['n']}"))["calls"]
    assert later == calls[1:]


async def test_an_unknown_path_is_404_without_a_body(simulator: Simulator) -> None:
    async with simulator.session.get(f"{simulator.url}/cgi-bin/message/shout") as answer:
        assert answer.status == 404
        assert await answer.read() == b""


@pytest.mark.parametrize(
    ("token", "errcode"),
    [("", 41001), ("nonsense", 40014)],
)
async def test_a_wrong_token_is_told_apart(simulator: Simulator, token: str, errcode: int) -> None:
    url = f"{simulator.url}/cgi-bin/message/send"
    async with simulator.session.post(url, json=HELLO, params={"access_token": token}) as answer:
        found = await answer.json()

    assert found["errcode"] == errcode
    assert f"more info at https://open.work.weixin.qq.com/devtool/query?e={errcode}" in found["errmsg"]


@pytest.mark.parametrize(("body", "errcode"), [({}, 40014), ({"expire": True}, 42001)])
async def test_tokens_can_be_revoked_or_expired(simulator: Simulator, body: dict[str, Any], errcode: int) -> None:
    token = await simulator.token()

    await simulator.sim("POST", "tokens/revoke", body)

    assert (await simulator.api("message/send", HELLO, token=token))["errcode"] == errcode
    assert await simulator.token() != token


async def test_a_token_stays_the_same_while_it_lives(simulator: Simulator) -> None:
    first = await simulator.token()
    assert await simulator.token() == first

    await simulator.sim("POST", "limits", {"token_seconds": 0})
    await simulator.sim("POST", "tokens/revoke")

    short = await simulator.token()
    assert (await simulator.api("message/send", HELLO, token=short))["errcode"] == 42001


async def test_the_contacts_secret_sends_no_messages(simulator: Simulator) -> None:
    found = await simulator.api("message/send", HELLO, secret=simulator.corp.apps[1].secret)

    assert found["errcode"] == 48002


async def test_a_fault_answers_its_errcode_as_often_as_asked(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"path": "message/send", "errcode": -1, "times": 2})

    found = [(await simulator.api("message/send", HELLO))["errcode"] for _ in range(3)]

    assert found == [-1, -1, 0]
    assert len(simulator.corp.chats["lin"]) == 1


async def test_a_fault_stays_until_it_is_deleted(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"path": "message/send", "errcode": 45009})
    found = [(await simulator.api("message/send", HELLO))["errcode"] for _ in range(3)]
    assert found == [45009, 45009, 45009]

    assert await simulator.sim("DELETE", "faults") == {"faults": []}

    assert (await simulator.api("message/send", HELLO))["errcode"] == 0


async def test_a_fault_comes_before_the_token(simulator: Simulator) -> None:
    await simulator.sim("POST", "faults", {"path": "message/send", "errcode": 45033})

    assert (await simulator.api("message/send", HELLO, token="nonsense"))["errcode"] == 45033


async def test_a_fault_can_answer_an_http_status(simulator: Simulator) -> None:
    token = await simulator.token()
    await simulator.sim("POST", "faults", {"path": "message/send", "status": 502})

    url = f"{simulator.url}/cgi-bin/message/send"
    async with simulator.session.post(url, json=HELLO, params={"access_token": token}) as answer:
        assert answer.status == 502

    assert simulator.corp.chats["lin"] == []


@pytest.mark.parametrize(("drop", "delivered", "errcode"), [("request", 0, None), ("answer", 1, 0)])
async def test_a_dropped_call_leaves_the_caller_without_an_answer(
    simulator: Simulator, drop: str, delivered: int, errcode: int | None
) -> None:
    token = await simulator.token()
    await simulator.sim("POST", "faults", {"path": "message/send", "drop": drop, "times": 1})

    with pytest.raises(ClientError):
        await simulator.api("message/send", HELLO, token=token)

    assert len(simulator.corp.chats["lin"]) == delivered
    [call] = (await simulator.sim("GET", "calls?path=message/send"))["calls"]
    assert (call["dropped"], call["errcode"]) == (drop, errcode)


async def test_slow_calls_pile_up_until_there_are_too_many(simulator: Simulator) -> None:
    token = await simulator.token()
    await simulator.sim("POST", "limits", {"concurrent": 2})
    await simulator.sim("POST", "faults", {"path": "message/send", "latency_ms": 200})

    answers = await gather(*(simulator.api("message/send", HELLO, token=token) for _ in range(3)))

    assert sorted(one["errcode"] for one in answers) == [0, 0, 45033]
    await simulator.sim("DELETE", "faults")
    assert (await simulator.api("message/send", HELLO, token=token))["errcode"] == 0


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"path": "message/shout", "errcode": 1}, "message/shout"),
        ({"path": "message/send"}, "does nothing"),
        ({"path": "message/send", "errcode": 0}, "errcode"),
        ({"path": "message/send", "status": 99}, "status"),
        ({"path": "message/send", "drop": "both"}, "drop"),
        ({"path": "message/send", "errcode": 1, "times": 0}, "times"),
        ({"path": "message/send", "errcode": 1, "time": 1}, "time"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(simulator: Simulator, fault: dict[str, Any], named: str) -> None:
    found = await simulator.sim("POST", "faults", fault, status=400)

    assert named in found["error"]


async def test_calls_beyond_the_minute_are_refused(simulator: Simulator) -> None:
    token = await simulator.token()
    await simulator.sim("POST", "limits", {"per_api_minute": 2})

    found = [(await simulator.api("message/send", HELLO, token=token))["errcode"] for _ in range(3)]

    assert found == [0, 0, 45009]


@pytest.mark.parametrize(
    "limits",
    [{"per_api_minute": "many"}, {"per_api_minute": -1}, {"callback_retry_seconds": 3}, {"welcome_seconds": True}],
)
async def test_a_limit_of_the_wrong_kind_is_refused(simulator: Simulator, limits: dict[str, Any]) -> None:
    found = await simulator.sim("POST", "limits", limits, status=400)

    assert found["error"].startswith(next(iter(limits)))


async def test_limits_are_set_by_name(simulator: Simulator) -> None:
    found = await simulator.sim("POST", "limits", {"welcome_seconds": 3, "callback_retry_seconds": [0.5]})

    assert found["welcome_seconds"] == 3.0
    assert found["callback_retry_seconds"] == [0.5]
    assert found["per_member_minute"] == 30
    refused = await simulator.sim("POST", "limits", {"windows": 1}, status=400)
    assert "windows is no field" in refused["error"]


async def test_an_address_that_is_not_trusted_is_told_its_own(simulator: Simulator) -> None:
    await simulator.sim("POST", "trusted-ips", {"ips": ["203.0.113.7"]})
    refused = await simulator.api("message/send", HELLO)
    assert refused["errcode"] == 60020
    assert "from ip: 127.0.0.1" in refused["errmsg"]

    await simulator.sim("POST", "trusted-ips", {"ips": None})

    assert (await simulator.api("message/send", HELLO))["errcode"] == 0


async def test_wrong_secrets_block_the_address(simulator: Simulator) -> None:
    url = f"{simulator.url}/cgi-bin/gettoken?corpid={simulator.corp.corp_id}&corpsecret="
    errcodes = []
    for _ in range(11):
        async with simulator.session.get(f"{url}wrong") as answer:
            errcodes.append((await answer.json())["errcode"])

    assert errcodes == [40001] * 10 + [45009]
    async with simulator.session.get(url + simulator.corp.app.secret) as answer:
        assert (await answer.json())["errcode"] == 45009


async def test_a_reset_begins_anew_with_the_same_secrets(simulator: Simulator, receiver: Receiver) -> None:
    token = await simulator.token()
    await simulator.api("message/send", HELLO)
    await simulator.sim("POST", "faults", {"path": "*", "errcode": -1})
    last = simulator.corp.chats["lin"][-1]["n"]

    await simulator.sim("POST", "reset")

    assert (await simulator.sim("GET", "chats/lin"))["messages"] == []
    assert (await simulator.sim("GET", "calls"))["calls"] == []
    assert (await simulator.api("message/send", HELLO, token=token))["errcode"] == 0
    [message] = (await simulator.sim("GET", f"chats/lin?after={last}"))["messages"]
    assert message["body"] == {"content": "你好"}
    assert (await simulator.sim("POST", "messages", {"userid": "lin", "text": "在"}))["deliveries"][0]["status"] == 200


async def test_the_app_can_lose_its_permission_for_customers(simulator: Simulator) -> None:
    await simulator.sim("POST", "corp", {"customers_allowed": False})

    assert (await simulator.api("externalcontact/send_welcome_msg", {"welcome_code": "x"}))["errcode"] == 48002


async def test_the_control_side_refuses_what_is_no_json(simulator: Simulator) -> None:
    async with simulator.session.post(f"{simulator.url}/sim/faults", data="{") as answer:
        assert answer.status == 400
        assert "not JSON" in (await answer.json())["error"]


async def test_another_sites_page_cannot_drive_the_simulator(simulator: Simulator) -> None:
    headers = {"Origin": "https://example.com"}
    async with simulator.session.post(f"{simulator.url}/sim/reset", json={}, headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("path", sorted({route.path for route in control.routes if isinstance(route, RouteDef)}))
def test_every_control_call_is_documented(path: str) -> None:
    assert f"{path}`" in DOCUMENT


@pytest.mark.parametrize("name", SETTABLE)
def test_every_limit_is_documented(name: str) -> None:
    assert f"`{name}`" in DOCUMENT
