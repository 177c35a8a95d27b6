"""OAuth in the client, web login, and the tickets of the JS-SDK."""

import pytest
from yarl import URL

from tests.simulator.conftest import Json, Simulator
from tests.simulator.steps import CHEN, add, errcode

BACK = "http://bot.example:8000/login?next=/me"


async def visit(simulator: Simulator, page: str, params: dict[str, str]) -> tuple[int, str]:
    """Open an authorize page: its status, and where it leads or what it says."""
    async with simulator.session.get(f"{simulator.url}/{page}", params=params, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location") or await answer.text()


async def authorize(simulator: Simulator, **change: str) -> tuple[int, str]:
    """Open the page of the client's OAuth."""
    usual = {
        "appid": simulator.corp.corp_id,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "S1",
        "agentid": "1000002",
    }
    return await visit(simulator, "connect/oauth2/authorize", {**usual, **change})


async def code_for(simulator: Simulator, **change: str) -> str:
    """The code a person comes back with."""
    _, back = await authorize(simulator, **change)
    return URL(back).query["code"]


async def test_a_member_is_asked_who_they_are_and_comes_back_with_a_code(simulator: Simulator) -> None:
    asked, page = await authorize(simulator)
    sent, location = await authorize(simulator, userid="lin")

    back = URL(location)
    assert (asked, sent) == (200, 302)
    assert (back.host, back.port, back.path) == ("bot.example", 8000, "/login")
    assert (back.query["next"], back.query["state"]) == ("/me", "S1")
    assert "林晓" in page
    assert (await simulator.api("auth/getuserinfo", code=back.query["code"]))["userid"] == "lin"


async def test_a_code_is_good_once_and_for_five_minutes(simulator: Simulator) -> None:
    used, late = await code_for(simulator, userid="lin"), await code_for(simulator, userid="wang")
    simulator.platform.extras["oauth_codes"][late].issued -= 301

    codes = [await errcode(simulator, "auth/getuserinfo", code=code) for code in (used, used, late, "made-up")]

    assert codes == [0, 42022, 42003, 40029]


async def test_a_customer_comes_back_as_a_customer(simulator: Simulator) -> None:
    await add(simulator)

    found = await simulator.api("auth/getuserinfo", code=await code_for(simulator, userid=CHEN))

    assert (found["external_userid"], "userid" in found) == (CHEN, False)


async def test_consent_brings_a_ticket_for_private_fields(simulator: Simulator) -> None:
    await simulator.sim("POST", "members", {"userid": "lin", "mobile": "13800000000", "email": "lin@example.com"})
    plain = await simulator.api("auth/getuserinfo", code=await code_for(simulator, userid="lin"))
    code = await code_for(simulator, userid="lin", scope="snsapi_privateinfo")
    ticket = (await simulator.api("auth/getuserinfo", code=code))["user_ticket"]

    detail = await simulator.api("auth/getuserdetail", {"user_ticket": ticket})

    assert "user_ticket" not in plain
    assert (detail["userid"], detail["mobile"], detail["email"]) == ("lin", "13800000000", "lin@example.com")
    assert await errcode(simulator, "auth/getuserdetail", {"user_ticket": "made-up"}) == 84015


async def test_the_old_api_answers_in_capitals(simulator: Simulator) -> None:
    found = await simulator.api("user/getuserinfo", code=await code_for(simulator, userid="lin"))

    assert (found["UserId"], found["DeviceId"]) == ("lin", "")


async def test_the_browsers_login_leads_back_too(simulator: Simulator) -> None:
    asked = {
        "login_type": "CorpApp",
        "appid": simulator.corp.corp_id,
        "agentid": "1000002",
        "redirect_uri": "http://bot.example/login",
        "state": "S2",
    }
    _, back = await visit(simulator, "wwlogin/sso/login", {**asked, "userid": "su"})
    refused, _ = await visit(simulator, "wwlogin/sso/login", {**asked, "agentid": "7"})

    assert (await simulator.api("auth/getuserinfo", code=URL(back).query["code"]))["userid"] == "su"
    assert refused == 400


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"appid": "ww0"}, "appid"),
        ({"redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ({"response_type": "token"}, "response_type"),
        ({"scope": "snsapi_all"}, "scope"),
        ({"scope": "snsapi_privateinfo", "agentid": ""}, "agentid"),
        ({"state": "a-b"}, "state"),
        ({"userid": "nobody"}, "person"),
    ],
)
async def test_wrong_links_lead_nowhere(simulator: Simulator, change: dict[str, str], named: str) -> None:
    status, page = await authorize(simulator, **change)

    assert status == 400
    assert named in page


async def test_the_redirect_must_be_the_trusted_domain_with_its_port(simulator: Simulator) -> None:
    await simulator.sim("POST", "trusted-domain", {"domain": "bot.example"})
    refused, page = await authorize(simulator)
    await simulator.sim("POST", "trusted-domain", {"domain": "bot.example:8000"})

    assert refused == 400
    assert "50001" in page
    assert (await authorize(simulator, userid="lin"))[0] == 302


async def test_the_two_tickets_differ_and_last(simulator: Simulator) -> None:
    corp: list[Json] = [await simulator.api("get_jsapi_ticket") for _ in range(2)]
    agent: list[Json] = [await simulator.api("ticket/get", type="agent_config") for _ in range(2)]

    assert corp[0]["ticket"] == corp[1]["ticket"] != agent[0]["ticket"] == agent[1]["ticket"]
    assert 7100 < corp[0]["expires_in"] <= 7200
    assert await errcode(simulator, "ticket/get", type="jsapi") == 91040


async def test_the_contacts_secret_uses_no_codes(simulator: Simulator) -> None:
    code, secret = await code_for(simulator, userid="lin"), simulator.corp.apps[1].secret

    assert await errcode(simulator, "auth/getuserinfo", secret=secret, code=code) == 48002
