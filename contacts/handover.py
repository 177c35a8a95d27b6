"""Customers handed from one member to another: asked of the platform, carried through, every step in `Transfer`.

The platform takes a day and the customer may refuse; until then she stays where she is. When she has moved, the tie
moves, main staff moves, and `customer_transferred` tells whoever holds work about her.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Table, bindparam, update
from sqlmodel import Session, col, select

from bot.jobs import NewJob, Priority, insert
from bot.language import gettext as _
from bot.outbox import say
from bot.wecom.events import TransferFailed
from contacts.changes import TIES, customer_of, end_tie, follow_users_of, new_tie
from contacts.domain_events import raise_event
from contacts.facts import Transfer
from contacts.main_staff import SYSTEM, ChangeRefused, NotAllowed, may_decide, move_main
from contacts.models import TRANSFER, TRANSFER_FAILED, TRANSFERRED_IN, Customer, FollowUser, Staff
from contacts.tie_log import FAIL, HANDED_OVER, WHOLE, log_change

HAND_OVER = "hand_over"
"""The kind of job that asks the platform."""
ASKED, WAITING, DONE, REFUSED, FULL, FAILED = "asked", "waiting", "done", "refused", "full", "failed"
OPEN = (ASKED, WAITING)
AT_ONCE = 100
"""Customers of one call."""
MOST_MESSAGE = 200
ROWS_AT_ONCE = 500
BY_TRANSFER = 202
"""The `add_way` of a customer who came by transfer."""
TRANSFERS: Table = Transfer.__table__  # type: ignore[attr-defined]
TAKEN = update(TIES).where(TIES.c.id == bindparam("which"))


def ask_transfer(
    session: Session,
    handover: str,
    takeover: str,
    customer_ids: Iterable[int],
    *,
    by: str,
    now: datetime,
    message: str = "",
) -> list[Transfer]:
    """Have customers of one member passed to another; answers those that are asked for: ties that ended, and
    customers on the way already, are left out. Raises `NotAllowed` and `ChangeRefused`.

    `message`: what the customer is told when it is done; empty: the platform's own words.
    """
    check(session, handover, takeover, by, message)
    wanted = passable(session, handover, list(dict.fromkeys(customer_ids)))
    rows = [Transfer(asked_at=now, customer_id=one, handover=handover, takeover=takeover, by=by) for one in wanted]
    session.add_all(rows)
    session.flush()
    jobs = []
    for start in range(0, len(rows), AT_ONCE):
        ids = [row.id for row in rows[start : start + AT_ONCE]]
        payload = {"transfers": ids, "handover": handover, "takeover": takeover, "by": by, "message": message}
        key, lane = f"{HAND_OVER}:{ids[0]}", f"{HAND_OVER}:{handover}"
        jobs.append(NewJob(key, HAND_OVER, now, lane, payload, Priority.UPDATE))
    insert(session, jobs)
    return rows


def check(session: Session, handover: str, takeover: str, by: str, message: str = "") -> None:
    """Raises `NotAllowed` or `ChangeRefused` unless somebody may pass customers from one member to the other."""
    taker = session.get(Staff, takeover)
    if handover == takeover:
        raise ChangeRefused(_("Both are the same person; name somebody else to take over."))
    if taker is None or not taker.active or not taker.customer_contact:
        unfit = _("“{userid}” is no active member with 客户联系; name somebody who is.")
        raise ChangeRefused(unfit.format(userid=taker.name if taker else takeover))
    if len(message) > MOST_MESSAGE:
        most = _("The message has {length} characters; give at most {most}.")
        raise ChangeRefused(most.format(length=len(message), most=MOST_MESSAGE))
    if not may_decide(session, by, handover, takeover):
        raise NotAllowed(_("Only a leader of one of the two may hand customers over."))


def passable(session: Session, handover: str, customer_ids: list[int]) -> list[int]:
    """Those of the customers who are contacts of the member and not on the way to somebody already."""
    found: list[int] = []
    for start in range(0, len(customer_ids), ROWS_AT_ONCE):
        some = customer_ids[start : start + ROWS_AT_ONCE]
        moving = select(Transfer.customer_id).where(
            col(Transfer.customer_id).in_(some), Transfer.handover == handover, col(Transfer.status).in_(OPEN)
        )
        tied = select(FollowUser.customer_id).where(
            col(FollowUser.customer_id).in_(some),
            FollowUser.userid == handover,
            col(FollowUser.lost_at).is_(None),
            ~col(FollowUser.half),
            col(FollowUser.customer_id).not_in(moving),
        )
        found += session.exec(tied.order_by(col(FollowUser.customer_id))).all()
    return found


def complete(session: Session, transfer: Transfer, at: datetime, now: datetime) -> None:
    """A customer has moved: so do the tie, main staff where it was the old member, and the news of it. Done once."""
    closed = update(TRANSFERS).where(TRANSFERS.c.id == transfer.id, TRANSFERS.c.status.in_(OPEN))
    if session.connection().execute(closed.values(status=DONE, ended_at=at, reason="")).rowcount != 1:
        return
    customer = session.get(Customer, transfer.customer_id)
    take_over(session, transfer, at)
    end_tie(session.connection(), transfer.customer_id, transfer.handover, by=TRANSFER, at=at, source=TRANSFER)
    if customer and customer.main_userid == transfer.handover:
        by = transfer.by or SYSTEM
        move_main(session, customer.id or 0, transfer.handover, transfer.takeover, by=by, reason=TRANSFER, now=now)
    facts = {"from": transfer.handover, "to": transfer.takeover, "transfer_id": transfer.id}
    raise_event(session, "customer_transferred", transfer.customer_id, at, f"transfer:{transfer.id}", **facts)


def take_over(session: Session, transfer: Transfer, at: datetime) -> None:
    """The new member's tie begins, with the channel the customer once came through."""
    connection = session.connection()
    ties = {tie.userid: tie for tie in follow_users_of(session, transfer.customer_id)}
    mine, before = ties.get(transfer.takeover), ties.get(transfer.handover)
    channel = before.channel_id if before else None
    log_change(
        connection, WHOLE, transfer.customer_id, transfer.takeover, at,
        kind=TRANSFERRED_IN, channel_id=channel, source=TRANSFER,
    )  # fmt: skip
    given = {"channel_id": channel, "add_way": BY_TRANSFER}
    if mine is None:
        new_tie(connection, transfer.customer_id, transfer.takeover, at=at, **given)
    elif mine.lost_at and mine.lost_at <= at:
        again = {
            "added_at": at,
            "state": "",
            "half": False,
            "lost_at": None,
            "lost_by": None,
            "loss_reason": "",
            **given,
        }
        connection.execute(TAKEN.values(again), {"which": mine.id})
    elif mine.lost_at is None and mine.channel_id is None:
        connection.execute(TAKEN.values(given), {"which": mine.id})


