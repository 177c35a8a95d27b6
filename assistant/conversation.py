"""A member's conversation: a question, or what a follow-up makes of the last one, and the rest of long answers."""

from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import Session

from assistant.answers import answer
from assistant.grammar import FollowUp, carried_on, understand
from assistant.models import Conversation
from assistant.people import Asker, known_names
from assistant.questions import Help, More, Question, arguments, question_from, tool_of
from bot.language import gettext as _
from bot.links import ANSWER, linked

PAGE = 25
"""Lines of one answer; the rest comes with 更多."""
REMEMBERED = timedelta(minutes=30)


def respond(session: Session, asker: Asker, text: str) -> str | None:
    """The answer to what a member typed; None when it is no question of ours."""
    found = understand(text, known_names(session))
    last = session.get(Conversation, asker.userid)
    if last and asker.now - last.at > REMEMBERED:
        last = None
    if isinstance(found, More):
        return paged(session, asker, last, last.rest) if last and last.rest else None
    if isinstance(found, FollowUp):
        found = carried_on(question_from(last.tool, last.arguments) if last else None, found)
    if found is None or isinstance(found, Help):
        return None
    return answered(session, asker, [found])


def answered(session: Session, asker: Asker, questions: Sequence[Question]) -> str:
    """The answers to these questions, one below the other; the last one is remembered."""
    kept = note(session, asker, questions[-1])
    blocks = [answer(session, asker, one) for one in questions]
    lines = [line for block in blocks for line in ("", *block)]
    text = paged(session, asker, kept, lines[1:])
    page = page_of(asker, questions) if kept.rest else None
    return f"{text}\n{page}" if page else text


def page_of(asker: Asker, questions: Sequence[Question]) -> str | None:
    """The link to the whole answer; None where pages cannot be reached."""
    asked = [[tool_of(one), arguments(one)] for one in questions]
    address = asker.links.address(asker.userid, asker.now, ANSWER, questions=asked) if asker.links else None
    return linked(address, _("See all of it")) if address else None


def note(session: Session, asker: Asker, question: Question) -> Conversation:
    """Remember the question."""
    asked = Conversation(
        userid=asker.userid, tool=tool_of(question), arguments=arguments(question), rest=[], at=asker.now
    )
    return session.merge(asked)


def paged(session: Session, asker: Asker, kept: Conversation, lines: list[str]) -> str:
    """The first lines; the others are kept and said to be there."""
    kept.rest, kept.at = lines[PAGE:], asker.now
    session.add(kept)
    if not kept.rest:
        return "\n".join(lines)
    more = _("{count} more lines: say “more”.").format(count=len(kept.rest))
    return "\n".join([*lines[:PAGE], more])
