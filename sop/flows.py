"""Welcome flows from YAML: read, checked whole, and stored together or not at all."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import delete
from sqlmodel import Session, col, select

from contacts.offers import Offer
from scripts_library.attachments import MAX_ATTACHMENTS, Attachment, Name
from scripts_library.media import MediaRefused, add_file
from scripts_library.rendering import TemplateRefused, check, render, used_variables
from sop.models import WelcomeFlow, When
from sop.welcome import FLOWS, TEXT_BYTES, VARIABLES

DEFAULT = Path(__file__).parent / "welcome_flows" / "default.yaml"
ATTACHMENTS: TypeAdapter[Any] = TypeAdapter(Attachment)


class FlowRefused(ValueError):
    """A flow that cannot be stored; the text names flow, field, value and remedy."""


class FlowText(BaseModel):
    """One flow as it stands in the YAML file."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    when: When = Field(default_factory=When)
    text: str = ""
    attachments: Annotated[list[dict[str, Any]], Field(max_length=MAX_ATTACHMENTS)] = Field(default_factory=list)
    otherwise: dict[str, str] = Field(default_factory=dict)
    """What to say where a variable has no value, by variable."""
    offer: str = ""
    """The code of the offer it hands over."""


class FlowsFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    flows: Annotated[list[FlowText], Field(min_length=1)]


