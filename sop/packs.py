"""Packs: ready-made SOPs of an industry with what they need, installed in one go and again without harm.

What the company made its own stays: rows that are there already, and SOPs somebody here published since.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator
from sqlalchemy import select
from sqlmodel import Field as Column
from sqlmodel import Session, SQLModel, col

from bot.database import UtcTime
from contacts.channels import Campaign
from contacts.facts import Product
from contacts.models import Attribute
from contacts.offers import Offer
from contacts.tags import LOCAL, Tag, TagGroup
from scripts_library.attachments import Strict
from scripts_library.loading import GENERAL, load_content, one_script, store
from scripts_library.scripts import ScriptRefused
from sop import rules
from sop.flows import FlowRefused, FlowText, add_flows
from sop.lookup import LookupRow, LookupTable
from sop.parts import missing_parts
from sop.sops import Sop, SopVersion, publish, save

FOLDER = Path(__file__).parent / "packs"


class PackAttribute(Strict):
    """An attribute a pack needs."""

    key: str
    label: str
    type: str
    choices: list[str] = Field(default_factory=list)
    sensitive: bool = False


class PackTable(Strict):
    """A lookup table a pack brings."""

    name: str
    title: str = ""
    rows: list[LookupRow]


class PackProduct(Strict):
    """A product with the conditions it fits."""

    sku: str
    name: str
    category: str = ""
    price_fen: int = 0
    cycle_days: int | None = None
    conditions: rules.Condition | None = None


class PackOffer(Strict):
    """An offer and whom it fits."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,60}$")]
    name: Annotated[str, StringConstraints(min_length=1, max_length=20)]
    kind: Literal["welcome_gift", "visit_gift", "benefit"] = "benefit"
    terms: Annotated[str, StringConstraints(max_length=60)] = ""
    cost_fen: Annotated[int, Field(ge=0)] = 0
    stock: Annotated[int, Field(ge=0)] | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    per_customer: Annotated[int, Field(ge=1, le=100)] = 1
    campaign: str | None = None
    conditions: rules.Condition | None = None

    @model_validator(mode="after")
    def ends_after_it_begins(self) -> "PackOffer":
        """The days of an offer are in order."""
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValueError(f"ends_on {self.ends_on} is before starts_on {self.starts_on}; check the two days")
        return self


class Pack(Strict):
    """A pack as a file."""

    name: str
    version: Annotated[int, Field(ge=1)] = 1
    """Rises with each change that is handed out: an older one does not go over a newer one."""
    tags: dict[str, list[str]] = Field(default_factory=dict)
    attributes: list[PackAttribute] = Field(default_factory=list)
    tables: list[PackTable] = Field(default_factory=list)
    products: list[PackProduct] = Field(default_factory=list)
    offers: list[PackOffer] = Field(default_factory=list)
    library: list[Literal["insurance", "dental", "exam_training", "mother_and_baby", "retail"]] = Field(
        default_factory=list
    )
    """Ready-made scripts to install with it, by industry."""
    scripts: list[dict[str, Any]] = Field(default_factory=list)
    """Scripts of its own, as `docs/scripts.md` writes them."""
    welcome: list[FlowText] = Field(default_factory=list)
    """Welcome flows, as `docs/welcome.md` writes them, without attachments: a pack brings no files."""
    sops: list[rules.RuleFile]

    @model_validator(mode="after")
    def no_files(self) -> "Pack":
        """A welcome of a pack is words and an offer."""
        for flow in self.welcome:
            if flow.attachments:
                raise ValueError(f"welcome flow {flow.name}: attachments do not come with a pack; add them afterwards")
        return self


class InstalledPack(SQLModel, table=True):
    """A pack that was installed, and which version of it."""

    code: str = Column(primary_key=True)
    name: str
    version: int
    installed_at: datetime = Column(sa_type=UtcTime)


@dataclass
class Installed:
    """What installing did."""

    sops: list[str] = field(default_factory=list)
    """In force now as the pack has them."""
    kept: list[str] = field(default_factory=list)
    """SOPs that somebody here published since: left as they are."""


