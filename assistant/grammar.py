"""The usual questions, understood without a model: a tool with arguments, or what a follow-up changes of the last one.

A question is taken apart slot by slot — period, whose, groups, metrics — and what is left decides how sure we are: too
many words we do not know, and it is none of ours. Nothing is guessed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assistant.questions import (
    ME,
    TEAM,
    Behind,
    CampaignKpis,
    Changed,
    Clawback,
    CommissionQuestion,
    Credit,
    CustomerQuestion,
    Definition,
    Help,
    LostCustomers,
    More,
    NewCustomers,
    Numbers,
    Question,
    Rank,
    Targets,
)
from assistant.refund_words import TAKEN_BACK, customer_in
from assistant.refund_words import WORDS as REFUND_WORDS
from assistant.rota_words import about_rota
from assistant.team_words import about_team
from assistant.vocabulary import GROUP_WORDS, METRIC_WORDS, TEAM_WORDS, normal
from kpi.period_words import find_period

HELP = re.compile(
    r"help|h|帮助|怎么用|菜单|你?能(干|做|答)(啥|什么)|你会(啥|什么)|what can (you do|i ask)(.*)|how do i use.*"
)
MORE = re.compile(r"更多|继续|还有呢|接着|下一页|more|next|go on|continue|show more")
FOLLOWS = re.compile(r"^(那么?|and|what about|how about|then|so)\b ?|^那|呢$")
DEFINES = re.compile(
    r"什么是|啥是|啥叫|什么叫|叫什么|怎么算出来的?|怎么算的?|是怎么来的|是?什么意思|是?啥意思|解释一?下?|的?定义|是什么$"
    r"|what does|what is|what's|whats|what are|how is|how are|calculated|computed|worked out|\bmeans?\b|define"
    r"|definition of|meaning of|explain"
)
CREDITS = (
    re.compile(r"(?P<name>.+?)(?:的|那|这|昨天|今天)*[单订][单]?(?:咋|怎么|为什么|为啥)(?:没有?|不)?(?:算|归|是).*"),
    re.compile(r"(?:这|那)[一]?单(?:算|归)(?:谁|哪个)的? ?(?P<name>.+)"),
    re.compile(r"(?P<name>.+?)(?:的|那|这)+[单订][单]?(?:算|归)(?:谁|哪个).*"),
    re.compile(
        r"why (?:isn't|is not|wasn't|was not|aren't) (?P<name>.+?)(?:'s)? (?:order|sale|purchase)s? "
        r"(?:not )?(?:mine|my.*|credited.*)"
    ),
    re.compile(r"whose (?:order|sale) (?:is|was) (?P<name>.+?)(?:'s)?(?: order)?"),
)  # fmt: skip
CUSTOMER = (
    re.compile(r"(?:帮我?)?(?:查一?下?|找一?下?|看一?下?)(?:客户)? ?(?P<name>[^的]{1,12})(?:的资料|的信息|的情况)?"),
    re.compile(r"(?P<name>.{1,12}?)(?:的资料|的信息|的档案|的情况|买过什么|买过啥|买了什么|什么时候来过)"),
    re.compile(r"(?:这个?)?客户 ?(?P<name>.{1,12}?)(?:是谁名下的?|归谁|是谁的?(?:客户)?)?"),
    re.compile(r"(?P<name>.{1,12}?)(?:是谁名下的?|是谁的客户|归谁管)"),
    re.compile(
        r"(?:look up|lookup|find|search|show)(?: me)?(?: customer| client)? (?P<name>[a-z0-9\u4e00-\u9fff .]{1,30})"
    ),
    re.compile(r"(?:customer|client) (?P<name>[a-z0-9\u4e00-\u9fff .]{1,30})"),
    re.compile(r"who is (?P<name>[a-z\u4e00-\u9fff .]{1,30})"),
    re.compile(r"what (?:did|has) (?P<name>[a-z\u4e00-\u9fff .]{1,30}?) (?:buy|bought|order|ordered)"),
)  # fmt: skip
NOT_NAMES = re.compile(
    r"名单|列表|数据|数字|进度|排名|业绩|活动|目标|提成|团队|numbers|kpi|sales|campaign|progress|stats|rank|list|lost|new|me$"
    r"|流失|数量|总数|资产|客户$|我的|多少"
)
CAMPAIGNS = re.compile(r"活动|大促|促销|campaigns?|promos?|promotions?")
UNKNOWN_CAMPAIGN = re.compile(
    r"(?P<name>[\u4e00-\u9fff0-9]{2,20}?|[a-z0-9]+(?: [a-z0-9]+){0,2}) ?"
    r"(?:活动|大促|促销|campaigns?|promos?|promotions?)"
)
NO_CAMPAIGNS = re.compile(
    r"帮忙|麻烦|请|这[个次]|那个|本次|当前|最近|所有|全部|进行|店|人|current|running|every|latest|active|other|kpi|any"
)
"""What stands before 活动 without being its name."""
COMMISSIONS = re.compile(
    r"提成|佣金|奖金|升一?档|下一?档|能拿多少钱?|拿多少钱"
    r"|commissions?|bonus(?:es)?|next tier|next step up|do i earn|did i earn|i make"
)
RANKS = re.compile(
    r"排第几|排名第?几?|第几名?|名次|排行|上一名|前一名|第一名"
    r"|ranking|rank|where do i stand|behind the next|next one|leaderboard"
)
TARGETS = re.compile(r"目标|还差|差多少|达标|任务|完成率|指标|targets?|goals?|\bgap\b|on track|left to|quota")
GAP = re.compile(r"还差|差多少|达标|\bgap\b|on track|left to")
LOST = re.compile(
    r"删了我|把我删|流失|掉了|丢了|谁删|拉黑"
    r"|deleted me|lost customers?|customers? lost|customers? did we lose|did (?:i|we) lose|who left|losses"
)
LOSS_REASONS = re.compile(
    r"(?:流失|掉粉|删除|删粉|删我们?|走)的? ?原因"
    r"|(?:为什么|为啥|为何|因为什么|因为啥) ?(?:会|要|都)?(?:流失|掉粉|删|走了?$)"
    r"|loss reasons?|reasons? (?:for|of) (?:the )?loss(?:es)?|why .{0,20}\b(?:leave|left|leaving|lost|delet\w+)\b"
)
NEW = re.compile(
    r"加了我|加我的|新客户名单|新加的客户|新客名单|新来的客户|新好友名单"
    r"|added me|new customers?(?: list)?|new customers come from"
)
WHY = re.compile(
    r"(?:为啥|为什么|为何).*(?:差|降|跌|少|掉|低|下滑|不行|好|涨|升|多|高)|(?:咋|怎么).*(?:差|降|跌|掉|下滑|少了|低了)"
    r"|环比|比.{1,6}(?:差|好|多了?|少|低|高|怎么样|如何|咋样)|(?:和|跟|与).{1,6}相?比"
    r"|\bwhy\b.*\b(?:worse|better|down|up|lower|higher|drop(?:ped)?|fall(?:en)?|fell|less|fewer|more|different)\b"
    r"|compared (?:to|with)|\bvs\b|versus|(?:worse|better|lower|higher) than|(?:week|month)[- ]on[- ](?:week|month)"
    r"|正常[吗么不]|(?:咋|怎么)(?:会|突然|这么|那么)*.{0,3}[高低多少]|掉哪儿?|\bnormal\b|\bwhat happened to\b"
)
COMPARED = re.compile(
    r"(?:比|和|跟|与|对比|\bvs\.?|versus|than|compared (?:to|with)) ?(?:the )?"
    r"(?P<with>上个?(?:周|星期|礼拜|月|季度?)|昨天|去年|上一?期|之前|以前"
    r"|last (?:week|month|quarter|year)|yesterday|before)"
    r"(?:同期)?(?:相?比)?"
)
THIS = (("周|星期|礼拜|week", "this_week"), ("月|month", "this_month"), ("季|quarter", "this_quarter"),
        ("年|year", "this_year"), ("昨|yesterday", "today"))  # fmt: skip
"""With what it is compared → what is compared."""
CHANGE_WORDS = re.compile(
    r"为啥|为什么|为何|咋样?|怎么样?|如何|原因|这么|那么|变|下降|下滑|降低|[差降跌少掉低好涨升多高比]|不行|环比|对比|正常|突然|会|哪儿?"
    r"|\b(?:normal|happened|usual|r)\b"
    r"|\b(?:why|worse|better|down|up|lower|higher|drop(?:ped)?|fall(?:en)?|fell|less|fewer|more|different|than|compared|versus|vs)\b"
    r"|(?:week|month)[- ]on[- ](?:week|month)"
)
DETAILS = re.compile(
    r"明细|详情|哪些客户|是?哪几[个位](?:客户)?|是哪些人|哪些人|都有谁|都是谁|(?:的)?(?:客户)?名单"
    r"|which ones|^who (?:are|were) the|^list|(?:show )?(?:me )?(?:the )?details?"
    r"|which customers|who are they|(?:the )?customers behind(?: it| that)?"
)
OVERVIEW = re.compile(
    r"数据|咋样了?|怎么样了?|如何|表现|情况|kpi|numbers?|stats|statistics|doing|going|performance|results|figures|score"
)
WE = re.compile(r"\b(?:we|our)\b")
FILLERS = re.compile(
    r"我自己的?|我的|我们的?|我|咱们?的?|帮我|请问|看一?下|查一?下|看看|告诉我|说一?下|一下|现在|目前|到底|总共|一共|大概|个人"
    r"|有哪些|是从哪儿?来的|从哪里?来的|的?那?几个|是多少|有多少|是谁|多少|几个|有几个|做了|做得|做的?|卖得|完成|进展|进度|名单|客户|哪些|谁"
    r"|还差|离|还有多远|有多远|每天要|才能|要|能|按|分|各个?|每个?|确认|吗|了|啊|呀|吧|呢|嘛|的|和|与|及|跟|、|,|;|:|是|有|在|还|差|上|里|都|把|没|该|今"
    r"|\b(?:my|mine|i|me|we|our|us|the|a|an|of|for|in|on|to|at|by|from|and|is|are|am|was|were|do|did|does|how|much|many|what|what's"
    r"|whats|how's|where|which|who|when|that|this|it|show|tell|give|please|pls|number|far|have|has|had|so|get|got|make|made|most|left"
    r"|now|currently|total|overall|there|all|list|progress|'s|s|come|up|sell|sold|add|added|then|about|customers?|you|can|with)\b"
)  # fmt: skip
NICKNAME = re.compile(
    r"(?<![\u4e00-\u9fff])(?:小[\u4e00-\u9fff]|[\u4e00-\u9fff]姐|[\u4e00-\u9fff]哥|老[\u4e00-\u9fff])"
)
NOT_NICKNAMES = frozenset({"小姐", "大姐", "大哥", "小组", "小单", "小时", "小结"})
SURE_LETTERS = 2
"""So many characters (English: words) may be left over before a question is none of ours."""


@dataclass(frozen=True)
class Known:
    """Names the grammar may meet: of staff and of campaigns."""

    staff: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Slots:
    """What a sentence names, and the words nobody knows."""

    period: str = ""
    whose: str = ""
    group_by: str = ""
    metrics: tuple[str, ...] = ()
    campaign: str = ""
    rest: str = ""

    @property
    def unknown(self) -> int:
        """How many characters of Chinese and words of English are left."""
        han = sum("\u4e00" <= letter <= "\u9fff" for letter in self.rest)
        return han + len(re.findall(r"[a-z0-9]+", self.rest))


@dataclass(frozen=True)
class FollowUp:
    """A question that only changes the one before: the slots that are given replace its own."""

    slots: Slots
    behind: bool = False
    """It asks for the customers behind the number before."""


def understand(text: str, known: Known = Known()) -> Question | FollowUp | None:
    """The question, or the change to the last one; None when it is none of ours."""
    said = normal(text)
    if not said or HELP.fullmatch(said):
        return Help() if said else None
    if MORE.fullmatch(said):
        return More()
    sentence = credit_of(said) or about_team(said, known.campaigns) or about_rota(said)
    if whole := sentence or taken_back(said, known) or change_of(said, known):
        return whole
    marked = bool(FOLLOWS.search(said))
    slots = taken_apart(FOLLOWS.sub(" ", said) if marked else said, known)
    if DEFINES.search(said) and slots.metrics and not re.search(r"我|\bmy\b", said):
        return Definition(metric=slots.metrics[0])
    if DETAILS.fullmatch(said) and not slots.metrics:
        return FollowUp(slots, behind=True)
    question = None if marked else asked(said, slots)
    return question or customer_of(said, slots) or follow_up(slots, marked=marked)


def credit_of(said: str) -> Question | None:
    """Whose is her order?"""
    period, rest = find_period(said)
    for pattern in CREDITS:
        if found := pattern.fullmatch(re.sub(r"\s+", "" if re.search("[\u4e00-\u9fff]{3}", rest) else " ", rest)):
            return Credit(name=found["name"].strip(), period=period or "")
    return None


def taken_back(said: str, known: Known) -> Question | None:
    """What do refunds cost me?"""
    if not TAKEN_BACK.search(said):
        return None
    period, rest = find_period(said)
    whose, rest = whose_in(rest, Known(known.staff))
    name = "" if whose not in {"", ME} else customer_in(rest)
    left = FILLERS.sub(" ", REFUND_WORDS.sub(" ", rest.replace(name, " ") if name else rest))
    if Slots(rest=left).unknown > SURE_LETTERS:
        return None
    return Clawback(whose=whose or ME, period=period or "", name=name)


def change_of(said: str, known: Known) -> Question | None:
    """Why is it better or worse than before?"""
    if not WHY.search(said) or group_in(said)[0] == "buyer":  # new vs returning: two groups of one period
        return None
    compared = COMPARED.search(said)
    unit = next((period for words, period in THIS if compared and re.search(words, compared["with"])), "")
    slots = taken_apart(FOLLOWS.sub(" ", COMPARED.sub(" ", said)), known)
    left = Slots(rest=DETAILS.sub(" ", OVERVIEW.sub(" ", CHANGE_WORDS.sub(" ", slots.rest))))
    if left.unknown or not (slots.metrics or slots.period or slots.whose or compared):
        return None
    return Changed(metric=next(iter(slots.metrics), ""), whose=slots.whose, period=slots.period or unit)


def customer_of(said: str, slots: Slots) -> Question | None:
    """Who is this customer?"""
    for pattern in CUSTOMER:
        found = pattern.fullmatch(said)
        if found and not NOT_NAMES.search(found["name"]) and not slots.metrics:
            return CustomerQuestion(name=found["name"].strip())
    return None


def taken_apart(said: str, known: Known) -> Slots:
    """Period, whose, groups, metrics and campaign of a sentence, and the rest."""
    campaign, said = first_name(said, known.campaigns)
    metrics, said = metrics_in(said)
    period, said = find_period(said)
    group_by, said = group_in(said)
    whose, said = whose_in(said, known)
    if not whose and group_by in {"staff", "store", "department"}:
        whose = TEAM
    rest = re.sub(r"\s+", " ", FILLERS.sub(" ", said)).strip(" '-")
    return Slots(period or "", whose, group_by, tuple(metrics), campaign, rest)


def first_name(said: str, names: Iterable[str]) -> tuple[str, str]:
    """The longest of these names in a sentence, and the sentence without it."""
    found = max((name for name in names if name and name.casefold() in said), key=len, default="")
    return found, said.replace(found.casefold(), " ", 1) if found else said


def metrics_in(said: str) -> tuple[list[str], str]:
    """The metrics a sentence names, in its order, and the sentence without them."""
    found: list[tuple[int, str]] = []
    for word, name in METRIC_NAMES:
        place = position(said, word)
        if place is not None and name not in (one for _, one in found):
            found.append((place, name))
            said = said[:place] + "\0" * len(word) + said[place + len(word) :]
    return [name for _, name in sorted(found)], said.replace("\0", " ")


def position(said: str, word: str) -> int | None:
    """Where a word stands: English ones as whole words."""
    place = said.find(word)
    if place < 0 or not word.isascii():
        return place if place >= 0 else None
    found = re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", said)
    return found.start() if found else None


METRIC_NAMES = sorted(
    ((word, name) for name, words in METRIC_WORDS.items() for word in words), key=lambda one: -len(one[0])
)
"""The longest first: 早期删粉率 before 删粉率."""


def group_in(said: str) -> tuple[str, str]:
    """What a sentence wants its numbers grouped by."""
    for group, words in GROUP_WORDS.items():
        if found := re.search(words, said):
            return group, f"{said[: found.start()]} {said[found.end() :]}"
    return "", said


def whose_in(said: str, known: Known) -> tuple[str, str]:
    """Whose numbers: the team's, a named member's, one's own when said so."""
    if found := re.search(rf"(?:{TEAM_WORDS})(?![a-z])", said):
        return TEAM, f"{said[: found.start()]} {said[found.end() :]}"
    name, without = first_name(said, known.staff)
    if name:
        return name, re.sub(r"^ *'s\b|(?<= )'s\b", " ", without)
    nick = NICKNAME.search(said)
    if nick and nick[0] not in NOT_NICKNAMES:
        return nick[0], said.replace(nick[0], " ", 1)
    if WE.search(said):
        return TEAM, WE.sub(" ", said)
    return (ME, said) if re.search(r"我|\b(?:my|mine|me|i)\b", said) else ("", said)


