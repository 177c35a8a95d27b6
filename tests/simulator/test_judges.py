"""Two clients other people published go through a whole session each, unchanged: what they expect is what we answer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from wecom_crm_mcp.client import WecomClient
from wecom_crm_mcp.config import WecomConfig
from wecomkit import AsyncWeComClient, WeComConfig

from tests.simulator import crm_session, kit_session
from tests.simulator.conftest import Receiver, Simulator
from tests.simulator.steps import PNG, ZHAO, add


@pytest.fixture
async def crm(simulator: Simulator, tmp_path: Path) -> AsyncIterator[Any]:
    """wecom-crm-mcp's client."""
    corp = simulator.corp
    config = WecomConfig(corp.corp_id, corp.app.secret, base_url=simulator.url, cache_dir=str(tmp_path / "cache"))
    async with WecomClient(config) as client:
        yield client


@pytest.fixture
async def kit(simulator: Simulator) -> AsyncIterator[Any]:
    """wecomkit's client."""
    corp = simulator.corp
    async with AsyncWeComClient(WeComConfig(corp.corp_id, corp.app.secret, base_url=simulator.url)) as client:
        yield client


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture on disk."""
    path = tmp_path / "poster.png"
    path.write_bytes(PNG)
    return path


async def paths_called(simulator: Simulator) -> dict[str, set[int | None]]:
    """Every API called so far, with the errcodes it answered."""
    found: dict[str, set[int | None]] = {}
    for call in (await simulator.sim("GET", "calls"))["calls"]:
        found.setdefault(call["path"].removeprefix("externalcontact/"), set()).add(call["errcode"])
    return found


async def test_wecom_crm_mcp_completes_its_session(simulator: Simulator, crm: Any, picture: Path) -> None:
    code = (await add(simulator, name="陈可", state="expo"))["welcome_code"]
    await add(simulator, "wang", ZHAO, name="赵静")

    await crm_session.reads_customers(crm)
    await crm_session.tags_customers(crm)
    await crm_session.makes_contact_ways(simulator, crm)
    await crm_session.sends_messages(simulator, crm, code)
    await crm_session.posts_moments(simulator, crm, picture)
    await crm_session.makes_links(simulator, crm)
    await crm_session.keeps_products_and_rules(crm, picture)
    await crm_session.reads_statistics(simulator, crm)
    await crm_session.passes_customers_on(simulator, crm)

    called = await paths_called(simulator)
    refused = {path: codes for path, codes in called.items() if codes != {0}}
    assert len(called) == 65
    assert refused == {"customer_acquisition/create_link": {0, 40058}, "get_intercept_rule_list": {40058}}


async def test_wecomkit_completes_its_session(
    simulator: Simulator, receiver: Receiver, kit: Any, picture: Path
) -> None:
    await simulator.sim("POST", "members", {"userid": "lin", "mobile": "13800000000"})

    await kit_session.reads_contacts(simulator, kit)
    await kit_session.tags_members(kit)
    await kit_session.logs_in(simulator, kit)
    await kit_session.manages_its_app(kit)
    media_id = await kit_session.uploads(kit, picture)
    await kit_session.sends_messages(simulator, kit, media_id)

    called = await paths_called(simulator)
    refused = {path: codes for path, codes in called.items() if codes != {0}}
    writing = {f"user/{verb}" for verb in ("create", "update", "delete", "batchdelete")}
    writing |= {f"department/{verb}" for verb in ("create", "update", "delete")}
    assert len(called) == 36
    assert refused == {path: {48002} for path in writing}