def close(session: Session, transfer: Transfer, status: str, reason: str, at: datetime) -> bool:
    """A transfer came to nothing; False when it had ended before."""
    closed = update(TRANSFERS).where(TRANSFERS.c.id == transfer.id, TRANSFERS.c.status.in_(OPEN))
    if session.connection().execute(closed.values(status=status, ended_at=at, reason=reason)).rowcount != 1:
        return False
    log_change(
        session.connection(), FAIL, transfer.customer_id, transfer.takeover, at, kind=TRANSFER_FAILED, source=TRANSFER
    )
    return True


def settle_transfer(session: Session, customer_id: int, at: datetime, now: datetime) -> None:
    """An event showed one half of a transfer: carry it through as soon as it is known who hands over and who takes."""
    ties = follow_users_of(session, customer_id)
    ended = [tie for tie in ties if tie.lost_by == TRANSFER and tie.lost_at and abs(tie.lost_at - at) <= HANDED_OVER]
    if not ended:
        return
    old = max(ended, key=lambda tie: tie.lost_at or at)
    moved = old.lost_at or at
    asked = open_transfer(session, customer_id, handover=old.userid)
    if asked is None:
        begun = [
            tie
            for tie in ties
            if not (tie.lost_at or tie.state) and tie.userid != old.userid and abs(tie.added_at - moved) <= HANDED_OVER
        ]
        if not begun:
            return  # the other half's event is on its way
        new = max(begun, key=lambda tie: tie.added_at)
        if done_before(session, customer_id, old.userid, new.userid, moved):
            return
        asked = Transfer(asked_at=moved, customer_id=customer_id, handover=old.userid, takeover=new.userid, by="")
        session.add(asked)
        session.flush()
    complete(session, asked, moved, now)


def open_transfer(session: Session, customer_id: int, **whose: str) -> Transfer | None:
    """The latest transfer of a customer that is under way, by handover or takeover member."""
    under_way = select(Transfer).where(Transfer.customer_id == customer_id, col(Transfer.status).in_(OPEN))
    return session.exec(under_way.filter_by(**whose).order_by(col(Transfer.id).desc())).first()


def done_before(session: Session, customer_id: int, handover: str, takeover: str, at: datetime) -> bool:
    """Whether this very transfer is on record as done: both events of one tell of it."""
    ended = select(Transfer.ended_at).where(
        Transfer.customer_id == customer_id,
        Transfer.handover == handover,
        Transfer.takeover == takeover,
        Transfer.status == DONE,
    )
    return any(one and abs(one - at) <= HANDED_OVER for one in session.exec(ended).all())


def transfer_failed(session: Session, event: TransferFailed, now: datetime, polite: datetime) -> None:
    """The platform says that a customer was not taken over: close the transfer and tell whoever asked for it."""
    customer = customer_of(session, event.external_userid)
    if customer is None or customer.id is None:
        return
    transfer = open_transfer(session, customer.id, takeover=event.userid)
    if transfer is None:
        # Asked for in the console, or closed by our own question already: then there is a row of the last day.
        return
    status = FULL if event.reason == "customer_limit_exceed" else REFUSED
    if close(session, transfer, status, event.reason, event.created_at):
        tell_failed(session, [transfer], status, now, polite)


def tell_failed(session: Session, transfers: list[Transfer], status: str, now: datetime, polite: datetime) -> None:
    """Tell who asked that customers of one pair of members were not taken over, and why."""
    first = transfers[0]
    if session.get(Staff, first.by) is None:
        return
    reasons = {
        REFUSED: _("the customer refused"),
        FULL: _("the new member can take no more customers"),
        FAILED: _("WeCom gave no answer in time"),
    }
    text = _("Not handed over to {staff}: {customers} ({reason}).").format(
        staff=name_of(session, first.takeover),
        customers=_(", ").join(called(session, one) for one in transfers),
        reason=reasons.get(status, status),
    )
    push = {"priority": Priority.PUSH, "lane": f"push:{first.by}", "run_at": polite}
    say(session, first.by, text, cause=f"transfer:{first.id}:{status}", now=now, **push)


def name_of(session: Session, userid: str) -> str:
    """What a member is called."""
    staff = session.get(Staff, userid)
    return staff.name if staff else userid


def called(session: Session, transfer: Transfer) -> str:
    """What the old member calls the customer of a transfer."""
    tie = select(FollowUser.remark).where(
        FollowUser.customer_id == transfer.customer_id, FollowUser.userid == transfer.handover
    )
    customer = session.get(Customer, transfer.customer_id)
    return session.exec(tie).first() or (customer.name if customer else "") or _("a customer")