def asked(said: str, slots: Slots) -> Question | None:
    """The question of a sentence that stands by itself: the first that fits."""
    whose, period, metric = slots.whose or ME, slots.period, next(iter(slots.metrics), "")

    def sure(pattern: re.Pattern[str]) -> bool:
        """The pattern is there, and nothing much beside it is unknown."""
        return bool(pattern.search(said)) and Slots(rest=pattern.sub(" ", slots.rest)).unknown <= SURE_LETTERS

    named, others = unknown_campaign(slots)
    campaign = slots.campaign or CAMPAIGNS.search(said)
    new = NEW.search(said) and metric in {"", "contacts_added"} and not position(said, "new contacts")
    choices: list[tuple[object, Question]] = [
        (sure(RANKS), Rank(metric=metric, period=period)),
        (sure(COMMISSIONS), CommissionQuestion(whose=whose, period=period)),
        (
            campaign and metric in {"", "amount"} and campaign_words(said, others),
            CampaignKpis(whose=whose, period=period, campaign=slots.campaign or named),
        ),
        ((not metric or GAP.search(said)) and sure(TARGETS), Targets(whose=whose, period=period)),
        (
            metric in {"", "contacts_lost"} and sure(LOSS_REASONS),
            Numbers(metrics=("contacts_lost",), whose=slots.whose, period=period, group_by="reason"),
        ),
        (not metric and sure(LOST), LostCustomers(whose=whose, period=period)),
        (new, NewCustomers(whose=whose, period=period)),
        (metric and sure(DETAILS), Behind(metric=metric, whose=slots.whose, period=period)),
        (
            metric and slots.unknown <= SURE_LETTERS,
            Numbers(metrics=slots.metrics, whose=slots.whose, period=period, group_by=slots.group_by),
        ),
    ]
    return next((question for fits, question in choices if fits), None) or overview(said, slots)


