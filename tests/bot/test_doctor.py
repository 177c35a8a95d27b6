"""`frontline doctor` beside the simulator: each thing that can be wrong is found, with its cause and its cure."""

from pathlib import Path

import pytest

from bot.commands.doctor import Finding, examine
from bot.database import Database
from bot.schema import head
from bot.settings import Settings
from tests.bot.command import frontline, settings_for
from tests.conftest import RunningBot, WeCom, bot_settings, free_port


@pytest.fixture
def settings(bot: RunningBot) -> Settings:
    """The running bot's own settings, with the address WeCom knows it by."""
    return changed(bot, public_url=bot.url)


def changed(bot: RunningBot, **given: str | int) -> Settings:
    """The running bot's settings with other values."""
    own = bot.parts.settings
    values = {"public_url": bot.url} | given
    return bot_settings(bot.wecom.corp, bot.wecom.url, own.database, own.home, **values)


async def wrong(settings: Settings) -> Finding:
    """The one finding that is not good."""
    [finding] = [one for one in await examine(settings) if not one.good]
    return finding


async def test_a_good_configuration_has_only_good_findings(bot: RunningBot, settings: Settings) -> None:
    findings = await examine(settings)

    assert [one.what for one in findings if not one.good] == []
    assert [one.what for one in findings] == [
        "settings read; corp id ww5de0f00d5de0f00d, agent 1000002",
        f"database at revision {head()}",
        "token fetched",
        "app '一线助手': visible scope has 6 members and 0 departments",
        "6 members can have customers",
        f"callback answers at {bot.url}/wecom/callback",
    ]


async def test_without_a_public_address_the_callback_is_asked_locally_and_says_so(bot: RunningBot) -> None:
    own = bot.parts.settings
    address = bot.url.removeprefix("http://")
    findings = await examine(bot_settings(bot.wecom.corp, bot.wecom.url, own.database, own.home, listen=address))

    assert findings[-1] == Finding(
        f"callback answers at {bot.url}/wecom/callback (FRONTLINE_PUBLIC_URL is not set: asked locally)"
    )


async def test_a_wrong_corp_id_is_named(bot: RunningBot) -> None:
    findings = [one for one in await examine(changed(bot, corp_id="ww0000000000000000")) if not one.good]

    assert "40013" in findings[0].what
    assert findings[0].cure.startswith("FRONTLINE_CORP_ID is wrong")
    assert findings[1].cure == "the running bot has another FRONTLINE_CORP_ID"


async def test_a_corp_id_that_is_none_is_named_with_where_to_find_it(bot: RunningBot) -> None:
    findings = await examine(changed(bot, corp_id="my company"))

    assert findings[0].what == "FRONTLINE_CORP_ID is 'my company'"
    assert "我的企业 → 企业信息" in findings[0].cure


async def test_a_wrong_secret_is_named_and_not_shown(bot: RunningBot) -> None:
    finding = await wrong(changed(bot, agent_secret="marker-of-a-secret"))

    assert finding.what.startswith("no token: gettoken: 40001")
    assert finding.cure.startswith("FRONTLINE_AGENT_SECRET is wrong")
    assert "marker" not in finding.what + finding.cure


async def test_an_untrusted_address_is_named(settings: Settings, wecom: WeCom) -> None:
    await wecom.sim("POST", "trusted-ips", {"ips": ["203.0.113.7"]})
    finding = await wrong(settings)

    assert finding.what == "our address 127.0.0.1 is not trusted (60020)"
    assert finding.cure == "console → 应用管理 → the app → 企业可信IP: add 127.0.0.1"


@pytest.mark.parametrize("agent_id", [1000003, 7])
async def test_an_agent_id_of_another_app_is_named(bot: RunningBot, agent_id: int) -> None:
    finding = await wrong(changed(bot, agent_id=agent_id))

    assert finding.what == f"agent {agent_id} does not belong to the secret (301002)"
    assert finding.cure.startswith("FRONTLINE_AGENT_ID")


async def test_an_empty_scope_is_named(settings: Settings, wecom: WeCom) -> None:
    for userid in wecom.corp.members:
        await wecom.sim("POST", "members", {"userid": userid, "in_scope": False})
    findings = {one.what: one.cure for one in await examine(settings) if not one.good}

    assert "可见范围" in findings["app '一线助手': visible scope has 0 members and 0 departments"]
    assert "权限配置" in findings["no member in scope has 客户联系"]


