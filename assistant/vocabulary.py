"""The words staff use for numbers and people, and how slips of finger and voice are put right."""

import re
import unicodedata
from functools import cache

from rapidfuzz import fuzz, process

from contacts.spelling import syllable

METRIC_WORDS: dict[str, tuple[str, ...]] = {
    "cost_per_lead": ("线索成本", "留资成本", "单个线索多少钱", "cost per lead", "cpl"),
    "payback_days": ("回本天数", "回本周期", "多久回本", "几天回本", "payback days", "payback", "days to pay back"),
    "visit_rate": ("到店率", "到访率", "visit rate"),
    "delivery_rate": ("触达率", "送达率", "delivery rate", "reach rate"),
    "response_rate": ("响应率", "response rate"),
    "speed_to_lead": (
        "首次联系时长", "多久联系新客", "新客多久联系", "首次跟进时长", "跟进速度", "speed to lead",
        "time to first contact",
    ),
    "tagging_rate": ("打标率", "打标签率", "标签率", "tagging rate", "tagged rate"),
    "todo_on_time_rate": ("待办按时率", "按时完成率", "待办及时率", "to-dos done in time", "todo on time rate",
                          "on time rate", "on-time rate"),
    "todo_done_rate": ("待办完成率", "任务完成率", "sop完成率", "to-do done rate", "todo done rate", "to-dos done",
                       "todo completion rate"),
    "todos_overdue": ("逾期待办数", "多少个逾期待办", "多少待办逾期", "逾期了多少待办", "number of overdue to-dos",
                      "overdue to-do count", "overdue todo count"),
    "amount_per_head": ("人效", "人均业绩", "人均产出", "amount per head", "sales per head", "per-head sales"),
    "active_staff_rate": ("导购活跃率", "员工活跃率", "active staff rate"),
    "share_rate": ("分享率", "share rate", "sharing rate"),
    "satisfaction": ("满意度", "客户评分", "satisfaction score", "satisfaction", "csat"),
    "complaints_per_1000": ("千人投诉数", "投诉率", "千人投诉", "complaints per 1000", "complaints per 1,000",
                            "complaint rate"),
    "interest_rate": ("兴趣率", "interest rate"),
    "stay_rate": ("留存率", "stay rate", "retention rate", "retention"),
    "active_rate": ("活跃率", "客户活跃率", "active rate"),
    "bought_together": (
        "一起买的商品", "一起买的产品", "一起买了什么", "一起买什么", "哪些商品一起买", "什么和什么一起买", "一起买",
        "搭着买", "搭配购买", "连带购买", "关联购买", "bought together", "buy together", "sells together",
        "sell together", "market basket", "basket analysis",
    ),
    "customers_brought": (
        "老带新客户数", "老带新", "谁带来的人最多", "谁带来的客户最多", "谁带的人最多", "谁介绍的人最多",
        "谁介绍的最多", "谁转介绍最多", "谁带来的新客最多", "带来的新客", "customers brought",
        "who brought the most customers", "who brought the most people", "who brought the most", "who brought most",
        "who referred the most", "top referrers", "best referrers",
    ),
    "contacts_lost": ("流失客户数", "流失数", "流失多少", "掉了多少客户", "contacts lost", "number of lost customers"),
    "platform_losses": ("平台删除拉黑数", "删除拉黑数", "deleted or blocked"),
    "orders_per_buyer": ("人均单数", "人均几单", "购买频次", "orders per buyer"),
    "product_sales": ("商品销售额", "商品销量", "什么卖得好", "哪个产品卖得好", "哪些商品卖得好", "product sales",
                      "best sellers", "top products"),
    "campaign_roi": ("活动投产比", "活动投入产出", "活动roi", "campaign roi"),
    "channel_roi": ("渠道投产比", "渠道投入产出", "渠道roi", "channel roi"),
    "return_on_spend": ("投入产出比", "投产比", "return on spend", "roas"),
    "amount_per_buyer": ("客单价", "人均消费", "amount per buyer", "sales per buyer", "spend per buyer"),
    "amount_per_order": ("笔单价", "单均价", "每单多少钱", "amount per order", "average order value", "aov"),
    "items_per_order": ("连带率", "件单", "items per order", "pieces per order"),
    "items_per_buyer": ("客件数", "items per buyer"),
    "early_delete_rate": (
        "早期删粉率", "7天内删除率", "7天删粉率", "七天内删除率", "early delete rate", "early loss rate",
    ),
    "delete_rate": ("删粉率", "掉粉率", "流失率", "删除率", "delete rate", "loss rate", "churn rate", "churn"),
    "repurchase_cycle_days": ("复购周期", "回购周期", "多久买一次", "repurchase cycle"),
    "first_order_days": ("首单天数", "多久下首单", "多久首单", "days to first order", "time to first order"),
    "buy_back_rate": ("回购率", "buy-back rate", "buy back rate"),
    "repeat_rate": ("复购率", "复购", "repeat rate", "repurchase rate", "repeat purchase rate"),
    "lead_success_rate": ("引流成功率", "引流率", "lead success rate", "lead success"),
    "service_success_rate": ("服务成功率", "service success rate"),
    "cash_success_rate": ("变现成功率", "变现率", "cash success rate", "conversion rate"),
    "scene_conversion_rate": ("场景转化率", "转化率", "scene conversion rate"),
    "pass_on_rate": ("营销传递率", "传递率", "pass-on rate", "pass on rate"),
    "private_performance": ("私域业绩", "私域销售", "private performance", "private domain sales", "private sales"),
    "contribution_rate": ("贡献率", "私域占比", "contribution rate"),
    "interaction_rate": ("互动率", "interaction rate"),
    "add_rate": ("加粉率", "add rate"),
    "cost_per_add": ("加粉成本", "加一个粉多少钱", "加粉一个多少钱", "cost per add", "cost per contact"),
    "cac": ("获客成本", "拉新成本", "cac", "acquisition cost"),
    "ltv_365": ("365天客户价值", "一年价值", "年价值", "365天ltv", "ltv 365", "one year value"),
    "ltv_90": ("90天客户价值", "90天ltv", "90天价值", "ltv 90", "90 day ltv", "90-day ltv"),
    "ltv_30": ("30天客户价值", "30天ltv", "30天价值", "ltv 30", "30 day ltv", "30-day ltv", "ltv"),
    "referral_rate": ("转介绍率", "老带新率", "转介率", "referral rate"),
    "staff_reply_rate": ("回复率", "reply rate"),
    "first_reply_minutes": ("首次回复时长", "首响", "回复时长", "first reply time"),
    "customer_assets": ("用户资产表", "用户资产", "客户资产表", "customer assets"),
    "reachable_contacts": (
        "导购客群资产数", "客群资产", "客户总数", "手上有多少客户", "有多少客户", "多少个客户", "客户数量", "粉丝数",
        "好友数",
        "reachable contacts", "how many customers do i have", "how many customers", "total customers",
    ),
    "contacts_added": (
        "新增客户数", "新增客户", "加了多少人", "加了多少个", "加了几个微信", "加了几个人", "加了几个", "加了多少粉",
        "新增好友",
        "加粉数", "加粉", "拉新", "新客数", "新增", "加人",
        "contacts did i add", "contacts added", "new contacts", "added contacts", "contacts", "adds",
    ),
    "refunds": ("退款金额", "退款", "退了多少钱", "退了多少", "退货", "refunds", "refund", "refunded"),
    "orders": ("订单数", "成交几单", "成交多少单", "多少单", "几单", "订单", "单量", "单数", "单子", "下单", "orders"),
    "buyers": ("成交客户数", "成交客户", "买家", "多少人买", "几个人买", "成交人数", "buyers", "paying customers"),
    "amount": (
        "业绩", "销售额", "营业额", "流水", "卖了多少钱", "卖了多少", "卖多少", "gmv",
        "sales", "sale", "revenue", "turnover",
        "how much did i sell", "how much did we sell", "did i sell",
    ),
}  # fmt: skip
TEAM_WORDS = (
    r"我们团队|团队里?|我们店|咱们店|咱店|全店|本店|店里|我们组|组里|小组|部门|大家|全员|所有人|手下|底下人"
    r"|the team'?s?|my team'?s?|our team'?s?|teams?'?s?|our store'?s?|the store'?s?|our shop'?s?|everyone|everybody"
)
GROUP_WORDS = {
    "day": r"按天看?|按日看?|每天的|逐日|走势|趋势|day by day|(?:by|per) day|daily|trend",
    "week": r"按周看?|每周的?|逐周|week by week|(?:by|per) week|weekly",
    "month": r"按月看?|每个?月的|逐月|month by month|(?:by|per) month|monthly",
    "staff": r"每个人的?|按人看?|按员工|按导购|分人|各人|各导购|(?:by|per) (?:staff|member|person|rep|head)",
    "channel": r"按渠道看?|各个?渠道的?|每个渠道的?|分渠道|(?:by|per) channel",
    "store": r"按门店看?|各个?门店的?|每家店的?|各店的?|分店|(?:by|per) (?:store|shop)",
    "department": r"按部门看?|各个?部门的?|每个部门的?|(?:by|per) (?:department|dept)",
    "product": r"按(?:商品|产品|单品)看?|各个?(?:商品|产品)的?|每个(?:商品|产品)的?|分(?:商品|产品)|(?:by|per) product",
    "region": r"(?:按|分|各个?|每个)(?:地区|区域|城市)(?:看|的)?|(?:by|per) (?:region|city)",
    "amount_band": r"按?(?:金额|价格|价位)(?:段|区间|带)看?|(?:by|per) (?:amount|price|order) (?:band|range|size)",
    "buyer": r"按?新老客户?看?|分新老|new (?:and|vs|versus) (?:old|returning)|first orders? (?:and|vs) later",
    "scene": r"按场景看?|各个?场景的?|每个场景的?|(?:by|per) scene",
    "reason": r"按原因看?|(?:by|per) reason",
    "referrer": r"按介绍人看?|(?:by|per) referrer",
    "campaign": r"按活动看?|各个?活动的?|每个活动的?|(?:by|per) campaign",
}
ENGLISH = (
    "campaign", "commission", "target", "targets", "month", "revenue", "sales", "orders", "refunds", "numbers",
    "customers", "ranking", "contacts", "yesterday", "buyers", "bonus", "progress", "deleted", "quarter", "team",
    "channel", "amount", "repeat", "definition", "calculated",
)  # fmt: skip
"""English words whose slips are put right."""
CHINESE = (
    "业绩", "提成", "佣金", "活动", "目标", "排名", "客单价", "复购率", "删粉率", "连带率", "贡献率", "引流成功率",
    "变现成功率",
    "团队", "订单", "退款", "流失", "加粉", "转介绍率", "订单数",
)  # fmt: skip
"""Chinese words that are recognised by their sound, as voice input writes them."""
LIKE_ENOUGH = 82
FLAT = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ng", "n"), ("l", "n"))
HAN = re.compile(r"[\u4e00-\u9fff]+")