def unknown_campaign(slots: Slots) -> tuple[str, Slots]:
    """The words before 活动 that are no campaign's whole name, a part of one or nobody's; and what else was said."""
    left = Slots(rest=OVERVIEW.sub(" ", TARGETS.sub(" ", slots.rest)))
    found = None if slots.campaign else UNKNOWN_CAMPAIGN.search(left.rest)
    if found is None or NO_CAMPAIGNS.search(found["name"]):
        return "", slots
    return found["name"], Slots(rest=left.rest.replace(found["name"], " ", 1))


def campaign_words(said: str, slots: Slots) -> bool:
    """Whether little beside the campaign and words of progress is left."""
    known = re.compile(f"{CAMPAIGNS.pattern}|{OVERVIEW.pattern}|{TARGETS.pattern}|我?做了?多少|完成|业绩")
    return bool(known.search(said)) and Slots(rest=known.sub(" ", slots.rest)).unknown <= SURE_LETTERS


def overview(said: str, slots: Slots) -> Question | None:
    """My numbers, how am I doing: only when every word is understood."""
    if not OVERVIEW.search(said) and not (slots.group_by and slots.metrics):
        return None
    rest = Slots(rest=OVERVIEW.sub(" ", re.sub("[啥看]|什么", " ", slots.rest)))
    if rest.unknown or not (slots.whose or slots.period):
        return None
    return Numbers(whose=slots.whose, period=slots.period, group_by=slots.group_by)


