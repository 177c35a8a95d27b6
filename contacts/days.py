"""Dates as people say them in chat: 明天, 周五, 下周三, 12月1日, 三天后, tomorrow, next Friday, December 1.

A day without a year, or a bare weekday, is the next one from today on; weeks begin on Monday.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from dateutil.relativedelta import relativedelta

Reading = Callable[[re.Match[str], date], date | None]
NUMERALS = {character: value for value, character in enumerate("零一二三四五六七八九十")} | {"两": 2, "〇": 0}
NUMBER = r"\d{1,3}|[一二两三四五六七八九十]{1,3}"
WEEKDAYS = {character: value for value, character in enumerate("一二三四五六")} | {"日": 6, "天": 6, "末": 5}
ENGLISH_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH_NAME = "(?P<name>" + "|".join(MONTHS) + r")[a-z]*\.?"
WEEKDAY_NAME = "(?P<weekday>" + "|".join(f"{day[:3]}(?:{day[3:]})?" for day in ENGLISH_DAYS) + ")"
RELATIVE = {
    "大后天": 3, "后天": 2, "明天": 1, "明日": 1, "明儿": 1, "今天": 0, "今日": 0, "今儿": 0, "昨天": -1, "前天": -2,
    "day after tomorrow": 2, "tomorrow": 1, "today": 0, "yesterday": -1,
}  # fmt: skip
WEEKS = {"上": -1, "上个": -1, "这": 0, "本": 0, "这个": 0, "下": 1, "下个": 1, "下下": 2, "下下个": 2}


@dataclass(frozen=True)
class SaidDay:
    """A date found in a text, and the text around it."""

    day: date
    before: str
    after: str


def find_day(text: str, today: date) -> SaidDay | None:
    """The first date in a text; of two that begin together the longer one. None when there is none."""
    found = [
        (match.start(), -match.end(), day)
        for pattern, read in READINGS
        if (match := pattern.search(text)) and (day := read(match, today))
    ]
    if not found:
        return None
    start, end, day = min(found)
    return SaidDay(day, text[:start], text[-end:])


def read_day(text: str, today: date) -> date | None:
    """The date a text consists of; None when it says anything else besides."""
    said = find_day(text.strip(), today)
    return said.day if said and not said.before.strip() and not said.after.strip() else None


def number(text: str) -> int:
    """A number in digits or Chinese numerals up to 99."""
    if text.isdigit():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    return (NUMERALS.get(tens, 1) * 10 if ten else 0) + NUMERALS.get(ones, 0)


def on(year: int, month: int, day: int) -> date | None:
    """The date, if there is one."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def next_with(today: date, month: int, day: int) -> date | None:
    """The next such day from today on; 29 February may be years away."""
    years = (on(today.year + ahead, month, day) for ahead in range(9))
    return next((one for one in years if one and one >= today), None)


def relative(match: re.Match[str], today: date) -> date:
    """明天, tomorrow."""
    return today + timedelta(days=RELATIVE[match[0].lower().removeprefix("the ")])


def chinese_weekday(match: re.Match[str], today: date) -> date:
    """周五, 下周三."""
    weekday = WEEKDAYS[match["weekday"]]
    if match["which"] is None:
        return today + timedelta(days=(weekday - today.weekday()) % 7)
    return monday(today) + timedelta(weeks=WEEKS[match["which"]], days=weekday)


def english_weekday(match: re.Match[str], today: date) -> date:
    """Friday, next Friday: the Friday of next week."""
    weekday = next(number for number, day in enumerate(ENGLISH_DAYS) if day.startswith(match["weekday"].lower()[:3]))
    if (match["which"] or "").lower() == "next":
        return monday(today) + timedelta(weeks=1, days=weekday)
    return today + timedelta(days=(weekday - today.weekday()) % 7)


def monday(today: date) -> date:
    """The first day of the week."""
    return today - timedelta(days=today.weekday())


def whole_week(match: re.Match[str], today: date) -> date:
    """下周, next week: its Monday."""
    return monday(today) + timedelta(weeks=WEEKS.get(match["which"], 1))


def month_and_day(match: re.Match[str], today: date) -> date | None:
    """12月1日, 明年3月8日, 2027年3月8日."""
    month, day = number(match["month"]), number(match["day"])
    if match["year"]:
        return on(int(match["year"]), month, day)
    if match["which"]:
        return on(today.year + (match["which"] == "明年"), month, day)
    return next_with(today, month, day)


