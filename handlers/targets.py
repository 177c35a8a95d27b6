"""Leaders set targets and KPI sets: 给小王定本月目标 20单/5万; 团队下个月目标50万; 我们店KPI用起步期."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from assistant.people import Unanswerable, named
from assistant.vocabulary import TEAM_WORDS
from assistant.wording import shown, title
from bot.language import gettext as _
from bot.language import language_of, speaking
from bot.outbox import say
from bot.router import Context, Router
from bot.wecom.events import TextMessage
from kpi.measures import METRICS
from kpi.periods import month_of
from kpi.scope import NotYours
from kpi.sets import GMV, GROWTH, START, STEADY, WARMTH, choose, set_of
from kpi.targets import Wanted, departments_led, put_as_leader

router = Router()

VALUE = (
    r"[¥￥]?\d[\d,]*(?:\.\d+)?\s*(?:万|w|k|千)?\s*"
    r"(?:元|块钱?|yuan|rmb|个?订单|单|orders?|个?(?:新客户?|客户|粉丝?|人)|(?:new )?contacts?)?"
)
MONTHS = r"本月|这个?月|当月|下个?月|this month|next month|\d{1,2}月份?"
SETS = re.compile(
    rf"(?:请?(?:给|把|帮|为)\s*)?(?P<who>[^\d\s，,/]{{1,12}}?)\s*(?:的|定|设|设置|设定)*\s*(?P<month>{MONTHS})?\s*的?"
    rf"(?:业绩|订单|销售|拉新)?(?P<word>目标|任务|指标)?\s*(?:定|设|改)?(?:成|为|是|到)?\s*[:：]?\s*"
    rf"(?P<values>{VALUE}(?:\s*(?:[/，,、和]|还有)\s*{VALUE})*)"
    rf"|(?:set|change) (?:the )?(?P<name>.{{1,30}}?)(?:'s|’s)? target(?: for)?(?: (?P<when>{MONTHS}))?(?: to| of|:)?\s*"
    rf"(?P<figures>{VALUE}(?:\s*(?:[/,]|and)\s*{VALUE})*)",
    re.IGNORECASE,
)
FIGURE = re.compile(
    r"(?P<number>\d[\d,]*(?:\.\d+)?)\s*(?P<times>万|w|k|千)?\s*(?P<unit>[^\d/，,、¥￥]*)", re.IGNORECASE
)
TIMES = {"万": 10_000, "w": 10_000, "千": 1_000, "k": 1_000}
KPI_SET = re.compile(
    r"(?:(?:把|给)?(?:我们店|我们团队|团队|本店|全店|部门)的?)?kpi(?:组合|套餐)?(?:用|按|改成|换成|改用|设为|设成)\s*"
    r"(?P<purpose>业绩|口碑)?(?P<stage>起步|启动|成长|增长|稳定|成熟)期?"
    r"|(?:set|switch) (?:the |my )?(?:team'?s? )?kpis? to (?P<aim>gmv|warmth)? ?(?P<phase>start|growth|steady)",
    re.IGNORECASE,
)
SELF = frozenset({"我", "我们", "咱们", "他", "她"})
STAGES = {"起步": START, "启动": START, "成长": GROWTH, "增长": GROWTH, "稳定": STEADY, "成熟": STEADY}


def sets_target(message: TextMessage) -> bool:
    """Whether a text gives somebody a number to reach: says target, or a name, a month and an amount."""
    found = SETS.fullmatch(message.content.strip())
    if found is None:
        return False
    return bool(found["name"] or found["word"] or (found["month"] and found["who"] not in SELF))


def chooses_kpis(message: TextMessage) -> bool:
    """Whether a text chooses a team's KPIs."""
    return KPI_SET.fullmatch(message.content.strip()) is not None


Work = Callable[[re.Match[str], TextMessage, Context], str]


