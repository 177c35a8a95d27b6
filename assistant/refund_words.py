"""The words for what refunds take back: 昨天退的那单扣我多少, how much do I lose for Ms Li's refund."""

import re

TAKEN_BACK = re.compile(
    r"退.*(?:扣|少拿|影响.*(?:提成|佣金)|罚)|(?:扣|少拿).*退"
    r"|claw(?:ed)?[- ]?backs?|\bdeduct(?:ed|ions?)?\b"
    r"|\b(?:lose|lost|cost|taken)\b.*\brefund|\brefund.*\b(?:lose|lost|cost|taken)\b"
    r"|commissions?\b.*\btaken (?:back|away)"
)
WORDS = re.compile(
    r"退款|退货|退单|退掉?了?|扣掉?|少拿|影响|提成|佣金|罚款?|被|那?[一]?单|订单|客户"
    r"|claw(?:ed)?[- ]?backs?|deduct(?:ed|ions?)?|refund(?:s|ed)?'?s?|lose|lost|cost|taken|back|away"
    r"|commissions?|orders?|will|would"
)
"""What is left when period and person are gone, beside fillers."""
CUSTOMER = (
    re.compile(
        r"(?P<name>[\u4e00-\u9fff]{1,3}(?:女士|小姐|先生|姐|哥|阿姨|老师|总)|[\u4e00-\u9fff]{2,4}?)(?:的|那|这)*(?:[一]?单)?退"
    ),
    re.compile(r"(?P<name>(?:ms|mr|mrs|miss)\.? [a-z]+|[a-z]+(?='s (?:order|refund)))(?:'s)? ?(?:order|refund)?"),
)
NOT_NAMES = re.compile(
    r"我|咱|团队|店|大家|全员|客户|那|这|昨|今|上|本|月|周|天|扣|退|单|my|your|our|the|team|yesterday|today"
)


def customer_in(said: str) -> str:
    """The customer whose refund is meant; empty when nobody is named."""
    for pattern in CUSTOMER:
        found = pattern.search(said)
        if found and not NOT_NAMES.search(found["name"]):
            return found["name"].strip()
    return ""
