"""What the platform is asked about customers who change hands: begin, look how it went, who was left behind."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlmodel import Session, col, select

from bot.clock import Clock
from bot.database import Database
from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Runner, enqueue
from bot.language import gettext as _
from bot.language import speaking
from bot.outbox import say
from bot.wecom.errors import WeComError
from bot.wecom.results import Handed, HandOver, Unassigned
from contacts.changes import EXTERNAL
from contacts.facts import Transfer
from contacts.handover import (
    ASKED,
    FAILED,
    FULL,
    HAND_OVER,
    REFUSED,
    ROWS_AT_ONCE,
    WAITING,
    ask_transfer,
    called,
    close,
    complete,
    name_of,
    tell_failed,
)
from contacts.leaders import leaders_of
from contacts.models import FollowUser, Identity, Staff

HAND_OVER_RESULT, HAND_OVER_ALL, FIND_UNASSIGNED = "hand_over_result", "hand_over_all", "find_unassigned"
NOT_RESIGNED, UNDER_WAY = 40097, 40129
LOOKS = (timedelta(hours=1), *[timedelta(hours=3)] * 12, *[timedelta(hours=12)] * 12)
"""When the platform is asked how it went: it takes a day, and longer than a week means never."""
MOVED_AT_ONCE = 50
"""Customers moved in one transaction: a welcome must not wait for hundreds."""
TAKEN, REFUSED_BY_HER, NO_ROOM = 1, 3, 4


def reason_of(errcode: int) -> str:
    """Why a customer cannot be passed on."""
    known = {
        40096: _("WeCom does not know the customer"),
        40099: _("the new member can take no more customers"),
        40128: _("passed on twice within 90 days already"),
        40130: _("both are the same person"),
        40131: _("no contact of the old member any more"),
    }
    return known.get(errcode, _("WeCom refused, code {code}").format(code=errcode))


def ask_all(session: Session, handover: str, takeover: str, by: str, now: datetime) -> None:
    """Have everything a member has passed to another, once it is known what the platform says she has."""
    payload = {"handover": handover, "takeover": takeover, "by": by}
    key, lane = f"{HAND_OVER_ALL}:{handover}:{now.isoformat()}", f"{HAND_OVER}:{handover}"
    enqueue(session, NewJob(key, HAND_OVER_ALL, now, lane, payload))


@dataclass(frozen=True)
class HandOvers:
    """The runners of hand-overs."""

    gateway: Gateway
    database: Database
    clock: Clock
    language: str
    polite: Callable[[datetime], datetime]
    """When staff may next be told something unasked."""

    def runners(self) -> dict[str, Runner]:
        """Each kind of job with its runner."""
        return {
            HAND_OVER: Runner(self.begin, self.never_begun),
            HAND_OVER_RESULT: Runner(self.look),
            HAND_OVER_ALL: Runner(self.everything),
            FIND_UNASSIGNED: Runner(self.left_behind),
        }

    async def begin(self, job: Job) -> Done:
        """Ask for up to a hundred customers; each has an answer of its own."""
        whose = await self.database.read(lambda session: external_ids(session, job.payload["transfers"]))
        if not whose:
            return Done("nothing to do")
        handover, takeover = job.payload["handover"], job.payload["takeover"]
        staff = await self.database.read(lambda session: session.get(Staff, handover))
        left = staff is None or not staff.active
        message = "" if left else job.payload["message"]
        try:
            answers = await self.gateway.hand_over(handover, takeover, list(whose), left=left, message=message)
        except WeComError as error:
            if error.errcode != NOT_RESIGNED:
                raise
            left = False  # out of the app's scope only, and still in the company
            answers = await self.gateway.hand_over(handover, takeover, list(whose), left=left)
        return Done("asked", then=lambda session: self.begun(session, job, whose, answers, left=left))

    def begun(self, session: Session, job: Job, whose: dict[str, int], answers: list[Handed], *, left: bool) -> None:
        """Write down what was begun and what was not, tell who asked, and look again in an hour."""
        refused: dict[int, int] = {}
        waiting: set[int] = set()
        for one in answers:
            transfer_id = whose.get(one.external_userid, 0)
            if one.errcode in {0, UNDER_WAY}:
                waiting.add(transfer_id)
            else:
                refused[transfer_id] = one.errcode
        now = self.clock.now()
        rows = session.exec(select(Transfer).where(col(Transfer.id).in_([*waiting, *refused]))).all()
        failed = []
        for row in rows:
            if row.id in waiting and row.status == ASKED:
                row.status = WAITING
                session.add(row)
            elif row.id not in waiting:
                errcode = refused[row.id or 0]
                close(session, row, FULL if errcode == 40099 else FAILED, f"{errcode} {reason_of(errcode)}", now)
                failed.append((row, errcode))
        if waiting:
            self.look_again(session, job, now, left=left, number=0)
        with speaking(self.language):
            tell_begun(session, job, len(waiting), failed, now)

    def never_begun(self, session: Session, job: Job, reason: str) -> None:
        """The platform refused the whole call: every transfer of it has failed."""
        rows = session.exec(select(Transfer).where(col(Transfer.id).in_(job.payload["transfers"]))).all()
        now = self.clock.now()
        for row in rows:
            close(session, row, FAILED, reason[:200], now)
        if session.get(Staff, job.payload["by"]):
            with speaking(self.language):
                text = _("The hand-over to {staff} failed: {reason}").format(
                    staff=name_of(session, job.payload["takeover"]), reason=reason[:200]
                )
            say(session, job.payload["by"], text, cause=f"{HAND_OVER}:{job.id}", now=now, run_at=self.polite(now))

    def look_again(self, session: Session, job: Job, now: datetime, *, left: bool, number: int) -> None:
        """Have somebody look how it went, later with every look."""
        pair = {"handover": job.payload["handover"], "takeover": job.payload["takeover"]}
        payload = {**pair, "left": left, "number": number}
        key, lane = f"{HAND_OVER_RESULT}:{job.id}", f"{HAND_OVER}:{pair['handover']}"
        run_at = now + LOOKS[number]
        enqueue(session, NewJob(key, HAND_OVER_RESULT, now, lane, payload, Priority.SYNC, run_at))

    async def look(self, job: Job) -> Done:
        """Ask how the transfers between two members went, and carry through what has ended."""
        handover, takeover = job.payload["handover"], job.payload["takeover"]
        waiting = await self.database.read(lambda session: waiting_between(session, handover, takeover))
        if not waiting:
            return Done("none is waiting")
        found: dict[str, HandOver] = {}
        cursor = ""
        while True:
            page = await self.gateway.handed_over(handover, takeover, left=job.payload["left"], cursor=cursor)
            found |= {one.external_userid: one for one in page.customers}
            cursor = page.next_cursor
            if not cursor:
                break
        ended = [
            (transfer_id, found[external])
            for external, (transfer_id, asked_at) in waiting.items()
            if external in found and has_ended(found[external], asked_at)
        ]
        return Done(f"{len(ended)} of {len(waiting)} ended", then=lambda session: self.ended(session, job, ended))

    def ended(self, session: Session, job: Job, ended: list[tuple[int, HandOver]]) -> None:
        """Move who was taken over, close what came to nothing, and look again for the rest."""
        now, failed = self.clock.now(), defaultdict(list)
        for transfer_id, result in ended[:MOVED_AT_ONCE]:
            row = session.get(Transfer, transfer_id)
            if row is None:
                continue
            if result.status == TAKEN:
                complete(session, row, datetime.fromtimestamp(result.takeover_time, UTC), now)
            else:
                status = REFUSED if result.status == REFUSED_BY_HER else FULL
                if close(session, row, status, "", now):
                    failed[row.by, status].append(row)
        self.tell(session, failed, now)
        handover, takeover, number = job.payload["handover"], job.payload["takeover"], job.payload["number"]
        rest = set(waiting_between(session, handover, takeover).values())
        if len(ended) > MOVED_AT_ONCE:
            self.look_again(session, job, now - LOOKS[number], left=job.payload["left"], number=number)
        elif rest and number + 1 < len(LOOKS):
            self.look_again(session, job, now, left=job.payload["left"], number=number + 1)
        elif rest:
            rows = session.exec(select(Transfer).where(col(Transfer.id).in_([one for one, _at in rest]))).all()
            given_up = defaultdict(list)
            for row in rows:
                if close(session, row, FAILED, "no answer", now):
                    given_up[row.by, FAILED].append(row)
            self.tell(session, given_up, now)

    def tell(self, session: Session, failed: dict[tuple[str, str], list[Transfer]], now: datetime) -> None:
        """Tell each who asked what came to nothing."""
        with speaking(self.language):
            for (_by, status), rows in failed.items():
                tell_failed(session, rows, status, now, self.polite(now))

    async def everything(self, job: Job) -> Done:
        """All a member has: her living ties, and what the platform holds for a member who left."""
        handover = job.payload["handover"]
        held = [one.external_userid for one in await self.unassigned() if one.handover_userid == handover]

        def then(session: Session) -> None:
            ties = select(FollowUser.customer_id).where(FollowUser.userid == handover)
            ids = {*session.exec(ties.where(col(FollowUser.lost_at).is_(None))).all()}
            for start in range(0, len(held), ROWS_AT_ONCE):
                some = col(Identity.value).in_(held[start : start + ROWS_AT_ONCE])
                ids |= {*session.exec(select(Identity.customer_id).where(Identity.kind == EXTERNAL, some)).all()}
            takeover, by = job.payload["takeover"], job.payload["by"]
            ask_transfer(session, handover, takeover, sorted(ids), by=by, now=self.clock.now())

        return Done("asked", then=then)

    async def left_behind(self, _: Job) -> Done:
        """Tell leaders of customers whose member has left, once for each leaving."""
        held = await self.unassigned()

        def then(session: Session) -> None:
            with speaking(self.language):
                self.tell_left(session, held)

        return Done(f"{len(held)} customers", then=then)

    def tell_left(self, session: Session, held: Iterable[Unassigned]) -> None:
        """One line for each leader of each member who left."""
        now = self.clock.now()
        for (userid, left_at), count in Counter((one.handover_userid, one.dimission_time) for one in held).items():
            name = name_of(session, userid)
            text = _(
                "{staff} has left; {count} customers have nobody yet. To hand them over, answer: "
                "give {staff}'s customers to (name)"
            ).format(staff=name, count=count)
            for leader in leaders_of(session, userid):
                cause = f"unassigned:{userid}:{left_at.timestamp():.0f}:{leader}"
                push = {"priority": Priority.PUSH, "lane": f"push:{leader}", "run_at": self.polite(now)}
                say(session, leader, text, cause=cause, now=now, **push)

    async def unassigned(self) -> list[Unassigned]:
        """Every customer of members who left."""
        found: list[Unassigned] = []
        cursor = ""
        while True:
            page = await self.gateway.unassigned(cursor)
            found += page.customers
            cursor = page.next_cursor
            if page.is_last or not cursor:
                return found


def tell_begun(session: Session, job: Job, begun: int, failed: list[tuple[Transfer, int]], now: datetime) -> None:
    """Tell who asked how many customers are on their way, and which are not."""
    by = job.payload["by"]
    if session.get(Staff, by) is None:
        return
    names = name_of(session, job.payload["handover"]), name_of(session, job.payload["takeover"])
    lines = [
        _("{count} customers go from {old} to {new}; it takes a day, and she may refuse.").format(
            count=begun, old=names[0], new=names[1]
        )
    ]
    lines += [
        _("· not {customer}: {reason}").format(customer=called(session, row), reason=reason_of(errcode))
        for row, errcode in failed[:20]
    ]
    say(session, by, "\n".join(lines), cause=f"{HAND_OVER}:{job.id}", now=now)


def external_ids(session: Session, transfers: list[int]) -> dict[str, int]:
    """The platform's ids of the customers of transfers still to be asked for, with the transfer's."""
    found = (
        select(Identity.value, Transfer.id)
        .join(Transfer, col(Transfer.customer_id) == col(Identity.customer_id))
        .where(Identity.kind == EXTERNAL, col(Transfer.id).in_(transfers), Transfer.status == ASKED)
        .order_by(col(Transfer.id))
    )
    return {value: transfer_id or 0 for value, transfer_id in session.exec(found).all()}


def waiting_between(session: Session, handover: str, takeover: str) -> dict[str, tuple[int, datetime]]:
    """The transfers between two members that wait, and since when, by the platform's id of the customer."""
    found = (
        select(Identity.value, Transfer.id, Transfer.asked_at)
        .join(Transfer, col(Transfer.customer_id) == col(Identity.customer_id))
        .where(Identity.kind == EXTERNAL, Transfer.handover == handover, Transfer.takeover == takeover)
        .where(Transfer.status == WAITING)
    )
    return {value: (transfer_id or 0, asked_at) for value, transfer_id, asked_at in session.exec(found).all()}


def has_ended(result: HandOver, asked_at: datetime) -> bool:
    """Whether a row of the platform's tells the end of this transfer and not of an earlier one."""
    if result.status == TAKEN:
        return result.takeover_time >= int(asked_at.timestamp())
    return result.status in {REFUSED_BY_HER, NO_ROOM}
