"""The page of an answer that is too long for a chat: the same question, asked again in the same member's name."""

from typing import Any

from sqlmodel import Session

from admin.light import Visit
from admin.todo_page import number
from assistant.answers import answer
from assistant.people import Asker
from assistant.questions import Question, question_from
from bot.language import gettext as _
from contacts.choices import WhichOne, settling

LINES = 200
"""Lines of one page."""


def told(session: Session, asker: Asker, questions: list[Question]) -> list[str]:
    """The lines of these answers; what to say where a name has come to fit several since."""
    try:
        return [line for one in questions for line in answer(session, asker, one)] or [""]
    except WhichOne as which:
        return [_("Which one is “{words}”?").format(words=which.words), *(one.name for one in which.choices)]


def look(session: Session, visit: Visit) -> dict[str, Any]:
    """The lines of the answer as of when it was asked for; what she may see is looked at again."""
    asker = Asker(visit.userid, visit.ticket.made_at, visit.light.zone)
    asked = (question_from(tool, given) for tool, given in visit.ticket.about["questions"])
    with settling(visit.ticket.about.get("settled", {})):
        title, *lines = told(session, asker, [one for one in asked if one])
    first = (number(visit.query.get("from", "")) or 0) // LINES * LINES
    return {
        "title": title,
        "lines": [line.removeprefix("· ") for line in lines[first : first + LINES]],
        "first": first,
        "before": max(first - LINES, 0) if first else None,
        "after": first + LINES if first + LINES < len(lines) else None,
        "total": len(lines),
    }
