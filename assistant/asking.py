"""A question the grammar did not understand: the model chooses the tools, we look up and write the answer.

The model sees the question without personal data and the tools' schemas, and nothing of the record. Nothing it writes
reaches the chat: not its text, and no argument the member did not type.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlmodel import Session

from assistant.conversation import reply
from assistant.masking import Masked, mask, sensitive
from assistant.model import LanguageModel, Message, ModelFailed, ToolCall
from assistant.model_jobs import ASK_MODEL, day_of, note, note_tokens
from assistant.people import Asker
from assistant.questions import Help, Question, arguments, tool_of
from assistant.tools import BadArguments, definitions, instructions, question_of
from assistant.which import WHICH, Asking, ask
from bot.clock import Clock
from bot.database import Database
from bot.jobs import Done, Job, Runner
from bot.language import speaking
from bot.links import Links
from bot.outbox import say
from contacts.choices import WhichOne

ROUNDS = 3
CALLS = 3
"""Tools used for one message."""
MOST_TOKENS = 20_000
"""Over all rounds."""
LONGEST = 300
"""Characters of a message the model reads."""
SHORTEST = 4
OK = "accepted"


class Asked(BaseModel):
    """The job: what a member typed, and in which language she is answered."""

    userid: str
    text: str
    language: str
    cause: str


@dataclass
class Chosen:
    """What the model made of a message: its questions, and why there are none where there are none."""

    questions: list[Question]
    outcome: str
    rounds: int = 0
    tokens: int = 0


def worth_asking(text: str) -> bool:
    """Whether a message is long enough to be a question."""
    return sum(character.isalnum() for character in text) >= SHORTEST


class ModelQuestions:
    """The runner of questions to the model."""

    def __init__(
        self,
        model: LanguageModel,
        database: Database,
        clock: Clock,
        zone: ZoneInfo,
        *,
        links: Links,
        otherwise: Callable[[str], str],
    ) -> None:
        """`otherwise`: the answer to a message that nobody understands, in the language of the moment."""
        self.model, self.database, self.clock, self.zone = model, database, clock, zone
        self.links, self.otherwise = links, otherwise

    def runner(self) -> Runner:
        """For the worker: what is given up gets the plain answer."""
        return Runner(self.run, lambda session, job, _: self.tell(session, job, Chosen([], "given_up")))

    async def run(self, job: Job) -> Done:
        """Choose, then answer in the transaction that ends the job: once."""
        masked = await self.database.read(lambda session: self.prepared(session, job))
        chosen = await self.chosen(masked) if masked else Chosen([], "sensitive")
        note(ASK_MODEL, chosen.outcome, rounds=chosen.rounds, tokens=chosen.tokens)
        return Done(chosen.outcome, then=lambda session: self.tell(session, job, chosen))

    def prepared(self, session: Session, job: Job) -> Masked | None:
        """The message without personal data; None when it must not leave at all."""
        text = Asked.model_validate(job.payload).text[:LONGEST]
        return None if sensitive(session, text) else mask(session, text)

    async def chosen(self, masked: Masked) -> Chosen:
        """What the model makes of it, in bounded time, rounds, calls and tokens."""
        found = Chosen([], "not_understood")
        now = self.clock.now()
        messages: list[Message] = [
            {"role": "system", "content": instructions(now, self.zone)},
            {"role": "user", "content": masked.text},
        ]
        try:
            async with self.model.turn():
                while found.rounds < ROUNDS and found.tokens < MOST_TOKENS:
                    if await self.round(found, messages, masked, now):
                        return found
        except ModelFailed as failed:
            return Chosen([], failed.outcome, found.rounds, found.tokens)
        found.outcome = "answered" if found.questions else "too_many_rounds"
        return found

    async def round(self, found: Chosen, messages: list[Message], masked: Masked, now: datetime) -> bool:
        """One answer of the model; True when no other is needed, else it is told what was wrong with its calls."""
        answer = await self.model.answer(messages, definitions())
        found.rounds, found.tokens = found.rounds + 1, found.tokens + answer.tokens
        calls = (answer.said.tool_calls or [])[:CALLS]
        if not calls:
            return True
        checked = await self.database.read(lambda session: [self.check(session, one, masked, now) for one in calls])
        asked = [one for one in checked if isinstance(one, Question)]
        found.questions = [one for number, one in enumerate(asked) if one not in asked[:number]]
        if len(asked) == len(calls):
            helpless = all(isinstance(one, Help) for one in asked)
            found.outcome = "not_understood" if helpless else "answered"
            return True
        messages += told(calls, checked)
        return False

    def check(self, session: Session, call: ToolCall, masked: Masked, now: datetime) -> Question | str:
        """The question, or what is wrong with the call."""
        try:
            return question_of(session, call, masked, now, self.zone)
        except BadArguments as wrong:
            return str(wrong)[:500]

    def tell(self, session: Session, job: Job, chosen: Chosen) -> None:
        """Answer the member, or ask her which one is meant."""
        if not job.payload:
            return
        asked = Asked.model_validate(job.payload)
        now = self.clock.now()
        questions = [one for one in chosen.questions if not isinstance(one, Help)]
        asker = Asker(asked.userid, now, self.zone, self.links)
        with speaking(asked.language):
            try:
                if questions:
                    reply(session, asker, questions, cause=asked.cause)
                else:
                    say(session, asked.userid, self.otherwise(asked.text), cause=asked.cause, now=now)
            except WhichOne as which:
                given = [(tool_of(one), arguments(one)) for one in questions]
                asking = Asking(e=int(asked.cause), k=which.key, c=f"{asked.cause}:{WHICH}", q=given)
                ask(session, asker, which, asking)
        if chosen.tokens:
            note_tokens(session, asked.userid, day_of(now, self.zone), chosen.tokens)


def told(calls: list[ToolCall], checked: list[Question | str]) -> list[Message]:
    """The model's calls, and what was wrong with them, as the endpoint wants to hear it."""
    ids = [call.id or f"call_{number}" for number, call in enumerate(calls)]
    said = [
        {"id": id_, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
        for id_, call in zip(ids, calls, strict=True)
    ]
    results = [
        {"role": "tool", "tool_call_id": id_, "content": one if isinstance(one, str) else OK}
        for id_, one in zip(ids, checked, strict=True)
    ]
    return [{"role": "assistant", "content": None, "tool_calls": said}, *results]