def read_flows(path: Path) -> list[FlowText]:
    """The flows of a file, each checked. Raises `FlowRefused`."""
    try:
        loaded = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise FlowRefused(f"{path}: there is no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FlowRefused(f"{path}: not readable as YAML in UTF-8: {error}") from error
    if not isinstance(loaded, dict):
        raise FlowRefused(f"{path.name}: expected a list of flows below the word flows:")
    try:
        flows = FlowsFile.model_validate(loaded).flows
    except ValidationError as error:
        raise FlowRefused(
            "\n".join(f"{path.name}: {place_and_sentence(one, loaded)}" for one in error.errors())
        ) from error
    names = [flow.name for flow in flows]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise FlowRefused(f"{path.name}: the name {doubled.pop()!r} stands twice; names tell flows apart")
    for flow in flows:
        check_flow(flow)
    return flows


def place_and_sentence(error: Any, loaded: dict[str, Any]) -> str:
    """One of pydantic's complaints about the file, with the flow's name where it has one."""
    match error["loc"]:
        case ("flows", int(number), _, *_):
            flow = loaded["flows"][number]
            name = flow.get("name") if isinstance(flow, dict) else None
            return f"flow {name or number + 1!r}: {sentence(error, error['loc'][2:])}"
        case place:
            return sentence(error, place)


def sentence(error: Any, place: tuple[str | int, ...]) -> str:
    """One of pydantic's complaints: field, value and what is wrong with it."""
    field = ".".join(str(one) for one in place)
    if error["type"] == "missing":
        return f"{field} is missing"
    if error["type"] == "extra_forbidden":
        return f"{field} is no field here; docs/welcome.md lists them"
    return f"{field} (now {str(error['input'])[:60]!r}): {str(error['msg']).removeprefix('Value error, ')}"


def check_flow(flow: FlowText) -> None:
    """Refuse a text that is too long or uses what it must not, and a flow with nothing to send."""
    if unknown := set(flow.otherwise) - VARIABLES.keys():
        raise FlowRefused(f"flow {flow.name!r}: otherwise names {unknown.pop()!r}; there are {', '.join(VARIABLES)}")
    variables = {
        name: replace(one, longest=max(one.longest, flow.otherwise.get(name, ""), key=len))
        for name, one in VARIABLES.items()
    }
    try:
        check(flow.text, variables, TEXT_BYTES)
        filled = render(flow.text, {name: one.longest for name, one in variables.items()})
        promised = [one for one in used_variables(flow.text, frozenset(VARIABLES)) if one.startswith("offer.")]
    except TemplateRefused as error:
        raise FlowRefused(f"flow {flow.name!r}: text: {error}") from error
    if promised and not flow.offer:
        raise FlowRefused(f"flow {flow.name!r}: text names {promised[0]}; give the flow an offer, or leave it out")
    if not filled and not flow.attachments:
        raise FlowRefused(f"flow {flow.name!r}: text and attachments are both empty; there would be nothing to send")


def store_flows(session: Session, flows: list[FlowText], home: Path, folder: Path, now: datetime) -> list[WelcomeFlow]:
    """Make these the company's welcome flows, in this order; the ones not named go. Raises `FlowRefused`."""
    known = {flow.name: flow for flow in (session.exec(select(WelcomeFlow))).all()}
    session.exec(delete(WelcomeFlow).where(col(WelcomeFlow.name).not_in([flow.name for flow in flows])))
    stored = []
    for position, flow in enumerate(flows):
        check_offer(session, flow)
        attachments = [attachment(session, flow.name, one, home, folder) for one in flow.attachments]
        row = known.get(flow.name) or WelcomeFlow(name=flow.name, position=position, version=0, updated_at=now)
        row.position, row.conditions, row.text = position, flow.when, flow.text
        row.attachments, row.fallbacks, row.offer = attachments, flow.otherwise, flow.offer
        row.version, row.updated_at, row.active = row.version + 1, now, True
        session.add(row)
        stored.append(row)
    FLOWS.forget()
    return stored


def add_flows(session: Session, flows: list[FlowText], now: datetime) -> None:
    """Add flows without attachments whose names are new: in front of the first that greets everybody, behind those for
    the night and for old friends. Raises `FlowRefused`."""
    store_default(session, DEFAULT.parent, now)
    known = list(session.exec(select(WelcomeFlow).order_by(col(WelcomeFlow.position))))
    place = next((number for number, one in enumerate(known) if one.conditions == When()), len(known))
    names = {one.name for one in known}
    for flow in flows:
        if flow.name in names:
            continue
        check_flow(flow)
        check_offer(session, flow)
        row = WelcomeFlow(name=flow.name, position=place, conditions=flow.when, text=flow.text, updated_at=now)
        row.fallbacks, row.offer = flow.otherwise, flow.offer
        known.insert(place, row)
        place += 1
    for number, one in enumerate(known):
        one.position = number
    session.add_all(known)
    FLOWS.forget()


def check_offer(session: Session, flow: FlowText) -> None:
    """Refuse an offer that is not given. Raises `FlowRefused`."""
    offer = session.get(Offer, flow.offer) if flow.offer else None
    if flow.offer and not (offer and offer.active):
        there = ", ".join(session.exec(select(Offer.code).where(col(Offer.active)).order_by(col(Offer.code)))) or "none"
        raise FlowRefused(f"flow {flow.name!r}: offer (now {flow.offer!r}): there is no such offer; there are {there}")


def attachment(session: Session, flow: str, given: dict[str, Any], home: Path, folder: Path) -> Any:
    """One attachment, `{image: {file: card.png}}` or `{link: {title, url}}`; its file is taken into the library."""
    if len(given) != 1:
        raise FlowRefused(f"flow {flow!r}: an attachment has one kind, such as image or link; found {sorted(given)}")
    [(kind, written)] = given.items()
    if not isinstance(written, dict):
        raise FlowRefused(f"flow {flow!r}: {kind} (now {written!r}): expected its fields, such as {{file: card.png}}")
    fields = dict(written)
    try:
        if name := str(fields.pop("file", "") or ""):
            picture = "image" if kind == "miniprogram" else kind
            if picture not in {"image", "video", "file"}:
                raise FlowRefused(f"flow {flow!r}: a {kind} takes no file")
            fields["sha256"] = add_file(session, home, picture, folder / name)
        return ATTACHMENTS.validate_python({"msgtype": kind, **fields})
    except MediaRefused as error:
        raise FlowRefused(f"flow {flow!r}: {kind}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise FlowRefused(f"flow {flow!r}: {sentence(first, first['loc'])}") from error


def store_default(session: Session, home: Path, now: datetime) -> bool:
    """Give a new installation its first flows; False when it has some."""
    if (session.exec(select(WelcomeFlow.id).limit(1))).first() is not None:
        return False
    store_flows(session, read_flows(DEFAULT), home, DEFAULT.parent, now)
    return True