def follow_up(slots: Slots, *, marked: bool) -> FollowUp | None:
    """What a short sentence changes of the question before; None when it says nothing of that kind."""
    named = slots.period or slots.whose or slots.group_by or slots.metrics or slots.campaign
    if not named or slots.unknown > (SURE_LETTERS if marked else 0):
        return None
    return FollowUp(slots)


def carried_on(last: Question | None, change: FollowUp) -> Question | None:
    """The question before with what the follow-up changes; a plain question where there is none before."""
    slots = change.slots
    if change.behind:
        kept = last.model_dump() if last else {}
        metric = next(iter(kept.get("metrics", ())), kept.get("metric", ""))
        return Behind(metric=metric, whose=kept.get("whose", ""), period=kept.get("period", "")) if metric else None
    if slots.metrics and (last is None or not {"metrics", "metric"} & set(type(last).model_fields)):
        base = last.model_dump() if last else {}
        kept = {name: base[name] for name in ("whose", "period") if base.get(name)}
        last = Numbers(**kept)
    if last is None:
        return None
    fields = type(last).model_fields
    given: dict[str, Any] = {
        "period": slots.period, "whose": slots.whose, "group_by": slots.group_by, "campaign": slots.campaign,
        "metrics": slots.metrics, "metric": slots.metrics[0] if slots.metrics else "",
    }  # fmt: skip
    changes = {name: value for name, value in given.items() if value and name in fields}
    return type(last).model_validate(last.model_dump() | changes) if changes else None
