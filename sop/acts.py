"""What steps do besides making to-dos: tags, stages, a line to the leader, mass sends that staff confirm."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlmodel import Session, col

from bot.jobs import Priority
from bot.outbox import say
from contacts.corp_tags import ask_for_tag
from contacts.domain_events import DomainEvent, raise_events
from contacts.facts import LayerMove
from contacts.leaders import leaders_of
from contacts.models import Customer
from contacts.tag_push import Pair
from contacts.tagging import Why, change_tags_of
from contacts.tags import LOCAL, RULE, Tag, TagGroup
from scripts_library.context import contexts
from sop import mass_sends, rules
from sop.calendar import polite_time
from sop.enrol import chunks
from sop.moves import Moves, Standing
from sop.words import fill

LAYER_MOVES: Table = LayerMove.__table__  # type: ignore[attr-defined]


def cause(moves: Moves) -> str:
    """The rule and its version, as logs name it."""
    return f"{moves.sop.name} v{moves.version.number}"


def tag(moves: Moves, action: rules.TagAction, group: Sequence[Standing]) -> None:
    """Tags of the pair with the member in charge."""
    pairs = []
    for run in group:
        userid = moves.charge.now(run.userid, run.customer_id)
        if userid is None:
            moves.note(run, "skipped", "nobody is in charge of her")
            continue
        pairs.append(Pair(run.customer_id, userid))
        moves.note(run, "tagged")
    put_tags(moves.session, pairs, Why(RULE, moves.now, cause=cause(moves)), action)


def put_tags(session: Session, pairs: Sequence[Pair], why: Why, action: rules.TagAction) -> None:
    """Put tags on pairs and take others off; one that the platform does not have yet is made there first."""
    if not pairs:
        return
    known = tag_ids(session, [*action.add, *action.remove])
    add = [known[name] for name in action.add if name in known]
    remove = [known[name] for name in action.remove if name in known]
    change_tags_of(session, pairs, why, add=[one for one in add if not one.startswith(LOCAL)], remove=remove)
    for one in add:
        if one.startswith(LOCAL):
            group, _, name = one.removeprefix(LOCAL).partition("/")
            key = f"{why.cause}:{why.at:%Y-%m-%d}"
            ask_for_tag(session, pairs, why, group=group, name=name, cause=key)


def tag_ids(session: Session, names: Sequence[str]) -> dict[str, str]:
    """Ids of living tags by `name` or `group/name`, as they were written; the platform's own before local ones."""
    query = select(col(Tag.id), col(Tag.name), col(TagGroup.name)).join(TagGroup, col(TagGroup.id) == col(Tag.group_id))
    found: dict[str, str] = {}
    rows = session.execute(query.where(~col(Tag.deleted))).all()
    for tag_id, name, group in sorted(rows, key=lambda row: not row[0].startswith(LOCAL)):
        found |= {one: tag_id for one in (name, f"{group}/{name}") if one in names}
    return found


def stage(moves: Moves, action: rules.StageAction, group: Sequence[Standing]) -> None:
    """The lifecycle stage, logged."""
    before: dict[int, str] = {}
    for part in chunks(sorted({run.customer_id for run in group})):
        known = select(col(Customer.id), col(Customer.stage)).where(col(Customer.id).in_(part))
        before |= {row.id: row.stage for row in moves.session.execute(known) if row.stage != action.to}
    for part in chunks(sorted(before)):
        moves.session.execute(update(Customer).where(col(Customer.id).in_(part)).values(stage=action.to))
    rows = [
        {
            "at": moves.now,
            "customer_id": one,
            "layer": "stage",
            "before": old,
            "after": action.to,
            "cause": cause(moves),
        }
        for one, old in before.items()
    ]
    if rows:
        moves.session.connection().execute(insert(LAYER_MOVES), rows)
    at = moves.now.isoformat()
    facts = {"to": action.to}
    raise_events(moves.session, (DomainEvent("stage_moved", one, moves.now, at, facts) for one in before))
    for run in group:
        moves.note(run, "stage", action.to)


def tell_leader(moves: Moves, action: rules.TellLeader, group: Sequence[Standing]) -> None:
    """One message per leader, however many customers it is about."""
    lines: dict[str, list[str]] = defaultdict(list)
    pairs = [(moves.charge.now(run.userid, run.customer_id) or "", run.customer_id) for run in group]
    made = contexts(moves.session, pairs, moves.now, moves.day.zone)
    for run, pair in zip(group, pairs, strict=True):
        for leader in leaders_of(moves.session, pair[0]):
            lines[leader].append(fill(action.text, made[pair].values({})))
        moves.note(run, "leader told")
    at = polite_time(moves.now, moves.day.zone)
    for leader, told in lines.items():
        key = f"leader:{moves.version.id}:{group[0].position}:{moves.day.today}:{leader}"
        given = {"priority": Priority.PUSH, "lane": f"push:{leader}"}
        say(moves.session, leader, "\n".join(told), cause=key, now=at, **given)


def mass_send(moves: Moves, action: rules.MassSendAction, group: Sequence[Standing]) -> None:
    """One task per member and day: one text for all her customers of this step."""
    hers: dict[str, dict[int, Any]] = defaultdict(dict)
    for run in group:
        userid = moves.charge.now(run.userid, run.customer_id)
        if userid is None:
            moves.note(run, "skipped", "nobody is in charge of her")
        else:
            hers[userid][run.customer_id] = run
    made = contexts(moves.session, [(userid, 0) for userid in hers], moves.now, moves.day.zone)
    for userid, runs in hers.items():
        position = group[0].position
        key = f"{moves.version.id}:{position}:{userid}:{moves.day.today}"
        text = fill(action.text, made[(userid, 0)].values({}))
        wanted = mass_sends.Wanted(key, userid, text, moves.version.sop_id, position)
        left_out = mass_sends.ask(moves.session, wanted, {one: run.id for one, run in runs.items()}, moves.now)
        for customer_id, run in runs.items():
            if customer_id in left_out:
                moves.note(run, "skipped", "she is no WeCom friend of anybody here")
            else:
                moves.note(run, "mass send asked")
