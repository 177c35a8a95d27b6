"""Personal data out of a text before a language model reads it, and back into what the model chose.

Names on record (customers', remarks, staff), names with a title (李女士, 小王, Ms Li), names that follow a word such as
客户, and phone numbers, ids and addresses of mail become placeholders, `[[PERSON_1]]`. A full name that stands nowhere
on record and follows no such word cannot be told from other words.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, literal, select
from sqlmodel import Session, col

from assistant.grammar import Known, taken_apart
from contacts.models import Attribute, Staff
from contacts.names import names_in
from contacts.search import MEN, TITLES, WOMEN

PLACEHOLDER = re.compile(r"\[\[([^\[\]]{1,40})\]\]")
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
    "范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛"
    "伍韦申尤毕聂丛焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜路詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋"
)
HAN = "\u4e00-\u9fff"
BEFORE = rf"(?:(?<![{HAN}])|(?<=[和给跟与找问帮把约查叫看替为向对的]))"
LONG = "|".join(sorted((one for one in TITLES if len(one) > 1), key=len, reverse=True))
SHORT = "".join(one for one in TITLES if len(one) == 1)
PEOPLE = (
    re.compile(rf"(?P<name>(?:欧阳|司马|上官|诸葛|[{SURNAMES}])[{HAN}]{{0,2}}?(?:{LONG}))"),
    re.compile(rf"{BEFORE}(?P<name>[{SURNAMES}][{SHORT}])(?![共体是数额计结])"),
    re.compile(rf"{BEFORE}(?P<name>(?!小时|小程|小路|老路|老成|小成)[小老阿][{SURNAMES}])"),
    re.compile(
        rf"(?:客户|顾客|会员|名叫|叫做|叫)\s*(?P<name>[{SURNAMES}][{HAN}]{{1,2}}?)"
        r"(?=[的打写发买说在是昨今上这那前,，。\s]|$)"
    ),
    re.compile(r"\b(?P<name>(?i:mr|mrs|ms|miss|madam)\.?\s+(?:[A-Z][a-z]+(?:\s+[A-Z][a-z]+)?|[a-z]+))"),
)
DATE = r"\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2})?"
NUMBER = re.compile(
    rf"(?P<date>{DATE})|(?P<number>[\w.+-]+@[\w-]+\.[\w.-]+|\bw[mo][\w-]{{20,}}|(?<=尾号)\s*\d{{3,}}"
    r"|\+?\d[\d -]{5,}\d[xX]?|[零〇一二三四五六七八九幺]{7,})",
    re.ASCII,
)
SENSITIVE = re.compile(
    r"病|癌|肿瘤|血压|血糖|血脂|过敏|怀孕|孕期|备孕|流产|产检|手术|化疗|抑郁|失眠|确诊|症状|用药|吃药|体检|伤残|住院|乙肝|艾滋|残疾"
    r"|保单|保额|保费|投保|理赔|受益人|被保险|险种|重疾|寿险|年金"
    r"|孩子|宝宝|小孩|儿子|女儿|娃|孙子|孙女|外孙|小朋友|几年级|幼儿园"
    r"|\b(?:disease|illness|sick|cancer|tumou?r|diabet\w*|allerg\w*|pregnan\w*|miscarr\w*|surgery|depress\w*|hiv|diagnos\w*"
    r"|medication|polic(?:y|ies) (?:of|for)|insured|insurance|premium|beneficiary|child(?:ren)?|kids?|bab(?:y|ies)|son"
    r"|daughter)\b",
    re.IGNORECASE,
)
"""Health, insurance and children: what has such a word in it is not given to a model at all."""
SHORTEST = 2
EMPTY = Known()
AMBIGUOUS = frozenset({*WOMEN, *MEN, *TITLES})
"""Titles that are somebody's whole remark say nothing about anybody."""


@dataclass
class Masked:
    """A text without personal data, and what each placeholder stands for."""

    text: str
    typed: str = ""
    """The text as it was typed, in one width."""
    values: dict[str, str] = field(default_factory=dict)

    def put(self, kind: str, value: str) -> str:
        """The placeholder of a value, the same one each time."""
        for name, known in self.values.items():
            if known == value:
                return name
        name = f"[[{kind}_{len(self.values) + 1}]]"
        self.values[name] = value
        return name

    def restore(self, text: str) -> str:
        """A text with the values back in it; a placeholder of nobody's making stays as it is."""
        return PLACEHOLDER.sub(lambda found: self.values.get(found[0], found[0]), text)


def mask(session: Session, text: str) -> Masked:
    """The text in one width, without what could tell whom it is about."""
    text = unicodedata.normalize("NFKC", text).replace("[[", "[").replace("]]", "]")
    masked = Masked(text, text)
    masked.text = NUMBER.sub(lambda found: found[0] if found["date"] else masked.put("NUMBER", found[0]), masked.text)
    # The longest first: a name may be a part of another.
    for name in sorted(names_on_record(session, text), key=lambda one: (-len(one), one)):
        masked.text = outside(masked.text, re.compile(re.escape(name), re.IGNORECASE), masked)
    for pattern in PEOPLE:
        masked.text = outside(masked.text, pattern, masked)
    return masked


def outside(text: str, pattern: re.Pattern[str], masked: Masked) -> str:
    """The text with what the pattern finds replaced, placeholders left alone."""

    def replaced(found: re.Match[str]) -> str:
        name = found["name"] if "name" in pattern.groupindex else found[0]
        return found[0].replace(name, masked.put("PERSON", name))

    parts = re.split(rf"({PLACEHOLDER.pattern.replace('(', '(?:')})", text)
    return "".join(part if PLACEHOLDER.fullmatch(part) else pattern.sub(replaced, part) for part in parts)


def names_on_record(session: Session, text: str) -> Iterable[str]:
    """Names of customers and staff, and what staff call customers, that stand in a text, whoever they belong to.

    A name that is a word of the questions itself (a nickname such as 今天) is none here: it tells nobody apart.
    """
    staff = session.execute(select(col(Staff.name)).where(literal(text.lower()).contains(func.lower(col(Staff.name)))))
    found = names_in(session, text) | set(staff.scalars())
    return [name for name in found if len(name) >= SHORTEST and tells_apart(name)]


def tells_apart(name: str) -> bool:
    """Whether a name is more than a word of everyday questions."""
    said = name.casefold()
    return said not in AMBIGUOUS and bool(taken_apart(said, EMPTY).unknown)


def sensitive(session: Session, text: str) -> bool:
    """Whether a text speaks of health, insurance or children, or names an attribute marked sensitive."""
    labels = session.execute(select(col(Attribute.label)).where(col(Attribute.sensitive))).scalars()
    return bool(SENSITIVE.search(text)) or any(label and label in text for label in labels)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with these placeholders put in their places."""
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
