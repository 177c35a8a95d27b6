"""Packs: ready-made SOPs of an industry with what they need, installed in one go and again without harm."""

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlmodel import Session, col

from contacts.facts import Product
from contacts.models import Attribute
from contacts.tags import LOCAL, Tag, TagGroup
from scripts_library.attachments import Strict
from sop import rules
from sop.lookup import LookupRow, LookupTable
from sop.sops import publish, save

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
    conditions: dict[str, Any] = Field(default_factory=dict)


class Pack(Strict):
    """A pack as a file."""

    name: str
    tags: dict[str, list[str]] = Field(default_factory=dict)
    attributes: list[PackAttribute] = Field(default_factory=list)
    tables: list[PackTable] = Field(default_factory=list)
    products: list[PackProduct] = Field(default_factory=list)
    sops: list[rules.RuleFile]
    demo: list[Any] = Field(default_factory=list)


CONDITION: TypeAdapter[rules.Condition] = TypeAdapter(rules.Condition)


def names() -> list[str]:
    """Packs there are."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_pack(name: str) -> Pack:
    """A pack by name. Raises `RuleRefused` when there is none, or it has a mistake."""
    if name not in names():
        raise rules.RuleRefused(f"there is no pack {name}; there are {', '.join(names())}")
    try:
        return Pack.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))
    except ValidationError as error:
        raise rules.RuleRefused(f"{name}: {rules.explained(error)}") from error


def install(session: Session, name: str, now: datetime) -> list[str]:
    """Install a pack and put its SOPs in force; answers their names. Raises `RuleRefused`."""
    pack = read_pack(name)
    for group, tags in pack.tags.items():
        make_tags(session, group, tags)
    for one in pack.attributes:
        if session.get(Attribute, one.key) is None:
            session.add(Attribute(**one.model_dump()))
    for table in pack.tables:
        known = session.get(LookupTable, table.name)
        if known is None:
            session.add(LookupTable(name=table.name, title=table.title, rows=list(table.rows), updated_at=now))
    for product in pack.products:
        if product.conditions:
            CONDITION.validate_python(product.conditions)
        if session.get(Product, product.sku) is None:
            session.add(Product(**product.model_dump()))
    session.flush()
    sops = [save(session, file, now, pack=name) for file in pack.sops]
    for sop in sops:
        publish(session, sop, by="", now=now)
    return [sop.name for sop in sops]


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
