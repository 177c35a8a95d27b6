"""Who works in the demo company, where, and by which ways customers come."""

from dataclasses import dataclass
from hashlib import blake2b

DEPARTMENTS = ((1, "示例公司", 0), (2, "城东店", 1), (3, "城西店", 1), (4, "线上客服", 1), (5, "城南店", 1))
ROOT, EAST, WEST, ONLINE, SOUTH = 1, 2, 3, 4, 5
STORES = {EAST: "east", WEST: "west", SOUTH: "south"}
"""Stores' codes by department."""


@dataclass(frozen=True)
class Hire:
    """A member of staff; `share` is how many of the customers come to her, `skill` how well she sells."""

    userid: str
    name: str
    department: int
    position: str
    leads: bool = False
    share: float = 1.0
    skill: float = 1.0
    reply_minutes: int = 12


HIRES = (
    Hire("gao", "高宁", ROOT, "销售总监", leads=True, share=0.0),
    Hire("su", "苏敏", EAST, "店长", leads=True, share=0.4, skill=1.2, reply_minutes=8),
    Hire("lin", "林晓", EAST, "高级顾问", share=1.3, skill=1.3, reply_minutes=5),
    Hire("wang", "王磊", EAST, "顾问", share=1.0, skill=0.85, reply_minutes=19),
    Hire("chenyu", "陈雨", EAST, "顾问", share=0.9),
    Hire("he", "何静", WEST, "店长", leads=True, share=0.4, skill=1.1, reply_minutes=9),
    Hire("mo", "莫然", WEST, "顾问", share=1.1, skill=1.05),
    Hire("tang", "唐悦", WEST, "顾问", share=0.9, skill=0.8, reply_minutes=26),
    Hire("fang", "方雪", SOUTH, "店长", leads=True, share=0.5, skill=1.15),
    Hire("xu", "徐嘉", SOUTH, "顾问", share=1.0),
    Hire("luo", "罗娜", SOUTH, "顾问", share=0.8, skill=0.75, reply_minutes=31),
    Hire("zhou", "周洋", ONLINE, "线上顾问", share=1.4, skill=0.9, reply_minutes=7),
)
GONE = Hire("du", "杜鹃", SOUTH, "顾问", share=0.8, skill=0.9)
"""She left `GONE_DAYS` before the demo day; colleagues took over her customers."""
GONE_DAYS = 60
BY_USERID = {hire.userid: hire for hire in (*HIRES, GONE)}


@dataclass(frozen=True)
class Way:
    """A way customers come: `churn` is how many of them leave again, `warmth` how ready they are to buy."""

    state: str
    name: str
    source: str
    """The tag that says where from."""
    userids: tuple[str, ...]
    share: float
    churn: float
    warmth: float
    paid: bool = False
    link: bool = False
    """An acquisition link (获客链接); a contact way otherwise."""

    @property
    def config_id(self) -> str:
        """The platform's id of it."""
        return opaque_id("way", self.state, 32)

    @property
    def url(self) -> str:
        """The QR code's address, or the link."""
        base = "https://work.weixin.qq.com/ca/" if self.link else "https://wework.qpic.cn/wwpic/"
        return base + self.config_id + ("" if self.link else "/0")


EXPO, LIVE, REFERRAL = "expo-2026", "live-douyin", "referral-card"
WAYS = (
    Way("store-east", "城东店门店码", "门店", ("lin", "wang", "chenyu", "su"), 0.19, 0.05, 1.2),
    Way("store-west", "城西店门店码", "门店", ("mo", "tang", "he"), 0.15, 0.06, 1.2),
    Way("store-south", "城南店门店码", "门店", ("xu", "luo", "fang", "du"), 0.13, 0.07, 1.1),
    Way(EXPO, "健康生活展", "展会", ("lin", "wang", "mo", "xu"), 0.11, 0.14, 0.8, paid=True),
    Way(LIVE, "抖音直播间", "直播", ("zhou", "lin", "mo", "xu"), 0.14, 0.2, 0.7, paid=True, link=True),
    Way("moments-ad", "朋友圈广告", "广告", ("zhou", "chenyu", "tang", "luo"), 0.12, 0.32, 0.5, paid=True, link=True),
    Way("official-account", "公众号菜单", "公众号", ("zhou",), 0.08, 0.09, 0.95),
    Way(REFERRAL, "老客推荐卡", "老客推荐", ("lin", "mo", "xu", "zhou"), 0.08, 0.03, 1.5),
)
WAY_OF_STATE = {way.state: way for way in WAYS}

TAGS = {
    "意向": ("高意向", "中意向", "低意向"),
    "关注点": (
        "种植牙", "正畸", "洗牙", "美白", "祛痘", "抗衰", "医疗险", "重疾险", "教育金",
        "儿童齿科", "育儿", "考研", "日常护理",
    ),
    "来源": ("门店", "展会", "直播", "广告", "公众号", "老客推荐"),
    "年龄段": ("25岁以下", "26-35岁", "36-45岁", "46-60岁", "60岁以上"),
    "顾虑": ("怕疼", "嫌贵", "要和家人商量", "还在比较"),
    "客户级别": ("VIP", "老客户", "沉睡"),
}  # fmt: skip
"""Names of the corp tags by their group, in the order the client shows them."""
OURS = "来源"
"""The group the app made; the others come from the console."""
GROUP_OF = {name: group for group, names in TAGS.items() for name in names}


def opaque_id(kind: str, name: object, length: int) -> str:
    """An id that looks like the platform's and is the same in every run."""
    return blake2b(f"{kind} {name}".encode(), digest_size=length // 2).hexdigest()


def tag_id(name: str) -> str:
    """A tag's id."""
    return "et" + opaque_id("tag", name, 30)


def group_id(name: str) -> str:
    """A tag group's id."""
    return "et" + opaque_id("tag group", name, 30)
