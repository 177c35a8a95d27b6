"""Periods as people say them."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session

from bot.database import Database
from contacts.channels import Campaign
from kpi.period_words import find_period
from kpi.periods import BadPeriod, resolve
from tests.conftest import MONDAY_TEN

SHANGHAI = ZoneInfo("Asia/Shanghai")
SAID = [
    ("今天", "2026-11-16", "2026-11-16"),
    ("昨天", "2026-11-15", "2026-11-15"),
    ("前天的", "2026-11-14", "2026-11-14"),
    ("本周", "2026-11-16", "2026-11-22"),
    ("这个星期", "2026-11-16", "2026-11-22"),
    ("上周", "2026-11-09", "2026-11-15"),
    ("上上周", "2026-11-02", "2026-11-08"),
    ("这个月", "2026-11-01", "2026-11-30"),
    ("上个月", "2026-10-01", "2026-10-31"),
    ("本季度", "2026-10-01", "2026-12-31"),
    ("上季度", "2026-07-01", "2026-09-30"),
    ("今年", "2026-01-01", "2026-12-31"),
    ("去年", "2025-01-01", "2025-12-31"),
    ("最近7天", "2026-11-10", "2026-11-16"),
    ("近三十天", "2026-10-18", "2026-11-16"),
    ("8月", "2026-08-01", "2026-08-31"),
    ("十二月", "2025-12-01", "2025-12-31"),
    ("2026年8月", "2026-08-01", "2026-08-31"),
    ("去年8月", "2025-08-01", "2025-08-31"),
    ("8月1日到8月15日", "2026-08-01", "2026-08-15"),
    ("11月15号", "2026-11-15", "2026-11-15"),
    ("12月1日", "2025-12-01", "2025-12-01"),
    ("2026-08-01..2026-08-31", "2026-08-01", "2026-08-31"),
    ("双11期间", "2026-11-01", "2026-11-20"),
    ("today", "2026-11-16", "2026-11-16"),
    ("this week", "2026-11-16", "2026-11-22"),
    ("last month", "2026-10-01", "2026-10-31"),
    ("last 30 days", "2026-10-18", "2026-11-16"),
    ("the past two weeks", "2026-11-03", "2026-11-16"),
    ("in August", "2026-08-01", "2026-08-31"),
    ("aug 2025", "2025-08-01", "2025-08-31"),
    ("ytd", "2026-01-01", "2026-12-31"),
    ("the week before last", "2026-11-02", "2026-11-08"),
]


def campaign() -> Campaign:
    begun = MONDAY_TEN - timedelta(days=30)
    return Campaign(
        code="d11", name="双11返场", starts_on=date(2026, 11, 1), ends_on=date(2026, 11, 20), created_at=begun
    )


@pytest.fixture
def session(database: Database) -> Session:
    opened = Session(database.engine)
    opened.add(campaign())
    opened.flush()
    return opened


async def test_words_are_days_in_the_companys_zone(session: Session) -> None:
    with session:
        for words, first, last in SAID:
            name, rest = find_period(words.casefold())
            period = resolve(session, name or "", MONDAY_TEN, SHANGHAI)
            assert (period.first.isoformat(), period.last.isoformat()) == (first, last), words
            assert rest in {"", "的"}, words
            assert period.end - period.start == timedelta(days=period.days)


async def test_the_first_moment_is_midnight_in_shanghai(session: Session) -> None:
    with session:
        today = resolve(session, "today", MONDAY_TEN, SHANGHAI)
        assert today.start.isoformat() == "2026-11-15T16:00:00+00:00"
        last_moment = MONDAY_TEN.replace(hour=15, minute=59)
        assert resolve(session, "today", last_moment, SHANGHAI).first == date(2026, 11, 16)
        assert resolve(session, "today", last_moment + timedelta(minutes=1), SHANGHAI).first == date(2026, 11, 17)


@pytest.mark.parametrize("words", ["明天", "下周", "下个月", "next month", "2027年", "2026-12", "tomorrow"])
async def test_the_future_is_refused(session: Session, words: str) -> None:
    name, _ = find_period(words)
    with session, pytest.raises(BadPeriod, match="has not begun") as refused:
        resolve(session, name or "", MONDAY_TEN, SHANGHAI)
    assert refused.value.code == "future"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("2026-02-30", "does not exist"),
        ("2026-13", "does not exist"),
        ("2026-08-31..2026-08-01", "earlier day first"),
        ("1900-01-01..2026-01-01", "ten years"),
        ("someday", "last_month"),
        ("campaign:清仓", "清仓"),
        ("", "is not known"),
    ],
)
async def test_what_names_no_period_is_refused_with_a_remedy(session: Session, name: str, reason: str) -> None:
    with session, pytest.raises(BadPeriod, match=reason):
        resolve(session, name, MONDAY_TEN, SHANGHAI)
