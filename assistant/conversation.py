"""A member's conversation: a question, or what a follow-up makes of the last one, and the rest of long answers."""

from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import Session

from assistant.answers import answer
from assistant.cards import cards_of
from assistant.grammar import FollowUp, carried_on, understand
from assistant.models import Conversation
from assistant.people import Asker, known_names
from assistant.questions import Help, More, Question, arguments, question_from, tool_of
from bot.language import gettext as _
from bot.links import ANSWER, linked
from bot.outbox import say, send_card
from contacts.choices import SETTLED

PAGE = 25
"""Lines of one answer; the rest comes with 更多."""
WHOLE = "whole"
"""The rest of a card: the answer in lines."""
REMEMBERED = timedelta(minutes=30)


def respond(session: Session, asker: Asker, text: str, *, cause: str) -> bool:
    """Answer what a member typed; False when it is no question of ours. `cause` makes the key of what is sent."""
    found = understand(text, known_names(session))
    last = session.get(Conversation, asker.userid)
    if last and asker.now - last.at > REMEMBERED:
        last = None
    if isinstance(found, More):
        return bool(last and last.rest and go_on(session, asker, last, cause))
    if isinstance(found, FollowUp):
        found = carried_on(question_from(last.tool, last.arguments) if last else None, found)
    if found is None or isinstance(found, Help):
        return False
    reply(session, asker, [found], cause=cause)
    return True


def reply(session: Session, asker: Asker, questions: Sequence[Question], *, cause: str) -> None:
    """Answer these questions, a single one on cards where that serves better; the last one is remembered."""
    address = address_of(asker, questions)
    cards = cards_of(session, asker, questions[0], address) if address and len(questions) == 1 else []
    for number, card in enumerate(cards):
        send_card(session, asker.userid, card, cause=f"{cause}:card:{number}", now=asker.now)
    if cards:
        kept = note(session, asker, questions[0])
        kept.rest = [WHOLE]
        return
    say(session, asker.userid, answered(session, asker, questions), cause=cause, now=asker.now)


def go_on(session: Session, asker: Asker, last: Conversation, cause: str) -> bool:
    """更多: the rest of a long answer; of a card, the whole answer in lines."""
    question = question_from(last.tool, last.arguments)
    if last.rest == [WHOLE] and question:
        text = answered(session, asker, [question])
    else:
        text = paged(session, asker, last, last.rest)
    return say(session, asker.userid, text, cause=cause, now=asker.now)


def answered(session: Session, asker: Asker, questions: Sequence[Question]) -> str:
    """The answers to these questions in lines, one below the other; the last one is remembered."""
    kept = note(session, asker, questions[-1])
    blocks = [answer(session, asker, one) for one in questions]
    lines = [line for block in blocks for line in ("", *block)]
    text = paged(session, asker, kept, lines[1:])
    address = address_of(asker, questions) if kept.rest else None
    return f"{text}\n{linked(address, _('See all of it'))}" if address else text


def address_of(asker: Asker, questions: Sequence[Question]) -> str | None:
    """The page with the whole answer; None where pages cannot be reached."""
    if asker.links is None:
        return None
    asked = [[tool_of(one), arguments(one)] for one in questions]
    return asker.links.address(asker.userid, asker.now, ANSWER, questions=asked, settled=dict(SETTLED.get()))


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
