"""The words for reports, reviews, briefs and others: whole sentences, since a word of them may mean anything."""

import re
from collections.abc import Iterable

from assistant.questions import (
    BriefReaders,
    CampaignBrief,
    CampaignReview,
    Definition,
    Question,
    ReportsWanted,
    Targets,
    TeamReport,
)

ASK = r"(?:请|帮我|给我|我要|我想|发我|把)?(?:看一?下?|读一?下?|念一?下?|说一?下?|发一?下?|来一?份|要)?"
WEEKLY = re.compile(
    rf"{ASK}(?:团队|店里|我们店)?(?:的)?(?:上周的?|本周的?|这周的?|一周)?(?:团队|店里)?周报"
    r"|(?:the |my |our |show me |give me )*(?:team'?s? )?weekly (?:team )?report"
)
DAILY = re.compile(
    rf"{ASK}(?:团队|店里|我们店)?(?:的)?(?:昨天的?|昨日的?|今天的?)?(?:团队|店里)?(?:日报|晨报|早报)"
    r"|晨会(?:念|读|说|讲)?一?下?(?:的|用的)?(?:昨天的?|昨日的?)?(?:数据|情况|稿|内容)?"
    r"|(?:the |my |our |show me |give me )*(?:team'?s? )?(?:daily|morning) (?:team )?(?:report|briefing)"
)
STOP = re.compile(
    r"(?:不要|不用|别|关掉?|停掉?|取消|退订|把)(?:再)?(?:给我)?(?:发|推|看)?(?:团队)?(?P<which>日报|周报|报告)(?:关|停|取消)?掉?(?:了|吧)?"
    r"|(?:no|stop|stop the|turn off|turn off the|no more) (?:the )?(?P<what>daily |weekly )?reports?"
)
START = re.compile(
    r"(?:恢复|打开|开启|继续|重新)(?:给我)?(?:发|推)?(?:团队)?(?P<which>日报|周报|报告)(?:了|吧)?"
    r"|(?:resume|start|turn on|turn on the|send) (?:the )?(?P<what>daily |weekly )?reports?(?: again)?"
)
REVIEW = re.compile(
    r"(?:看一?下?|上一?[场次个]|上个?)?(?:的)?(?P<name>.{0,20}?)(?:活动)?(?:的)?(?:复盘|总结)(?:一下|报告)?"
    r"|(?:campaign )?review(?: of| for)? ?(?:the )?(?P<english>.{0,30}?)(?: campaign)?"
    r"|(?:the )?(?P<before>.{0,30}?) ?(?:campaign )review"
)
BRIEF = r"(?:活动)?(?:说明|brief|简报|介绍|手册|方案)"
READERS = re.compile(
    rf"(?:还有)?(?:谁|哪些人|哪几个人|哪个)(?:还)?(?:没有?|未)(?:看过?|读过?|打开|点开)(?:过)?(?P<name>.{{0,20}}?)的?{BRIEF}"
    rf"|(?P<other>.{{0,20}}?)的?{BRIEF}(?:都)?(?:还)?(?:有)?(?:谁|哪些人)(?:还)?(?:没有?|未)?(?:看|读)了?过?"
    rf"|(?P<third>.{{0,20}}?)的?{BRIEF}(?:大家)?(?:都)?(?:看|读)(?:完)?了(?:没有?|吗)"
    r"|who (?:has not|hasn't|has|did not|didn't|have not|haven't) (?:yet )?(?:read|seen|opened) "
    r"(?:the )?(?P<english>.{0,30}?) ?(?:campaign )?brief(?: yet)?"
    r"|who (?:read|opened|saw) (?:the )?(?P<past>.{0,30}?) ?(?:campaign )?brief"
)
SHOW_BRIEF = re.compile(
    r"(?:看一?下?|发一?下?|念一?下?|给我看?)?(?:的)?(?P<name>.{0,20}?)的?活动(?:说明|简报|手册|方案)(?:是什么|在哪儿?|呢)?"
    r"|(?:show (?:me )?)?(?:the )?(?P<english>.{0,30}?) ?campaign brief"
)
SENTENCES: tuple[tuple[re.Pattern[str], Question], ...] = (
    (
        re.compile(
            r"(?:我的?|我们的?)?(?:活动)?(?:提成|佣金)(?:是|都是)?(?:怎么|咋|如何|按什么)算(?:的|出来的)?"
            r"|how (?:is|are) (?:my |our |the )?commissions? (?:calculated|computed|worked out|counted)"
        ),
        Definition(metric="commission"),
    ),
    (
        re.compile(
            r"我?(?:平均)?每天(?:还)?(?:要|得|需要|该)再?(?:卖|做)(?:多少|几)(?:钱|业绩|单)?(?:才能达标)?"
            r"|how (?:much|many) (?:must|should|do|does) (?:i|we) (?:need to |have to )?sell (?:a|per|each|every) day"
        ),
        Targets(),
    ),
)
KINDS = {"日报": ("daily",), "周报": ("weekly",), "daily": ("daily",), "weekly": ("weekly",)}


def about_team(said: str, campaigns: Iterable[str]) -> Question | None:
    """The question of a whole sentence about reports, reviews or briefs; None for any other."""
    if fixed := next((question for pattern, question in SENTENCES if pattern.fullmatch(said)), None):
        return fixed
    if WEEKLY.fullmatch(said):
        return TeamReport(kind="weekly")
    if DAILY.fullmatch(said):
        return TeamReport()
    for pattern, wanted in ((STOP, False), (START, True)):
        if found := pattern.fullmatch(said):
            kinds = KINDS.get((found["which"] or found["what"] or "").strip(), ("daily", "weekly"))
            return ReportsWanted(kinds=kinds, wanted=wanted)
    for pattern, kind in ((REVIEW, CampaignReview), (READERS, BriefReaders), (SHOW_BRIEF, CampaignBrief)):
        if found := pattern.fullmatch(said):
            name = campaign_in(next((words for words in found.groups() if words), ""), campaigns)
            return None if name is None else kind(campaign=name)
    return None


def campaign_in(words: str, campaigns: Iterable[str]) -> str | None:
    """The campaign named by these words, its own name or a part of it; empty for no words, None for unknown ones."""
    words = words.strip(" 的这次个本场")
    if not words or words in {"活动", "campaign", "last", "latest", "the"}:
        return ""
    fits = [name for name in campaigns if words in name.casefold() or name.casefold() in words]
    return max(fits, key=lambda name: (name.casefold() == words, -len(name))) if fits else None
