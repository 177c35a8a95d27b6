"""What a to-do is worth to the member herself, in words; nobody reads another's commission here."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import Session

from assistant.wording import money
from bot.language import gettext as _
from kpi.worth import LEAST_RUNS, Worth, worth_of
from sop.sops import Todo


def worth_lines(session: Session, todos: Sequence[Todo], reader: str, now: datetime) -> dict[int, str]:
    """By to-do, its expected commission in a line: of the reader's own only, and where an order would earn any."""
    hers = [one for one in todos if one.userid == reader]
    return {number: in_words(worth) for number, worth in worth_of(session, hers, now).items()}


def in_words(worth: Worth) -> str:
    """`预计提成：¥36（跟进过的40位里12%下了单，成交可得¥300）`."""
    deal = money(worth.deal_fen)
    if not worth.known:
        return _("Expected commission: too few cases so far ({runs} of {least}); an order brings {deal}").format(
            runs=worth.runs, least=LEAST_RUNS, deal=deal
        )
    return _(
        "Expected commission: {expected} ({percent}% of {runs} followed up ordered; an order brings {deal})"
    ).format(
        expected=money(worth.expected_fen), percent=round(100 * worth.orders / worth.runs), runs=worth.runs, deal=deal
    )
