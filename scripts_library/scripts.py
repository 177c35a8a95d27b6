"""Scripts: saved as drafts, checked whole, published as versions, retired; every change is a version of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from sqlalchemy import func, update
from sqlmodel import Session, col, select

from scripts_library.attachments import MAX_ATTACHMENTS, Attachment
from scripts_library.context import VARIABLES, ScriptContext
from scripts_library.media import Media
from scripts_library.models import (
    PERSONAS,
    PUBLISHED,
    RETIRED,
    STAGES,
    ForbiddenWord,
    Script,
    ScriptLibrary,
    ScriptUse,
    ScriptVersion,
)
from scripts_library.rendering import TemplateRefused, check, render
from scripts_library.words import find, forbidden_words

TEXT_BYTES = 4000
"""What a mass send and a welcome take, and what still reads as a message."""
MAX_KEYWORDS = 30
PARTS: TypeAdapter[Any] = TypeAdapter(list[Attachment])


class ScriptRefused(ValueError):
    """A script that cannot be saved, or is not there; the text names field, place and remedy, one problem a line."""


def one_of(choices: Sequence[str]) -> AfterValidator:
    """One of a few words."""

    def check_choice(value: str) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return value

    return AfterValidator(check_choice)


Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,79}$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=40, strip_whitespace=True)]
Keyword = Annotated[str, StringConstraints(min_length=1, max_length=30, strip_whitespace=True)]


class ScriptText(BaseModel):
    """One script as it is written, in a file or on a page."""

    model_config = ConfigDict(extra="forbid")

    code: Code
    title: Title
    category: Annotated[str, StringConstraints(max_length=30, strip_whitespace=True)] = ""
    stage: Annotated[str, one_of(STAGES)]
    persona: Annotated[str, one_of(("", *PERSONAS))] = ""
    body: str
    attachments: list[dict[str, Any]] = Field(default_factory=list)
    keywords: Annotated[list[Keyword], Field(max_length=MAX_KEYWORDS)] = Field(default_factory=list)
    otherwise: dict[str, str] = Field(default_factory=dict)
    """What to say where a variable has no value, by variable."""


@dataclass(frozen=True)
class Filled:
    """A script ready to be copied."""

    script: Script
    version: ScriptVersion
    text: str


def written(fields: dict[str, Any]) -> ScriptText:
    """A script from the fields of a form or file. Raises `ScriptRefused` with every wrong field."""
    try:
        return ScriptText.model_validate(fields)
    except ValidationError as error:
        raise ScriptRefused("\n".join(sentence(one) for one in error.errors())) from error


def sentence(error: Any) -> str:
    """One of pydantic's complaints: field, value and what is wrong with it."""
    place = ".".join(str(one) for one in error["loc"]) or "script"
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return f"{place} is no field of a script; docs/scripts.md lists them"
    return f"{place} (now {str(error['input'])[:60]!r}): {str(error['msg']).removeprefix('Value error, ')}"


def problems(session: Session, given: ScriptText, words: Sequence[ForbiddenWord] | None = None) -> list[str]:
    """Everything that keeps a script from being saved, each with its place and remedy; empty when it is good."""
    found = list(body_problems(given))
    found += attachment_problems(session, given.attachments)
    found += word_problems(given, forbidden_words(session) if words is None else words, filled=not found)
    return found


def body_problems(given: ScriptText) -> Iterator[str]:
    """What is wrong with the text and its fallbacks."""
    known = ", ".join(VARIABLES)
    yield from (f"otherwise: {name} is unknown; there are {known}" for name in given.otherwise if name not in VARIABLES)
    yield from (
        f"otherwise: {name} is blank; write what to say without a value, or leave it out"
        for name, value in given.otherwise.items()
        if not value.strip()
    )
    if not given.body.strip():
        yield "body is blank; write what the customer is to read"
        return
    longest = {
        name: replace(one, longest=max(one.longest, given.otherwise.get(name, ""), key=len))
        for name, one in VARIABLES.items()
    }
    try:
        check(given.body, longest, TEXT_BYTES)
        if not render(given.body, ScriptContext().values(given.otherwise)):
            yield "body comes out blank when nothing is known about the customer; add words outside {% if %}"
    except TemplateRefused as error:
        yield f"body: {error}"