def answered(message: TextMessage, ctx: Context, said: re.Pattern[str], work: Work) -> None:
    """Do it and answer in the question's language."""
    found = said.fullmatch(message.content.strip())
    if found is None:
        return
    with speaking(language_of(message.content, ctx.settings.language)):
        try:
            text = work(found, message, ctx)
        except Unanswerable as reason:
            text = str(reason)
        except NotYours:
            text = _("Targets and KPI sets are the leader's to set, for the team she leads.")
        say(ctx.session, message.userid, text, cause=str(ctx.event_id), now=ctx.now)


@router.on(TextMessage, when=sets_target)
def target_set(message: TextMessage, ctx: Context) -> None:
    """Set the targets, confirm, and tell whose they are."""
    answered(message, ctx, SETS, set_targets)


@router.on(TextMessage, when=chooses_kpis)
def kpis_chosen(message: TextMessage, ctx: Context) -> None:
    """Let the leader's departments look at that set."""
    answered(message, ctx, KPI_SET, choose_kpis)


def set_targets(found: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """Write them. Raises `NotYours`, `Unanswerable`."""
    who, month = (found["who"] or found["name"]).strip(), found["month"] or found["when"] or ""
    today = ctx.now.astimezone(ZoneInfo(ctx.settings.timezone)).date()
    first = month_meant(month, today)
    whose, name = meant(who, message.userid, ctx)
    wanted = [Wanted(one, metric, first, value) for one in whose for metric, value in figures(found).items()]
    put_as_leader(ctx.session, message.userid, wanted, ctx.now)
    told = _(", ").join(
        f"{title(METRICS[metric])} {shown(value, METRICS[metric].unit)}" for metric, value in figures(found).items()
    )
    return _("Target of {name} for {month}: {told}").format(name=name, month=f"{first:%Y-%m}", told=told)


def meant(who: str, leader: str, ctx: Context) -> tuple[list[str], str]:
    """Whose target it is, and what people call her or it. Raises `NotYours`, `Unanswerable`."""
    if re.fullmatch(TEAM_WORDS, who.casefold()):
        led = departments_led(ctx.session, leader)
        if not led:
            raise NotYours("leads no department")
        return [f"department:{one.id}" for one in led], " / ".join(one.name for one in led)
    if who in SELF:
        raise NotYours("nobody sets her own target")
    userid, name = named(ctx.session, who)
    return [f"staff:{userid}"], name


def month_meant(word: str, today: date) -> date:
    """The first day of the month that is said: this one unless another is."""
    first = month_of(today)[0]
    if word.casefold().startswith(("下", "next")):
        return month_of(first + timedelta(days=35))[0]
    number = re.match(r"\d{1,2}", word)
    if number is None or not 1 <= int(number[0]) <= 12:
        return first
    month = int(number[0])
    return date(today.year + (month < today.month), month, 1)


def figures(found: re.Match[str]) -> dict[str, int]:
    """Each number with what it counts: orders, contacts, else money."""
    told: dict[str, int] = {}
    for one in FIGURE.finditer(found["values"] or found["figures"]):
        number = Decimal(one["number"].replace(",", "")) * TIMES.get((one["times"] or "").lower(), 1)
        unit = one["unit"].strip().casefold()
        if "单" in unit or unit.startswith("order"):
            told["orders"] = int(number)
        elif re.search("人|客|粉|contact", unit):
            told["contacts_added"] = int(number)
        else:
            told["amount"] = int(number * 100)
    return told


def choose_kpis(found: re.Match[str], message: TextMessage, ctx: Context) -> str:
    """Write the choice. Raises `NotYours`."""
    purpose = WARMTH if "口碑" in (found["purpose"] or "") or (found["aim"] or "").lower() == WARMTH else GMV
    stage = STAGES.get(found["stage"] or "", "") or (found["phase"] or "").lower()
    if not choose(ctx.session, message.userid, purpose, stage, ctx.now):
        raise NotYours("leads no department")
    ctx.session.flush()
    kpis = set_of(ctx.session, message.userid)
    names = _(", ").join(title(METRICS[name]) for name in kpis.auxiliary)
    return _("Your team's KPIs now – main: {main}; beside it: {names}").format(
        main=title(METRICS[kpis.main]), names=names
    )
