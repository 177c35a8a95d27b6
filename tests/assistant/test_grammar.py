"""Questions as staff type them, written down before the grammar was tuned: what each means."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import handlers
from assistant.grammar import FollowUp, Known, carried_on, understand
from assistant.questions import Question, arguments, tool_of
from bot.wecom.events import TextMessage
from tests.conftest import MONDAY_TEN

QUESTIONS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[1] / "data/questions.yaml").read_text("utf-8"))
KNOWN = Known(("林晓", "王磊", "苏敏", "莫然", "何静", "周洋"), ("双11返场", "八月护牙"))
NEEDED = 0.95
ANSWERING = {"questions", "staff_message", "losses"}
"""Handlers that may take a question to the assistant."""


def meant(question: str, after: str = "") -> tuple[str, dict[str, Any]]:
    """The tool and arguments the grammar finds."""
    last = understand(after, KNOWN) if after else None
    found = understand(question, KNOWN)
    if isinstance(found, FollowUp):
        found = carried_on(last if isinstance(last, Question) else None, found)
    return (tool_of(found), arguments(found)) if found else ("none", {})


def taken_by(text: str) -> str:
    """The module of the handler that takes a message."""
    message = TextMessage.model_construct(content=text, userid="lin", created_at=MONDAY_TEN, msgid="1")
    routes = (
        (module, route)
        for name, module in vars(handlers).items()
        if name.islower() and hasattr(module, "router")
        for route in module.router.routes
    )
    names = {id(route): module.__name__.removeprefix("handlers.") for module, route in routes}
    taking = (route for route in handlers.ROUTER.routes if issubclass(TextMessage, route.event) and route.when(message))
    return str(names[id(next(taking))])


def right(case: dict[str, Any]) -> bool:
    """Whether a question is understood exactly, and no other handler takes it first."""
    handler = taken_by(case["q"])
    if "handler" in case:
        return bool(handler == case["handler"])
    expected = {name: value for name, value in case.items() if name not in {"q", "after", "tool"}}
    understood = meant(case["q"], case.get("after", "")) == (case["tool"], expected)
    return understood and (handler in ANSWERING or case["tool"] == "none")


def test_at_least_95_of_100_questions_are_understood_exactly() -> None:
    missed = [case["q"] for case in QUESTIONS if not right(case)]

    assert len(QUESTIONS) >= 200
    assert len(missed) <= (1 - NEEDED) * len(QUESTIONS), missed


@pytest.mark.parametrize("language", ["zh", "en"])
def test_both_languages_are_understood(language: str) -> None:
    def chinese(text: str) -> bool:
        return any("\u4e00" <= letter <= "\u9fff" for letter in text)

    asked = [case for case in QUESTIONS if chinese(case["q"]) == (language == "zh")]
    assert len(asked) >= 100
    assert sum(right(case) for case in asked) >= NEEDED * len(asked)