def names() -> list[str]:
    """Packs there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_pack(source: str) -> Pack:
    """A pack by name, or from a file of one's own. Raises `RuleRefused` when there is none, or it has a mistake."""
    path = Path(source) if Path(source).suffix else FOLDER / f"{source}.yaml"
    if not Path(source).suffix and source not in names():
        raise rules.RuleRefused(f"there is no pack {source}; there are {', '.join(names())}, or name a .yaml file")
    try:
        return Pack.model_validate(yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise rules.RuleRefused(f"{source} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise rules.RuleRefused(f"{source}: no YAML: {error}") from error
    except ValidationError as error:
        raise rules.RuleRefused(f"{source}: {rules.explained(error)}") from error


def install(session: Session, source: str, now: datetime, *, welcome: bool = True) -> Installed:
    """Install a pack and put its SOPs in force. Raises `RuleRefused` with every place that cannot work.

    `welcome`: its welcome flows too, for a company whose trade it is.
    """
    pack, code = read_pack(source), Path(source).stem
    known = session.get(InstalledPack, code)
    if known and known.version > pack.version:
        raise rules.RuleRefused(
            f"{source}: version (now {pack.version}): version {known.version} is installed; "
            "raise the number, or leave the newer one"
        )
    for group, tags in pack.tags.items():
        make_tags(session, group, tags)
    add_parts(session, pack, code, now)
    add_scripts(session, pack, source, now)
    if welcome and (known is None or known.version < pack.version):
        add_welcome(session, pack, source, now)
    done = Installed()
    for number, file in enumerate(pack.sops):
        try:
            put_in_force(session, file, code, now, done)
        except rules.RuleRefused as refused:
            raise rules.RuleRefused(f"{source}: sops.{number} ({file.code}): {refused}") from refused
    session.merge(InstalledPack(code=code, name=pack.name, version=pack.version, installed_at=now))
    return done


def put_in_force(session: Session, file: rules.RuleFile, code: str, now: datetime, done: Installed) -> None:
    """One SOP of a pack, unless the version in force is the company's own. Raises `RuleRefused`."""
    query = select(SopVersion).join(Sop, col(Sop.version_id) == col(SopVersion.id)).where(col(Sop.code) == file.code)
    current = session.scalars(query).first()
    if current and current.published_by:
        done.kept.append(file.name)
        return
    publish(session, save(session, file, now, pack=code), by="", now=now)
    done.sops.append(file.name)


def add_parts(session: Session, pack: Pack, code: str, now: datetime) -> None:
    """Attributes, tables, products and offers that are not there yet. Raises `RuleRefused`."""
    for one in pack.attributes:
        if session.get(Attribute, one.key) is None:
            session.add(Attribute(**one.model_dump()))
    for table in pack.tables:
        if session.get(LookupTable, table.name) is None:
            session.add(LookupTable(name=table.name, title=table.title, rows=list(table.rows), updated_at=now))
    session.flush()
    for number, product in enumerate(pack.products):
        check_condition(session, f"products.{number}", product.conditions)
        if session.get(Product, product.sku) is None:
            session.add(Product(**product.model_dump(exclude={"conditions"}), conditions=plain(product.conditions)))
    for number, offer in enumerate(pack.offers):
        check_condition(session, f"offers.{number}", offer.conditions)
        if session.get(Offer, offer.code) is None:
            fields = offer.model_dump(exclude={"conditions", "campaign"})
            campaign = campaign_id(session, f"offers.{number}.campaign", offer.campaign)
            conditions = plain(offer.conditions)
            session.add(Offer(**fields, conditions=conditions, campaign_id=campaign, pack=code, updated_at=now))
    session.flush()


def check_condition(session: Session, place: str, condition: rules.Condition | None) -> None:
    """Refuse a condition that names what is not there. Raises `RuleRefused`."""
    if problems := missing_parts(session, [condition])[0]:
        raise rules.RuleRefused("; ".join(f"{place}.conditions.{one}" for one in problems))


def plain(condition: rules.Condition | None) -> dict[str, Any]:
    """A condition as it is stored; empty for none."""
    return condition.model_dump(mode="json", by_alias=True, exclude_none=True) if condition else {}


def campaign_id(session: Session, place: str, code: str | None) -> int | None:
    """The campaign of a code. Raises `RuleRefused`."""
    if code is None:
        return None
    found = session.scalars(select(col(Campaign.id)).where(col(Campaign.code) == code)).first()
    if found is None:
        raise rules.RuleRefused(f"{place}: there is no campaign {code}; make it first or leave it out")
    return found


def add_scripts(session: Session, pack: Pack, source: str, now: datetime) -> None:
    """Ready-made scripts and the pack's own; those the company edited are left alone. Raises `RuleRefused`."""
    try:
        if pack.library or pack.scripts:
            load_content(session, [GENERAL, *pack.library], now)
        store(session, [one_script(source, number, one, {}) for number, one in enumerate(pack.scripts)], now, by="")
    except ScriptRefused as refused:
        raise rules.RuleRefused(str(refused)) from refused
    session.flush()


def add_welcome(session: Session, pack: Pack, source: str, now: datetime) -> None:
    """The pack's welcome flows that are not there yet. Raises `RuleRefused`."""
    try:
        add_flows(session, pack.welcome, now)
    except FlowRefused as refused:
        raise rules.RuleRefused(f"{source}: welcome: {refused}") from refused


def make_tags(session: Session, group: str, tags: list[str]) -> None:
    """The tags of a group that are not there yet, known here first."""
    home = session.scalars(select(TagGroup).where(col(TagGroup.name) == group, ~col(TagGroup.deleted))).first()
    if home is None:
        home = TagGroup(id=f"{LOCAL}{group}", name=group)
        session.add(home)
        session.flush()
    have = set(session.scalars(select(col(Tag.name)).where(col(Tag.group_id) == home.id, ~col(Tag.deleted))))
    session.add_all(
        Tag(id=f"{LOCAL}{group}/{one}", group_id=home.id, name=one, ours=True) for one in tags if one not in have
    )
    session.flush()
