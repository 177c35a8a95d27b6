"""Whether a model's draft may be shown: it says nothing the library does not, and nothing that is forbidden."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from assistant.masking import LONG, PLACEHOLDER, SHORT, SURNAMES
from scripts_library.models import ForbiddenWord
from scripts_library.words import find

LONGEST = 400
"""Characters of a draft."""
SHORTEST = 5
FIGURE = re.compile(
    r"\d+(?:[.,:]\d+)*%?|[零一二三四五六七八九十百千万两半]+(?=折|元|块|天|小时|分钟|年|个?月|倍|成|岁|周|号|点|次|位|件|份|张)"
    r"|百分之[零一二三四五六七八九十百半]+"
)  # fmt: skip
PROMISE = re.compile(
    r"保证|承诺|保准|一定会|肯定会|包(?:治|好|退|赔|换|过|您)|免费|免单|赠送|白送|送您|送你|送一|礼品|礼物|红包|优惠|打折|折扣|特价|降价|最低|最后"
    r"|返现|返利|抽奖|中奖|退款|全额|赔偿|无效|根治|治愈|限时|仅限|名额"
    r"|guarante\w*|promis\w*|for free|\bfree\b|gifts?\b|discount\w*|refund\w*|\bwin\b|last chance|limited",
    re.IGNORECASE,
)
LINK = re.compile(r"https?:|www\.|[a-z0-9-]+\.(?:com|cn|net|org|io|top|xyz)\b", re.IGNORECASE)
NAMED = re.compile(rf"[{SURNAMES}](?:[\u4e00-\u9fff]{{0,2}}?(?:{LONG})|[{SHORT}](?![共体是数额计结]))")
GROUPS = re.compile(r"(?<=\d),(?=\d{3})")


def unfit(
    draft: str, material: Sequence[str], words: str, known: Iterable[str], banned: Sequence[ForbiddenWord]
) -> str:
    """Why a draft must not be shown, in a word; empty when it may.

    `material`: the scripts it was to be made from; `words`: what the member asked for, whose figures she answers for;
    `known`: the placeholders it may hold.
    """
    text = plain(draft)
    if not SHORTEST <= len(text) <= LONGEST:
        return "length"
    if {found[0] for found in PLACEHOLDER.finditer(text)} - set(known) or "[[" in PLACEHOLDER.sub("", text):
        return "placeholder"
    if "{{" in text or "{%" in text:
        return "template"
    bare = PLACEHOLDER.sub(" ", text)
    source = PLACEHOLDER.sub(" ", plain(" ".join(material)))
    forbidden = (one.kind for one in find(bare, banned))
    return next(chain(reasons(bare, source, PLACEHOLDER.sub(" ", plain(words))), forbidden), "")


def reasons(text: str, source: str, words: str) -> Iterator[str]:
    """What stands in a draft and not in its source."""
    if set(FIGURE.findall(text)) - set(FIGURE.findall(f"{source} {words}")):
        yield "figure"
    if any(found.casefold() not in source.casefold() for found in PROMISE.findall(text)):
        yield "promise"
    if LINK.search(text) and any(found not in source for found in LINK.findall(text)):
        yield "link"
    if set(NAMED.findall(text)) - set(NAMED.findall(source)):
        yield "name"


def plain(text: str) -> str:
    """A text in one width, figures without their commas."""
    return GROUPS.sub("", unicodedata.normalize("NFKC", text)).strip()