def day_of_month(match: re.Match[str], today: date) -> date | None:
    """5号, 下个月5号, 月底, 下个月: its first day."""
    ahead = {"下": 1, "下个": 1}.get(match["which"] or "", 0)
    first = today.replace(day=1) + relativedelta(months=ahead)
    if match["end"]:
        return first.replace(day=monthrange(first.year, first.month)[1])
    if not match["day"]:
        return first if ahead else None
    day = on(first.year, first.month, number(match["day"]))
    if match["which"] or (day and day >= today):
        return day
    following = first + relativedelta(months=1)
    return on(following.year, following.month, number(match["day"]))


def later(match: re.Match[str], today: date) -> date:
    """三天后, 两周后, in 3 days; a month later is the same day of that month."""
    count, unit = number(match["count"]), match["unit"].lower()
    if unit in {"天", "日", "day"}:
        return today + timedelta(days=count)
    return today + (relativedelta(months=count) if unit in {"个月", "month"} else relativedelta(weeks=count))


def english_date(match: re.Match[str], today: date) -> date | None:
    """December 1, Dec 1st 2026, 1 December."""
    month, day = MONTHS.index(match["name"].lower()[:3]) + 1, int(match["day"])
    return on(int(match["year"]), month, day) if match["year"] else next_with(today, month, day)


def in_figures(match: re.Match[str], today: date) -> date | None:
    """2026-12-01, 2026/12/1, 12/1, 12-01."""
    month, day = int(match["month"]), int(match["day"])
    return on(int(match["year"]), month, day) if match["year"] else next_with(today, month, day)


def said(pattern: str) -> re.Pattern[str]:
    """A compiled pattern, upper and lower case alike."""
    return re.compile(pattern, re.IGNORECASE)


READINGS: tuple[tuple[re.Pattern[str], Reading], ...] = (
    (said("(?:" + "|".join(word for word in RELATIVE if not word.isascii()) + ")"), relative),
    (said(r"\b(?:the )?(?:" + "|".join(word for word in RELATIVE if word.isascii()) + r")\b"), relative),
    (said(r"(?P<which>下下个?|[上下这]个?|本)?(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天末])"), chinese_weekday),
    (said(r"(?P<which>下下个?|下个?)(?:周|星期|礼拜)(?![一二三四五六日天末])"), whole_week),
    (said(r"\b(?P<which>next) week\b"), whole_week),
    (said(rf"\b(?:(?P<which>next|this)\s+)?{WEEKDAY_NAME}\b"), english_weekday),
    (
        said(rf"(?:(?P<year>\d{{4}})年|(?P<which>[今明]年))?(?P<month>{NUMBER})月份?(?P<day>{NUMBER})[日号]?"),
        month_and_day,
    ),
    (
        said(rf"(?P<which>下个?|这个?|本)?月(?:(?P<end>底|末)|(?P<day>{NUMBER})[日号])|"
             rf"(?P<next_month>下个?)月(?![底末\d一二三四五六七八九十])"),
        lambda match, today: day_of_month(match, today) if not match["next_month"] else first_of_next(today),
    ),
    (said(rf"(?<![月\d一二三四五六七八九十])(?P<which>(?!))?(?P<end>(?!))?(?P<day>{NUMBER})[日号]"), day_of_month),
    (said(rf"(?P<count>{NUMBER})(?:个)?(?P<unit>天|日|周|星期|礼拜)(?:以|之)?后"), later),
    (said(rf"(?P<count>{NUMBER})(?P<unit>个月)(?:以|之)?后"), later),
    (said(r"\bin (?P<count>\d{1,3}) (?P<unit>day|week|month)s?\b"), later),
    (said(rf"\b{MONTH_NAME} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?\b"), english_date),
    (said(rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?{MONTH_NAME}(?: (?P<year>\d{{4}}))?\b"), english_date),
    (said(r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"), in_figures),
    (said(r"(?<![\d/.-])(?P<year>(?!))?(?P<month>\d{1,2})[-/](?P<day>\d{1,2})(?![\d/-])"), in_figures),
    (said(r"\bnext month\b"), lambda _, today: first_of_next(today)),
)  # fmt: skip


def first_of_next(today: date) -> date:
    """The first day of next month."""
    return today.replace(day=1) + relativedelta(months=1)