def normal(text: str) -> str:
    """A question in one spelling: width, case, spaces, end marks, slips."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip(" \t\n。.!！?？~,，;；")
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r"[a-z']+", lambda word: spelled(word[0]), text)
    text = re.sub(r"\bkp\b|kp$|kpi's|\bkpis\b|指标", "kpi", text)
    return HAN.sub(lambda run: sounded(run[0]), text)


@cache
def known_english() -> frozenset[str]:
    """Every English word of the vocabulary: these are never put right."""
    words = (word for names in METRIC_WORDS.values() for name in names for word in re.findall(r"[a-z']+", name))
    common = (
        "my our your the this that last next what where when who whose which with week month year today doing going "
        "much many more help find look about added order teams store shop channel channels customer list does mean "
        "means show tagged thanks hello there their them have here how's what's earn made make name number rank "
        "stand behind left goal goals march april august september october november december january february june"
        " july"
    )
    return frozenset((*words, *ENGLISH, *common.split()))


@cache
def spelled(word: str) -> str:
    """An English word as it was meant: the nearest of the vocabulary, when it is near."""
    if (len(word) < 5 and word != "mnth") or word in known_english() or "'" in word:
        return word
    near = process.extractOne(word, ENGLISH, scorer=fuzz.ratio, score_cutoff=LIKE_ENOUGH if len(word) > 5 else 78)
    return near[0] if near else word


def sound(text: str) -> str:
    """How a Chinese word sounds to a careless ear: z for zh, n for ng and l."""
    heard = []
    for character in text:
        one = syllable(character)
        for written, flat in FLAT:
            one = one.replace(written, flat)
        heard.append(one)
    return " ".join(heard)


@cache
def by_sound() -> dict[str, str]:
    """The words known by their sound."""
    return {sound(word): word for word in CHINESE}


def sounded(run: str) -> str:
    """Chinese text with words that only sound right written right."""
    for length in (5, 4, 3, 2):
        for start in range(len(run) - length + 1):
            piece = run[start : start + length]
            word = by_sound().get(sound(piece))
            if word and word != piece and piece not in CORRECT:
                run = run[:start] + word + run[start + length :]
    return run


CORRECT = frozenset({"定单", "一级", "夜祭", "手机", "牙齿"})
"""Real words that sound like one of ours, or are known in their own right."""
