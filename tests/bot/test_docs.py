"""What can be set, seen, called and written is documented: whoever adds one is told which page to write it on."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from bot.settings import PREFIX, Settings, SimulatorSettings
from sop.flows import FlowText
from sop.models import When
from sop.welcome import VARIABLES
from tests.bot.test_commands import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = sorted({PREFIX + name.upper() for kind in (Settings, SimulatorSettings) for name in kind.model_fields})
METRICS = sorted(
    family.name + ("_total" if family.type == "counter" else "")
    for family in REGISTRY.collect()
    if family.name.startswith("frontline_")
)


def names_on(page: str) -> set[str]:
    """Every word set in `code` on a page, code blocks included."""
    text = (DOCS / page).read_text("utf-8")
    code = re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)
    return {word for piece in code for word in re.findall(r"[A-Za-z][\w.-]*", piece)}


def headings(page: str) -> str:
    """The headings and table rows of a page: where a thing is described, not merely mentioned."""
    lines = (DOCS / page).read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if line.startswith(("#", "|")))


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_documented(name: str) -> None:
    assert {name, name.removeprefix(PREFIX)} & names_on("settings.md")


def test_the_page_of_settings_names_none_that_do_not_exist() -> None:
    named = {name for name in names_on("settings.md") if name.startswith(PREFIX) and name != PREFIX}

    assert named - set(SETTINGS) - {"FRONTLINE_TEST_DATABASE_URL"} == set()


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_documented(name: str) -> None:
    assert name in names_on("operations.md")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented(name: str) -> None:
    assert f"frontline {name}" in headings("commands.md") or f"`{name}" in headings("commands.md")


@pytest.mark.parametrize("name", [f"--{option}" for option in ("once", "date", "at", "open")])
def test_an_option_is_documented(name: str) -> None:
    assert name in (DOCS / "commands.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_welcome_variable_is_documented(name: str) -> None:
    assert name in names_on("welcome.md")


@pytest.mark.parametrize("name", sorted(When.model_fields))
def test_a_welcome_condition_is_documented(name: str) -> None:
    assert name in names_on("welcome.md")


@pytest.mark.parametrize("name", sorted(FlowText.model_fields))
def test_a_field_of_a_flow_is_documented(name: str) -> None:
    assert name in names_on("welcome.md")
