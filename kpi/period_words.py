"""The words for periods: finds the one a sentence names and gives back the sentence without it."""

import re
from collections.abc import Callable

DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
NUMBER = r"(\d{1,4}|[一二两三四五六七八九十]{1,3})"
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
MONTH_NAME = rf"({'|'.join(name[:3] + f'(?:{name[3:]})?' if name != 'may' else 'may' for name in MONTHS)}|sept)"
SPELLED = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10, "thirty": 30}


def number(text: str) -> int:
    """A count in figures, or in Chinese or English words up to 99."""
    if text.isdigit():
        return int(text)
    if text in SPELLED:
        return SPELLED[text]
    tens, ten, ones = text.rpartition("十")
    return (DIGITS.get(tens, 1) * 10 if ten else 0) + DIGITS.get(ones, 0)


def month_number(name: str) -> int:
    """Of an English month, in full or its first letters."""
    return next(place for place, full in enumerate(MONTHS, 1) if full.startswith(name[:3]))


Say = Callable[[re.Match[str]], str]


def days_between(found: re.Match[str]) -> str:
    """One day, or the first and the last: year (perhaps none), month, day of each."""
    parts = found.groups()
    first, last = parts[:3], parts[3:]
    year = first[0] or (last[0] if last else None) or "-"
    days = [f"{part[0] or year}-{int(part[1]):02}-{int(part[2]):02}" for part in (first, last) if part]
    return "..".join(days)


ISO_DAY = r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})"
SPOKEN_DAY = r"(?:(\d{4})年)?(\d{1,2})月(\d{1,2})"
COUNT = r"(\d{1,4}|one|two|three|four|five|six|seven|ten|thirty)"
PATTERNS: list[tuple[str, str | Say]] = [
    (rf"{ISO_DAY} ?(?:到|至|~|-|\.\.|to|until) ?{ISO_DAY}", days_between),
    (ISO_DAY, days_between),
    (rf"{SPOKEN_DAY}[日号]?(?:到|至|-|~){SPOKEN_DAY}[日号]?", days_between),
    (rf"{SPOKEN_DAY}[日号]", days_between),
    (r"(\d{4})年(\d{1,2})月份?", lambda m: f"{m[1]}-{int(m[2]):02}"),
    (r"(\d{4})[-./](\d{2})(?!\d)", lambda m: f"{m[1]}-{m[2]}"),
    (r"去年(\d{1,2})月份?", lambda m: f"last_year-{int(m[1]):02}"),
    (rf"(?:最近|近|过去|这)的?{NUMBER}个?(天|日|周|星期|礼拜|月)", lambda m: f"last_{number(m[1])}_{unit(m[2])}s"),
    (rf"{NUMBER}天(?:内|以来)", lambda m: f"last_{number(m[1])}_days"),
    (rf"(?:the )?(?:last|past|previous|latest) {COUNT} (day|week|month)s?", lambda m: f"last_{number(m[1])}_{m[2]}s"),
    (r"最近|近期|这几天|这两天|lately|recently", "last_7_days"),
    (r"大前天|前天|前日|(?:the )?day before yesterday", "before_yesterday"),
    (r"昨天|昨日|昨晚|昨儿|昨|yesterday|yday|ystd", "yesterday"),
    (r"今天|今日|今儿|今晚|当天|当日|今早|today|2day|tdy", "today"),
    (r"明天|后天|明儿|tomorrow", "tomorrow"),
    (r"上上个?(?:周|星期|礼拜)|(?:the )?week before last", "before_last_week"),
    (r"上个?(?:周|星期|礼拜)|last wee?k|last wk|previous week|prev week", "last_week"),
    (r"下个?(?:周|星期|礼拜)|next week", "next_week"),
    (r"(?:本|这|这个|这一|当)(?:周|星期|礼拜)|this wee?k|this wk|(?:the )?current week|wtd|week to date", "this_week"),
    (r"上上个?月份?|(?:the )?month before last", "before_last_month"),
    (r"上个?月份?|last mon?th|last mo\b|previous month|prev month", "last_month"),
    (r"下个?月|next month", "next_month"),
    (r"(?:本|这|这个|当|这一)个?月份?|this mon?th|this mo\b|(?:the )?current month|mtd|month to date", "this_month"),
    (r"上个?季度?|last quarter|previous quarter|last qtr", "last_quarter"),
    (r"下个?季度?|next quarter", "next_quarter"),
    (r"(?:本|这|这个|当)个?季度?|this quarter|(?:the )?current quarter|qtd|this qtr", "this_quarter"),
    (r"去年|上一?年度?|last year|previous year", "last_year"),
    (r"明年|next year", "next_year"),
    (r"今年|本年度?|这一?年|年度|this year|(?:the )?current year|ytd|year to date", "this_year"),
    (r"(\d{1,2})月(?!\d{1,2}[日号])份?", lambda m: f"--{int(m[1]):02}"),
    (r"(十[一二]|[一二三四五六七八九十])月份?", lambda m: f"--{number(m[1]):02}"),
    (rf"\b(?:in |of |for )?{MONTH_NAME} (\d{{4}})\b", lambda m: f"{m[2]}-{month_number(m[1]):02}"),
    (rf"\b(?:(?:in|of|for|during) {MONTH_NAME}|(?!may){MONTH_NAME})\b",
     lambda m: f"--{month_number(m[1] or m[2]):02}"),
    (r"(\d{4})年", lambda m: m[1]),
    (r"\b(?:in |for )(20\d\d)\b", lambda m: m[1]),
]  # fmt: skip
COMPILED = [(re.compile(pattern), says) for pattern, says in PATTERNS]
UNIT = {"天": "day", "日": "day", "周": "week", "星期": "week", "礼拜": "week", "月": "month"}
CAMPAIGN = re.compile(
    r"([\w\u4e00-\u9fff-]{2,20}?)(?:活动)?(?:期间|那几天|档期)"
    r"|during (?:the )?([\w\u4e00-\u9fff -]{2,30}?) (?:campaign|promotion)"
)


def unit(word: str) -> str:
    """day, week or month."""
    return UNIT[word]


def find_period(text: str) -> tuple[str | None, str]:
    """The written form of the period a sentence names, and the sentence without it; None when it names none."""
    for pattern, says in COMPILED:
        if found := pattern.search(text):
            name = says if isinstance(says, str) else says(found)
            return name, f"{text[: found.start()]} {text[found.end() :]}".strip()
    if found := CAMPAIGN.search(text):
        name = (found[1] or found[2]).strip()
        return f"campaign:{name}", f"{text[: found.start()]} {text[found.end() :]}".strip()
    return None, text
