"""The customers of the demo company as persons: names, ages, what they come for."""

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from simulator.population.company import opaque_id

SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
    "苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史"
)
COMMON = 10
"""The first surnames are those of every second customer."""
WOMEN = "婷敏静丽艳娟霞燕芳洁倩雪琳玲颖慧佳欣怡涵桐琪晴清雅彤溪瑶馨兰美梅淑曼悦诺宁"
MEN = "伟强磊军勇涛超明刚平辉鹏杰浩宇轩国志建文博然俊航天豪新海晓东振华嘉诚思远泽瑞"
"""Given names are made of one or two of these."""
NICKNAMES = (
    "小鱼儿", "向日葵", "阳光总在风雨后", "半糖去冰", "云淡风轻", "豆豆妈", "果果麻麻", "芒果布丁", "南风知我意",
    "岁月静好", "柠檬不萌", "小太阳", "糖糖", "慢慢", "一杯清茶", "星河", "北岸", "朵朵妈妈", "乐乐爸", "且听风吟",
    "大白", "小满", "初夏", "平安是福", "静待花开", "山海", "橙子", "麦兜", "花开富贵", "阿May",
)  # fmt: skip
COMPANIES = ("宏远贸易有限公司", "蓝湾设计事务所", "启明教育科技有限公司", "佳和物业有限公司")

NEEDS = {
    "口腔": (0.33, 18, 72), "美肤": (0.24, 18, 50), "保险": (0.15, 26, 58),
    "母婴": (0.12, 24, 40), "考研": (0.06, 20, 27), "护理": (0.10, 18, 70),
}  # fmt: skip
"""What customers come for: how many, and between which ages."""
BIRTHDAY_SOON = 15
"""So many days ahead somebody always has her birthday."""


@dataclass
class Person:
    """A customer. `means` is how much she can spend, `zeal` how ready she is to act, both from 0 to 1."""

    number: int
    """Her place in the order of first adds, from 0."""
    external_userid: str
    unionid: str
    name: str
    """What WeChat shows."""
    called: str
    """Her real name, as staff learn it."""
    gender: int
    kind: int
    corp_name: str
    phone: str
    born: date
    need: str
    means: float
    zeal: float
    referrer: int | None = None
    """The number of the customer who brought her."""


def make_person(dice: Random, number: int, day: date) -> Person:
    """The next customer, as of the demo day."""
    gender = 2 if dice.random() < 0.68 else 1
    called = real_name(dice, gender)
    kind = 2 if dice.random() < 0.02 else 1
    need = dice.choices(list(NEEDS), [share for share, _, _ in NEEDS.values()])[0]
    return Person(
        number=number,
        external_userid="wm" + opaque_id("person", number, 30),
        unionid="o" + opaque_id("unionid", number, 26) if kind == 1 and dice.random() < 0.85 else "",
        name=shown_name(dice, called, gender),
        called=called,
        gender=gender if dice.random() < 0.9 else 0,
        kind=kind,
        corp_name=dice.choice(COMPANIES) if kind == 2 else "",
        phone=f"1{dice.choice('3578')}{dice.randrange(10)}{10_000_000 + number * 7919:08d}",
        born=birthday(dice, number, need, day),
        need=need,
        means=dice.triangular(0, 1, 0.35),
        zeal=dice.triangular(0, 1, 0.4),
    )


def real_name(dice: Random, gender: int) -> str:
    """Surname and given name."""
    surname = dice.choice(SURNAMES[:COMMON] if dice.random() < 0.5 else SURNAMES)
    given = WOMEN if gender == 2 else MEN
    return surname + dice.choice(given) + (dice.choice(given) if dice.random() < 0.6 else "")


def shown_name(dice: Random, called: str, gender: int) -> str:
    """A WeChat name: mostly the real one, or a polite or a playful one."""
    roll = dice.random()
    if roll < 0.68:
        return called
    if roll < 0.8:
        return called[0] + ("女士" if gender == 2 else "先生")
    return dice.choice(NICKNAMES)


def birthday(dice: Random, number: int, need: str, day: date) -> date:
    """A day of birth that fits the need; every 60th customer's birthday is `BIRTHDAY_SOON` days after the demo day."""
    _, youngest, oldest = NEEDS[need]
    age = dice.randint(youngest, oldest)
    chosen = day + timedelta(BIRTHDAY_SOON if number % 60 == 7 else dice.randrange(365))
    leap_day = chosen.month == 2 and chosen.day == 29
    return chosen.replace(year=chosen.year - age, day=28 if leap_day else chosen.day)


def birthday_soon(person: Person, day: date) -> bool:
    """Whether her birthday is `BIRTHDAY_SOON` days after this day."""
    then = day + timedelta(BIRTHDAY_SOON)
    return (person.born.month, person.born.day) == (then.month, then.day)