async def test_an_app_that_may_not_read_customers_is_named(settings: Settings, wecom: WeCom) -> None:
    await wecom.sim("POST", "corp", {"customers_allowed": False})
    finding = await wrong(settings)

    assert finding.what.startswith("客户联系 cannot be used: externalcontact/get_follow_user_list: 48002")
    assert "可调用接口的应用" in finding.cure


async def test_a_callback_that_is_down_is_named(bot: RunningBot) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    finding = await wrong(changed(bot, public_url=nowhere))

    assert finding.what.startswith(f"{nowhere}/wecom/callback does not answer")
    assert "frontline serve" in finding.cure


@pytest.mark.parametrize(
    ("setting", "value", "cause"),
    [
        ("callback_token", "AnotherToken", "another FRONTLINE_CALLBACK_TOKEN"),
        ("callback_aes_key", "A" * 43, "another FRONTLINE_CALLBACK_AES_KEY"),
    ],
)
async def test_a_bot_that_runs_with_another_key_is_named(bot: RunningBot, setting: str, value: str, cause: str) -> None:
    finding = await wrong(changed(bot, **{setting: value}))

    assert finding.what.startswith(f"{bot.url}/wecom/callback refuses")
    assert cause in finding.cure


async def test_another_program_at_the_callback_address_is_named(bot: RunningBot, wecom: WeCom) -> None:
    finding = await wrong(changed(bot, public_url=f"{wecom.url}/nothing"))

    assert finding.what.startswith(f"{wecom.url}/nothing/wecom/callback answers 404")


async def test_a_wecom_that_does_not_answer_is_named(bot: RunningBot) -> None:
    finding = await wrong(changed(bot, api_base=f"http://127.0.0.1:{free_port()}/cgi-bin/", agent_secret="not-cached"))

    assert finding.what == "WeCom cannot be reached: gettoken: no connection"
    assert "FRONTLINE_API_BASE" in finding.cure


async def test_a_database_that_is_behind_is_named(wecom: WeCom, tmp_path: Path, empty_database_url: str) -> None:
    finding = await wrong(bot_settings(wecom.corp, wecom.url, empty_database_url, tmp_path))

    assert finding.what == f"database at revision None, newest is {head()}"
    assert finding.cure == "run: frontline migrate"


async def test_a_database_without_a_folder_is_named(wecom: WeCom, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    finding = await wrong(bot_settings(wecom.corp, wecom.url, f"sqlite:///{tmp_path / 'file' / 'x.db'}", tmp_path))

    assert finding.what.startswith("database: ")
    assert "FRONTLINE_DATABASE_URL" in finding.cure


async def test_a_database_that_does_not_answer_is_named_without_its_password(wecom: WeCom, tmp_path: Path) -> None:
    address = f"postgresql://frontline:marker@127.0.0.1:{free_port()}/frontline"
    finding = await wrong(bot_settings(wecom.corp, wecom.url, address, tmp_path))

    assert finding.what.startswith("database: ")
    assert "marker" not in finding.what
    assert "sqlalche.me" not in finding.what
    assert "FRONTLINE_DATABASE_URL" in finding.cure


async def test_the_command_ends_with_0_when_all_is_well(bot: RunningBot, wecom: WeCom, tmp_path: Path) -> None:
    settings = settings_for(wecom, bot.parts.settings.database)
    ended = await frontline("doctor", folder=tmp_path, settings=settings)

    assert (ended.code, ended.err) == (0, "")
    assert [line[0] for line in ended.out.splitlines()] == ["✓"] * 6


async def test_the_command_ends_with_1_and_the_cure(
    wecom: WeCom, tmp_path: Path, database: Database, database_url: str
) -> None:
    settings = settings_for(wecom, database_url, AGENT_ID="1000003")
    ended = await frontline("doctor", folder=tmp_path, settings=settings)

    assert (ended.code, ended.err) == (1, "")
    assert "✗ agent 1000003 does not belong to the secret (301002)" in ended.out
    assert "  → FRONTLINE_AGENT_ID: copy AgentId" in ended.out
