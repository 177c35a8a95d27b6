"""Ready-made scripts: a file per industry under content/, and the company's own files in the same shape."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import func
from sqlmodel import Session, col, select

from scripts_library.models import PUBLISHED, Script, ScriptVersion
from scripts_library.scripts import (
    ScriptRefused,
    ScriptText,
    head,
    make_public,
    next_revision,
    problems,
    version_of,
    written,
)
from scripts_library.words import forbidden_words

FOLDER = Path(__file__).parent / "content"
GENERAL = "general"
INDUSTRIES = ("insurance", "dental", "exam_training", "mother_and_baby", "retail")
EVERYTHING = (GENERAL, *INDUSTRIES)


@dataclass(frozen=True)
class Loaded:
    """What loading did."""

    added: int = 0
    updated: int = 0
    untouched: int = 0
    """The same as before, or edited by the company since, which loading leaves alone."""


def read_content(path: Path) -> list[ScriptText]:
    """The scripts of a file, each field checked. Raises `ScriptRefused`."""
    try:
        loaded = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    except FileNotFoundError as error:
        raise ScriptRefused(f"{path}: there is no such file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScriptRefused(f"{path}: not readable as YAML in UTF-8: {error}") from error
    rows = loaded.get("scripts") if isinstance(loaded, dict) else None
    if not isinstance(rows, list):
        raise ScriptRefused(f"{path.name}: expected a list of scripts below the word scripts:")
    shared = {name: value for name, value in loaded.items() if name != "scripts"}
    return [one_script(path.name, number, row, shared) for number, row in enumerate(rows, 1)]


def one_script(name: str, number: int, row: Any, shared: dict[str, Any]) -> ScriptText:
    """One entry of a file; what stands beside `scripts:` holds for all of them."""
    if not isinstance(row, dict):
        raise ScriptRefused(f"{name}: script {number}: expected its fields, found {str(row)[:60]!r}")
    try:
        return written({**shared, **row})
    except ScriptRefused as error:
        told = "\n".join(f"{name}: script {row.get('code') or number}: {line}" for line in str(error).splitlines())
        raise ScriptRefused(told) from error


def load_content(session: Session, names: Iterable[str], now: datetime) -> Loaded:
    """Install ready-made scripts: the new ones, and newer texts of those nobody edited. Raises `ScriptRefused`."""
    scripts = [script for name in names for script in read_content(FOLDER / f"{name}.yaml")]
    return store(session, scripts, now, by="")


def load(session: Session, source: str, now: datetime) -> Loaded:
    """Install ready-made scripts by name, or a company's own file, which overwrites: all or nothing.

    Raises `ScriptRefused` with every problem.
    """
    if source in EVERYTHING:
        return load_content(session, [source], now)
    if not Path(source).suffix:
        raise ScriptRefused(f"{source}: neither a file nor one of {', '.join(EVERYTHING)}")
    return store(session, read_content(Path(source)), now, by="file")


def store(session: Session, scripts: list[ScriptText], now: datetime, by: str) -> Loaded:
    """Check, save and publish those that are new or changed."""
    words = forbidden_words(session)
    codes = [one.code for one in scripts]
    if doubled := {code for code in codes if codes.count(code) > 1}:
        raise ScriptRefused(f"the code {doubled.pop()!r} stands twice; codes tell scripts apart")
    known = {script.code: script for script in session.exec(select(Script))}
    due = [one for one in scripts if wanted(known.get(one.code), one, by)]
    if found := [f"script {one.code}: {problem}" for one in due for problem in problems(session, one, words)]:
        raise ScriptRefused("\n".join(found))
    new = {one.code: Script(code=one.code, **head(one), updated_at=now) for one in due if one.code not in known}
    session.add_all(new.values())
    session.flush()
    newest = select(ScriptVersion.script_id, func.max(ScriptVersion.number)).group_by(col(ScriptVersion.script_id))
    numbers: dict[int, int] = dict(session.exec(newest).all())
    revision = next_revision(session) if due else 0
    for given in due:
        script = new.get(given.code) or known[given.code]
        version = version_of(script, given, numbers.get(script.id or 0, 0) + 1, by, now)
        make_public(script, version, revision, now)
        script.shipped = digest_of(given)
        session.add_all((script, version))
    return Loaded(len(new), len(due) - len(new), len(scripts) - len(due))


def wanted(script: Script | None, given: ScriptText, by: str) -> bool:
    """Whether to take a text in: it is new or changed, and does not overwrite what the company made its own."""
    if script is None:
        return True
    return script.shipped != digest_of(given) and (bool(by) or not edited(script))


def edited(script: Script) -> bool:
    """Whether the company has made a script its own: published or retired something else since."""
    return script.status != PUBLISHED or not script.shipped


def store_general(session: Session, now: datetime) -> bool:
    """Give a new installation its first scripts; False when it has some."""
    if session.exec(select(Script.id).limit(1)).first() is not None:
        return False
    load_content(session, [GENERAL], now)
    return True


def digest_of(given: ScriptText) -> str:
    """Of a script's content."""
    return hashlib.sha256(given.model_dump_json().encode()).hexdigest()
