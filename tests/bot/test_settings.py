"""Settings: a wrong or missing one stops the start, by name and with what is expected; secrets are never shown."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.settings import PREFIX, Settings, SettingsError, SimulatorSettings, read_settings
from tests.bot.command import GOOD, frontline
from tests.conftest import free_port


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to work in, and an environment without settings."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is required."""
    for name, value in GOOD.items():
        monkeypatch.setenv(PREFIX + name, value)


def complaint(kind: type[Settings] | type[SimulatorSettings] = Settings) -> str:
    """What reading the settings says."""
    with pytest.raises(SettingsError) as caught:
        read_settings(kind)
    return str(caught.value)


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(good: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(PREFIX + name)

    assert complaint() == f"FRONTLINE_{name} is not set; put it in the environment or in .env (docs/settings.md)"


def test_all_that_is_missing_is_named_at_once() -> None:
    assert [line.split(" ")[0] for line in complaint().splitlines()] == [PREFIX + name for name in GOOD]


WRONG = [
    ("CORP_ID", "", "at least 1 character"),
    ("AGENT_ID", "one", "integer"),
    ("API_BASE", "qyapi.weixin.qq.com", "https://"),
    ("API_BASE", "https://qyapi.weixin.qq.com/", "/cgi-bin/"),
    ("OAUTH_BASE", "open.weixin.qq.com", "https://"),
    ("PUBLIC_URL", "ftp://bot.example.com", "https://"),
    ("LISTEN", "8000", "HOST:PORT"),
    ("LISTEN", "127.0.0.1:70000", "HOST:PORT"),
    ("LISTEN", "127.0.0.1:http", "HOST:PORT"),
    ("TIMEZONE", "Beijing", "Asia/Shanghai"),
    ("TIMEZONE", "../etc/passwd", "Asia/Shanghai"),
    ("LANGUAGE", "de", "'zh_CN' or 'en'"),
    ("ACCOUNT_CAP", "0", "greater than or equal to 1"),
    ("WELCOME_SECONDS", "21", "less than or equal to 20"),
    ("WELCOME_SECONDS", "0", "greater than 0"),
    ("OPENAI_BASE_URL", "localhost", "https://"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_setting_is_named_with_its_value_and_what_is_expected(
    good: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    said = complaint()

    assert said.startswith(f"FRONTLINE_{name} (now {value!r}): ")
    assert expected in said
    assert "\n" not in said


SECRET = [
    ("AGENT_SECRET", "", "at least 1"),
    ("CALLBACK_TOKEN", "marker-with-dashes", "1 to 32 letters and digits"),
    ("CALLBACK_TOKEN", "marker" * 6, "1 to 32 letters and digits"),
    ("CALLBACK_AES_KEY", "marker", "43 characters"),
    ("CALLBACK_AES_KEY", "marker" + "!" * 37, "43 characters"),
    ("CALLBACK_AES_KEY", "marker密" + "A" * 36, "43 characters"),
    ("SECRET_KEY", "marker", "at least 32 characters"),
    ("DATABASE_URL", "mysql://root:marker@localhost/x", "sqlite:///"),
    ("DATABASE_URL", "sqlite+aiosqlite:///marker.db", "sqlite:///"),
]


@pytest.mark.parametrize(("name", "value", "expected"), SECRET)
def test_a_wrong_secret_is_named_and_never_shown(
    good: None, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    said = complaint()

    assert said.startswith(f"FRONTLINE_{name}: ")
    assert expected in said
    assert "marker" not in said


@pytest.mark.parametrize(
    ("name", "value"), [("SIMULATOR_LISTEN", "8010"), ("SIMULATOR_CALLBACK", "bot"), ("CALLBACK_TOKEN", "a b")]
)
def test_a_wrong_setting_of_the_simulator_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)

    assert complaint(SimulatorSettings).startswith(f"FRONTLINE_{name}")


def test_the_simulator_needs_no_settings() -> None:
    assert read_settings(SimulatorSettings).simulator_listen == "127.0.0.1:8010"


def test_settings_are_read_from_a_file_and_the_environment_goes_before_it(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f"{PREFIX}{name}={value}" for name, value in GOOD.items()]
    (bare / ".env").write_text("\n".join([*lines, f"{PREFIX}LANGUAGE=en", "OTHER_PROGRAM=1"]), "utf-8")
    monkeypatch.setenv(f"{PREFIX}AGENT_ID", "7")
    settings = read_settings(Settings)

    assert (settings.corp_id, settings.language, settings.agent_id) == (GOOD["CORP_ID"], "en", 7)


def test_the_database_is_a_file_below_home_unless_told_otherwise(good: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings(Settings).database == "sqlite:///var/frontline.db"
    monkeypatch.setenv(f"{PREFIX}HOME", "/srv/frontline")
    assert read_settings(Settings).database == "sqlite:////srv/frontline/frontline.db"
    monkeypatch.setenv(f"{PREFIX}DATABASE_URL", "postgresql://u:p@db/frontline")
    assert read_settings(Settings).database == "postgresql://u:p@db/frontline"


def test_printed_settings_show_no_secret(good: None) -> None:
    printed = repr(read_settings(Settings))

    assert [name for name in GOOD if name not in {"CORP_ID", "AGENT_ID"} and GOOD[name] in printed] == []


@pytest.fixture
def taken() -> Iterator[str]:
    """The address of a port somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("command", ["serve", "doctor", "migrate", "sync", "simulator"])
async def test_a_wrong_setting_ends_a_command_with_a_sentence(bare: Path, command: str) -> None:
    ended = await frontline(command, folder=bare, settings=GOOD | {"CALLBACK_TOKEN": "no good"})

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("FRONTLINE_CALLBACK_TOKEN: expected 1 to 32 letters and digits")
    assert "Traceback" not in ended.err


async def test_serve_without_settings_names_them_all(bare: Path) -> None:
    ended = await frontline("serve", folder=bare)

    assert ended.code == 1
    assert [line.split(" ")[0] for line in ended.err.splitlines()] == [PREFIX + name for name in GOOD]


@pytest.mark.parametrize(("command", "setting"), [("serve", "LISTEN"), ("simulator", "SIMULATOR_LISTEN")])
async def test_a_taken_port_ends_a_command_with_a_sentence(bare: Path, taken: str, command: str, setting: str) -> None:
    ended = await frontline(command, folder=bare, settings=GOOD | {setting: taken})

    assert ended.code == 1
    assert f"cannot listen on {taken}" in ended.err
    assert "another program uses the port" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "address", ["sqlite:///{file}/frontline.db", "postgresql://frontline:marker@127.0.0.1:{port}/x"]
)
async def test_a_database_that_cannot_be_opened_ends_serve_with_a_sentence(bare: Path, address: str) -> None:
    file = bare / "file"
    file.touch()
    wrong = {"DATABASE_URL": address.format(file=file, port=free_port()), "LISTEN": "127.0.0.1:0"}
    ended = await frontline("serve", folder=bare, settings=GOOD | wrong)

    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "marker" not in ended.err
    assert ended.err.startswith(("the database refused: ", "no folder for sqlite:///"))
