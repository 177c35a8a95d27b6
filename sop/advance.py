"""Advancing: what is due of each run happens, and the run goes on to its next step.

What is known of the customers is read once for all versions, and what the steps made is worded and written once.
Between the two the runs of a version are taken in rounds, grouped by step, so that each group needs a handful of
statements however many customers stand in it. Every step leaves an outcome with its reason.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col

from bot.database import defaults
from contacts.bulk import among, insert_rows
from contacts.models import FollowUser
from contacts.offers import RESERVED
from contacts.tags import RULE
from contacts.touches import touches_of_week
from sop import acts, rules
from sop.conditions import C, Day, holds
from sop.enrol import charge_of
from sop.exits import happened
from sop.moves import Due, Moves, Standing
from sop.offers import Reason, Wish, give, offer_words
from sop.sops import ACTIVE, FINISHED, OPEN, OUTCOMES, RUNS, TODOS, Sop, SopVersion, Todo
from sop.words import Draft, word

BLANK_TODO = {name: value for name, value in defaults(Todo).items() if name != "id"}
ROUNDS = 100
"""More than any rule has steps: a guard, no limit anybody meets."""
TOUCHES_A_WEEK = 3
"""Over all staff: a customer reached so often in seven days is left alone until tomorrow."""
HOLD_DAYS = 7
"""A step held back for so long is skipped."""


ACTS: dict[type[Any], Callable[..., None]] = {
    rules.TagAction: acts.tag,
    rules.StageAction: acts.stage,
    rules.TellLeader: acts.tell_leader,
}
"""How steps that reach no customer are carried out: a function of (moves, action, group)."""


@dataclass(frozen=True)
class Advanced:
    """What an advancing did."""

    todos: int = 0
    last: int = 0
    """The last run it looked at, by id; 0: none was due."""


def advance(
    session: Session,
    versions: Sequence[tuple[Sop, SopVersion]],
    day: Day,
    now: datetime,
    which: ColumnElement[bool] | None = None,
    *,
    at_most: int | None = None,
) -> Advanced:
    """Carry out every step of these versions that is due and write what comes of it.

    The versions have their turn in the order given. `which`: these runs only, and of them `at_most` so many.
    """
    these = [version.id for _, version in versions]
    due = select(RUNS).where(RUNS.c.version_id.in_(these), RUNS.c.state == ACTIVE, RUNS.c.due_on <= day.today)
    if which is not None:
        due = due.where(which)
    rows = session.connection().execute(due.order_by(RUNS.c.id).limit(at_most)).all()
    if not rows:
        return Advanced()
    runs: dict[int, list[Standing]] = defaultdict(list)
    for row in rows:
        runs[row.version_id].append(standing(row))
    known = due_of(session, list(chain.from_iterable(runs.values())), day, now)
    turns = [Moves(session, sop, version, known, runs[version.id]) for sop, version in versions if version.id in runs]
    for moves in turns:
        move(moves)
    return Advanced(write(session, turns), rows[-1].id)


def due_of(session: Session, runs: Sequence[Standing], day: Day, now: datetime) -> Due:
    """What steps ask about the customers of these runs, read in sets."""
    ids = sorted({run.customer_id for run in runs})
    charge = charge_of(session, ids, day.today, {run.userid for run in runs})
    tied = (among(session, col(FollowUser.customer_id), ids), col(FollowUser.lost_at).is_(None))
    friends = session.scalars(select(col(FollowUser.customer_id)).where(*tied))
    return Due(day, now, charge, frozenset(friends), often_touched(session, ids, now))


def move(moves: Moves) -> None:
    """Carry out what is due of one version, round after round, until nothing is."""
    waiting = moves.standing
    for _ in range(ROUNDS):
        groups: dict[str, list[Standing]] = defaultdict(list)
        for run in waiting:
            groups[run.position].append(run)
        for position, group in groups.items():
            step = rules.step_at(moves.version.rule, position)
            if step:
                carry_out(moves, step, group)
        waiting = [run for run in waiting if run.state == ACTIVE and run.due_on <= moves.day.today]
        if not waiting:
            break


def standing(row: Any) -> Standing:
    """A row as a run to be moved."""
    bases = [date.fromisoformat(one) for one in row.bases]
    return Standing(
        row.id,
        row.customer_id,
        row.occurrence,
        row.day,
        row.since,
        row.userid,
        row.position,
        bases,
        row.due_on,
        row.arm,
    )


def carry_out(moves: Moves, step: rules.Step, group: list[Standing]) -> None:
    """One step for the runs that stand before it."""
    action = step.do
    if isinstance(action, rules.Branch):
        branch(moves, action, group)
    elif isinstance(action, rules.WaitFor):
        wait(moves, action, step.day, group)
    elif isinstance(action, rules.Split):
        split(moves, action, group)
    else:
        if isinstance(action, rules.TodoAction):
            todo(moves, action, group)
        elif isinstance(action, rules.MassSendAction):
            acts.mass_send(moves, action, not_too_often(moves, group))
        else:
            ACTS[type(action)](moves, action, group)
        for run in group:
            if run.due_on <= moves.day.today:  # not held back
                moves.go(run, rules.following(run.position))


def branch(moves: Moves, action: rules.Branch, group: list[Standing]) -> None:
    """One way for whom the condition holds, the other for the rest."""
    yes = holding(moves.session, action.when, moves.day, group)
    for run in group:
        block = "then" if run.customer_id in yes else "otherwise"
        moves.note(run, "branched", block)
        moves.enter(run, block)


def split(moves: Moves, action: rules.Split, group: list[Standing]) -> None:
    """Each into her arm."""
    for run in group:
        number = arm_of(action, moves.version.sop_id, run.customer_id)
        run.arm = action.arms[number].name
        moves.note(run, "split", run.arm)
        moves.enter(run, f"arm{number}")


def holding(session: Session, condition: Any, day: Day, group: Sequence[Standing]) -> set[int]:
    """The customers of a group for whom a condition holds."""
    ids = {run.customer_id for run in group}
    return set(session.scalars(select(C.id).where(among(session, C.id, ids), holds(condition, day))))


def wait(moves: Moves, action: rules.WaitFor, day: int, group: list[Standing]) -> None:
    """Look each day whether it happened; after the last day go the other way."""
    these = among(moves.session, RUNS.c.id, [run.id for run in group])
    came = set(moves.session.scalars(select(RUNS.c.id).where(these, happened(action.event, RUNS.c.since))))
    for run in group:
        last = run.bases[-1] + timedelta(days=day + action.days)
        if run.id in came:
            moves.note(run, "came", action.event)
            moves.enter(run, "then")
        elif moves.day.today >= last:
            moves.note(run, "did not come", f"{action.event} within {action.days} days")
            moves.enter(run, "otherwise")
        else:
            run.due_on = moves.day.today + timedelta(days=1)


def arm_of(split: rules.Split, sop_id: int, customer_id: int) -> int:
    """The arm a customer falls into: by a hash, so that she stays in it for ever."""
    point = int.from_bytes(hashlib.sha256(f"{sop_id}:{customer_id}".encode()).digest()[:4], "big") % 100
    for number, arm in enumerate(split.arms):
        point -= arm.share
        if point < 0:
            return number
    return len(split.arms) - 1


def todo(moves: Moves, action: rules.TodoAction, group: list[Standing]) -> None:
    """A to-do for each run, yet without its words; a customer touched often this week waits until tomorrow."""
    ready: list[tuple[Standing, str]] = []
    for run in group:
        userid = moves.charge.now(run.userid, run.customer_id)
        if userid is None:
            moves.note(run, "skipped", "nobody is in charge of her")
        elif run.customer_id in moves.due.touched:
            held(run, moves)
        else:
            ready.append((run, userid))
    offered, values = with_offer(moves, action.offer, ready)
    for run, userid in offered:
        moves.note(run, "to-do")
        via = action.via if run.customer_id in moves.due.friends else "call"
        row = row_of(moves, action, run) | {"userid": userid, "via": via}
        moves.drafts.append(Draft(row, action, run.day, values))


def with_offer(
    moves: Moves, code: str | None, ready: list[tuple[Standing, str]]
) -> tuple[list[tuple[Standing, str]], dict[str, str]]:
    """Reserve the step's offer: for whom it is there, and its words. The others' step is skipped with the reason."""
    if code is None or not ready:
        return ready, {}
    wishes = [
        Wish(run.customer_id, userid, f"run:{run.id}:{run.position}", run.id, run.position) for run, userid in ready
    ]
    why = Reason(RULE, moves.now, acts.cause(moves), moves.version.sop_id)
    handed = give(moves.session, code, wishes, moves.day, why, state=RESERVED)
    offered = []
    for (run, userid), wish in zip(ready, wishes, strict=True):
        if reason := handed.refused.get(wish.reference):
            moves.note(run, "skipped", reason)
        else:
            offered.append((run, userid))
    return offered, offer_words(moves.session, code, moves.day.today)


def held(run: Standing, moves: Moves) -> None:
    """Put a step off until tomorrow; after a week let it go."""
    if (moves.day.today - run.due_on).days >= HOLD_DAYS:
        moves.note(run, "skipped", f"reached {TOUCHES_A_WEEK} times a week, for {HOLD_DAYS} days")
        return
    moves.note(run, "held", f"reached {TOUCHES_A_WEEK} times in seven days")
    run.due_on = moves.day.today + timedelta(days=1)


def not_too_often(moves: Moves, group: list[Standing]) -> list[Standing]:
    """The runs whose customer may be reached once more this week; the others wait."""
    for run in group:
        if run.customer_id in moves.due.touched:
            held(run, moves)
    return [run for run in group if run.customer_id not in moves.due.touched]


def often_touched(session: Session, ids: Sequence[int], now: datetime) -> Set[int]:
    """Customers reached as often as is decent in the last seven days."""
    counted = select(C.id).where(among(session, C.id, ids), touches_of_week(C.id, now) >= TOUCHES_A_WEEK)
    return set(session.scalars(counted))


def row_of(moves: Moves, action: rules.TodoAction, run: Standing) -> dict[str, Any]:
    """A to-do as a row, yet without its reason and its words."""
    today = moves.day.today
    return {
        **BLANK_TODO,
        "run_id": run.id,
        "position": run.position,
        "sop_id": moves.version.sop_id,
        "customer_id": run.customer_id,
        "title": action.title,
        "facts": {"day": run.day.isoformat(), "occurrence": run.occurrence, "version": moves.version.number},
        "value_fen": action.value_fen,
        "priority": moves.sop.priority,
        "day": today,
        "due_on": today + timedelta(days=max(0, -(-action.due_hours // 24) - 1)),
        "state": OPEN,
    }


def write(session: Session, turns: Sequence[Moves]) -> int:
    """Everything the turns made, a statement for each place where runs stand now; answers how many to-dos there are."""
    drafts = list(chain.from_iterable(moves.drafts for moves in turns))
    if drafts:
        word(session, drafts, turns[0].day, turns[0].now)
    insert_rows(session, OUTCOMES, [one for moves in turns for one in moves.outcomes], all_new=True)
    insert_rows(session, TODOS, [draft.row for draft in drafts], all_new=True)
    places: dict[Any, list[int]] = defaultdict(list)
    for moves in turns:
        for run in moves.standing:
            places[run.position, tuple(run.bases), run.due_on, run.state, run.arm].append(run.id)
    for (position, bases, due_on, state, arm), ids in places.items():
        where = {
            "position": position,
            "bases": [one.isoformat() for one in bases],
            "due_on": due_on,
            "state": state,
            "arm": arm,
            "ended_at": turns[0].now if state == FINISHED else None,
        }
        session.execute(update(RUNS).where(among(session, RUNS.c.id, ids)).values(where))
    return len(drafts)
