"""The words for rotas, whole sentences: 谁明天休息, 我下周哪天休息, who works today."""

import re

from assistant.questions import ME, RotaQuestion

DAY = (
    r"今天|今日|明天|后天|大后天|(?:这|本|下)?个?(?:周|星期|礼拜)[一二三四五六日天]|\d{1,2}月\d{1,2}[日号]"
    r"|today|tomorrow|(?:on |this |next )?(?:mon|tues|wednes|thurs|fri|satur|sun)day"
)
WEEK = r"(?:这|本|下)个?(?:周|星期|礼拜)|this week|next week"
WORK, OFF = r"上班|值班|在岗|当班|上几天班", r"休息|请假|休假|不上班|轮休|调休|不在"
SHIFTS = f"{OFF}|{WORK}"
ASKS_WHO = re.compile(
    rf"(?P<day>{DAY})?(?:都)?(?:有)?(?:谁|哪些人|哪几个人|哪几个)(?P<then>{DAY})?(?:都|要|在)?(?:{SHIFTS})(?:呢|啊|的)?"
    r"|who(?:'s| is| are)? ?(?:off|away|on leave|not working|works|working|on duty|in)"
    rf" ?(?P<when>{DAY})?"
)
ASKS_MINE = re.compile(
    rf"(?P<before>{DAY}|{WEEK})?我(?P<day>{DAY}|{WEEK})?(?:是|要|用)?(?:哪天|哪几天|什么时候|几号)?(?:{SHIFTS})(?:吗|么|不|呢)?"
    rf"|(?:am i|when am i|do i|when do i) (?:off|away|work|working|on duty) ?(?P<when>{DAY}|{WEEK})?"
)
QUESTION = re.compile(r"吗|么|呢|哪|什么时候|几号|不$|\b(?:am|do|when)\b")


def about_rota(said: str) -> RotaQuestion | None:
    """The question about a rota that a whole sentence asks; None for any other, a day off that is told among them."""
    if found := ASKS_WHO.fullmatch(said):
        return RotaQuestion(whose="", day=found["day"] or found["then"] or found["when"] or "")
    found = ASKS_MINE.fullmatch(said)
    if found and QUESTION.search(said):
        return RotaQuestion(whose=ME, day=found["before"] or found["day"] or found["when"] or "")
    return None