def attachment_problems(session: Session, given: Sequence[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with the attachments; their files must be in the media library already."""
    if len(given) > MAX_ATTACHMENTS:
        yield f"attachments: {len(given)} are too many; {MAX_ATTACHMENTS} can be sent with one message"
    try:
        parts = PARTS.validate_python(given)
    except ValidationError as error:
        yield from (f"attachments.{sentence(one)}" for one in error.errors())
        return
    for number, part in enumerate(parts, 1):
        if not (sha256 := getattr(part, "sha256", None)):
            continue
        media, kind = session.get(Media, sha256), "image" if part.msgtype == "miniprogram" else part.msgtype
        if media is None:
            yield f"attachments.{number}: no file with the hash {sha256[:12]}… in the media library; add it first"
        elif media.kind != kind:
            yield f"attachments.{number}: {media.filename} is kept as {media.kind} and cannot go out as {kind}"


def word_problems(given: ScriptText, words: Sequence[ForbiddenWord], *, filled: bool) -> Iterator[str]:
    """Forbidden words in whatever a customer or member would read, also those put together by the template."""
    places = {"title": given.title, "body": given.body}
    places |= {f"otherwise {name}": value for name, value in given.otherwise.items()}
    seen = set()
    for place, text in places.items():
        for one in find(text, words):
            seen.add(one.word)
            remedy = one.remedy or "say it in other words"
            yield f"{place}, line {one.line}: {one.word} is forbidden ({one.kind}); {remedy}"
    if filled:
        for one in find(render(given.body, ScriptContext().values(given.otherwise)), words):
            if one.word not in seen:
                yield f"body, filled in: {one.word} is forbidden ({one.kind}); {one.remedy or 'say it in other words'}"


def save(session: Session, given: ScriptText, by: str, now: datetime) -> ScriptVersion:
    """Keep a script as its next version, unpublished; the published one stays as it is. Raises `ScriptRefused`."""
    if found := problems(session, given):
        raise ScriptRefused("\n".join(f"script {given.code}: {one}" for one in found))
    script = session.exec(select(Script).where(Script.code == given.code).with_for_update()).first()
    if script is None:
        script = Script(code=given.code, **head(given), updated_at=now)
        session.add(script)
        session.flush()
    newest = session.exec(select(func.max(ScriptVersion.number)).where(ScriptVersion.script_id == script.id)).one()
    version = version_of(script, given, (newest or 0) + 1, by, now)
    session.add(version)
    session.flush()
    return version


def version_of(script: Script, given: ScriptText, number: int, by: str, now: datetime) -> ScriptVersion:
    """A version with what was written, once it has been checked."""
    return ScriptVersion(
        script_id=script.id or 0,
        number=number,
        **head(given),
        body=given.body.strip(),
        attachments=PARTS.validate_python(given.attachments),
        keywords=given.keywords,
        fallbacks=given.otherwise,
        by=by,
        at=now,
    )


def head(given: Any) -> dict[str, Any]:
    """What a script shares with its published version."""
    return {name: getattr(given, name) for name in ("title", "category", "stage", "persona")}


def publish(session: Session, code: str, number: int, now: datetime) -> Script:
    """Make a version, new or old, the one that is found and sent; checked again, the word list may have grown.

    Raises `ScriptRefused`.
    """
    script = script_named(session, code)
    this = (ScriptVersion.script_id == script.id, ScriptVersion.number == number)
    version = session.exec(select(ScriptVersion).where(*this)).first()
    if version is None:
        raise ScriptRefused(f"script {code}: there is no version {number}")
    if found := problems(session, as_written(script, version)):
        raise ScriptRefused("\n".join(f"script {code}: {one}" for one in found))
    make_public(script, version, next_revision(session), now)
    session.add(script)
    return script


def make_public(script: Script, version: ScriptVersion, revision: int, now: datetime) -> None:
    """Make a version that has been checked the published one."""
    for name, value in head(version).items():
        setattr(script, name, value)
    script.status, script.version, script.shipped = PUBLISHED, version.number, ""
    script.revision, script.updated_at = revision, now


def retire(session: Session, code: str, now: datetime) -> Script:
    """Take a script out of search; its versions and use log stay, and publishing brings it back."""
    script = script_named(session, code)
    script.status, script.updated_at, script.revision = RETIRED, now, next_revision(session)
    session.add(script)
    return script


def script_named(session: Session, code: str) -> Script:
    """The script with this code. Raises `ScriptRefused`."""
    script = session.exec(select(Script).where(Script.code == code)).first()
    if script is None:
        raise ScriptRefused(f"there is no script {code!r}")
    return script


def as_written(script: Script, version: ScriptVersion) -> ScriptText:
    """A version as it was written, to be edited or checked again."""
    return ScriptText(
        code=script.code,
        **head(version),
        body=version.body,
        attachments=[one.model_dump(mode="json") for one in version.attachments],
        keywords=version.keywords,
        otherwise=version.fallbacks,
    )


def next_revision(session: Session) -> int:
    """The library's next number. Its row is locked until the commit, so that numbers appear in order."""
    if session.get(ScriptLibrary, 1) is None:
        session.add(ScriptLibrary())
        session.flush()
    rise = update(ScriptLibrary).values(revision=ScriptLibrary.revision + 1)
    return int(session.execute(rise.returning(col(ScriptLibrary.revision))).scalar_one())


def published(session: Session, script_id: int) -> tuple[Script, ScriptVersion] | None:
    """A script with its published version; None when it is not, or no longer, published."""
    both = select(Script, ScriptVersion).where(
        Script.id == script_id,
        Script.status == PUBLISHED,
        ScriptVersion.script_id == Script.id,
        ScriptVersion.number == Script.version,
    )
    return session.exec(both).first()


def fill(session: Session, script_id: int, context: ScriptContext) -> Filled | None:
    """A published script filled in; None when it is no longer there."""
    found = published(session, script_id)
    if found is None:
        return None
    script, version = found
    return Filled(script, version, render(version.body, context.values(version.fallbacks)))


def log_use(
    session: Session, uses: Sequence[tuple[int, int]], act: str, *, userid: str, customer_id: int | None, now: datetime
) -> None:
    """Write down that (script id, version) were shown, copied, …"""
    session.add_all(
        ScriptUse(at=now, script_id=script, version=version, userid=userid, customer_id=customer_id, act=act)
        for script, version in uses
    )
