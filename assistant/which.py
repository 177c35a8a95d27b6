"""Which one is meant: a card with those a name fits, to press or to answer with a number or a fuller name."""

import re
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import Session

from assistant.models import Conversation
from assistant.people import Asker
from bot.language import gettext as _
from bot.outbox import say, send_card
from contacts.choices import CUSTOMER, STAFF, Choice, WhichOne
from contacts.search import find_customers, the_one

PREFIX, WHICH = "which:", "which"
"""Begins the key of the card's button, the asking follows as JSON; names the choice and the member's open question."""
FRESH = timedelta(minutes=10)
"""So long a typed answer is taken for one."""
OPTIONS, OPTION, TITLE, SUBTITLE, KEY_BYTES = 10, 16, 36, 160, 1024
"""What a card takes: options, characters of an option, of a title and of the text below it, bytes of a key."""
LONGEST_ANSWER = 20
NUMBER = re.compile(r"(?:第|选|no\.? ?|number |the )?(?P<number>\d{1,2})(?:个|号|位|st|nd|rd|th)?")


class Asking(BaseModel):
    """What was asked when the name turned out to fit several: the event that said it, or the model's questions."""

    event_id: int = Field(alias="e")
    key: str = Field(alias="k")
    """Of the name that is open, `WhichOne.key`."""
    cause: str = Field(alias="c")
    """Of the card."""
    settled: dict[str, str] = Field(default_factory=dict, alias="s")
    """Names chosen before."""
    questions: list[tuple[str, dict[str, Any]]] = Field(default_factory=list, alias="q")
    """Tools and arguments of the model's making; empty for what was typed."""

    def button(self) -> str:
        """The key of the card's button."""
        return PREFIX + self.model_dump_json(by_alias=True, exclude_defaults=True)


class Open(BaseModel):
    """The question that is open, and what it can be answered with."""

    asking: Asking
    choices: list[Choice]


def ask(session: Session, asker: Asker, which: WhichOne, asking: Asking) -> None:
    """Send the card, and wait for the answer; a long list goes before it as a text, so that nothing is cut."""
    shown = which.choices[:OPTIONS]
    labels = [" ".join((str(number), one.name, one.beside)).strip() for number, one in enumerate(shown, 1)]
    title = _("Which one is “{words}”?").format(words=which.words)
    if which.key.startswith(CUSTOMER):
        title = _("Which customer is “{name}”?").format(name=which.words)
    how = _("Choose and press OK, or answer with the number or with more of the name.")
    button = asking.button()
    listed = len(title) > TITLE or any(len(label) > OPTION for label in labels) or len(button.encode()) > KEY_BYTES
    if listed:
        say(session, asker.userid, "\n".join([title, *labels, how]), cause=f"{asking.cause}:list", now=asker.now)
    if len(button.encode()) <= KEY_BYTES:
        options = [{"id": one.reference, "text": label[:OPTION]} for one, label in zip(shown, labels, strict=True)]
        card = {
            "card_type": "button_interaction",
            "main_title": {"title": title[:TITLE]},
            "sub_title_text": how[:SUBTITLE],
            "button_selection": {"question_key": WHICH, "title": kind_name(which.kind), "option_list": options},
            "button_list": [{"text": _("OK"), "style": 1, "key": button}],
        }
        send_card(session, asker.userid, card, cause=asking.cause, now=asker.now)
    waiting = Open(asking=asking, choices=shown).model_dump(mode="json", by_alias=True)
    session.merge(Conversation(userid=asker.userid, tool=WHICH, arguments=waiting, rest=[], at=asker.now))


def kind_name(kind: str) -> str:
    """What is chosen."""
    return {CUSTOMER: _("Customer"), STAFF: _("Colleague")}.get(kind, _("Campaign"))


def open_question(session: Session, asker: Asker) -> Open | None:
    """The choice a member is asked for, if the next thing she types may answer it; it is not asked after that."""
    last = session.get(Conversation, asker.userid)
    if last is None or last.tool != WHICH:
        return None
    waiting = Open.model_validate(last.arguments)
    last.tool, last.arguments = "", {}
    return waiting if asker.now - last.at <= FRESH else None


def picked(session: Session, asker: Asker, waiting: Open, typed: str) -> str | None:
    """The reference of the one a typed answer means; None where it is no answer."""
    words = typed.strip().strip("。.!！ ").casefold()
    if found := NUMBER.fullmatch(words):
        number = int(found["number"])
        return waiting.choices[number - 1].reference if 1 <= number <= len(waiting.choices) else None
    if not words or len(words) > LONGEST_ANSWER:
        return None
    references = [one.reference for one in waiting.choices if words in one.name.casefold()]
    if not references and waiting.asking.key.startswith(CUSTOMER):
        match = the_one(find_customers(session, words, asker.userid) or [])
        references = [one.reference for one in waiting.choices if match and one.reference == match.choice.reference]
    return references[0] if len(references) == 1 else None
