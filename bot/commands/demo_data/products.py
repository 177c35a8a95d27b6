"""What the demo company sells."""

from dataclasses import dataclass

from bot.commands.demo_data.rows import Rows
from contacts.facts import Product


@dataclass(frozen=True)
class Goods:
    """A product; `margin` is the part of the price that stays."""

    sku: str
    name: str
    category: str
    price_fen: int
    margin: float
    needs: tuple[str, ...]
    """Who buys it."""
    cycle_days: int | None = None


TRAFFIC, TREATMENT, HIGH_TICKET, COURSE, RETAIL = "引流", "疗程", "高客单", "课程", "零售"
CATALOGUE = (
    Goods("YL-JY", "洁牙体验", TRAFFIC, 9_900, 0.1, ("口腔", "护理")),
    Goods("YL-QP", "小气泡清洁体验", TRAFFIC, 6_800, 0.15, ("美肤",)),
    Goods("YL-BZ", "家庭保障规划咨询", TRAFFIC, 9_900, 0.6, ("保险",)),
    Goods("YL-ET", "儿童口腔检查", TRAFFIC, 3_900, 0.2, ("母婴",)),
    Goods("YL-ST", "考研规划试听课", TRAFFIC, 1_900, 0.5, ("考研",)),
    Goods("LC-XY", "超声洗牙", TREATMENT, 29_900, 0.55, ("口腔", "护理", "保险"), 180),
    Goods("LC-BY", "树脂补牙", TREATMENT, 58_000, 0.6, ("口腔",)),
    Goods("LC-GG", "根管治疗", TREATMENT, 180_000, 0.58, ("口腔",)),
    Goods("LC-GZ", "光子嫩肤", TREATMENT, 98_000, 0.6, ("美肤",), 30),
    Goods("LC-SG", "水光护理三次卡", TREATMENT, 268_000, 0.58, ("美肤",), 90),
    Goods("LC-QD", "祛痘管理疗程", TREATMENT, 198_000, 0.62, ("美肤",), 60),
    Goods("LC-TF", "儿童涂氟", TREATMENT, 20_000, 0.6, ("母婴",), 180),
    Goods("GK-ZZ", "种植牙（单颗）", HIGH_TICKET, 980_000, 0.45, ("口腔",)),
    Goods("GK-ZJ", "隐形正畸", HIGH_TICKET, 2_680_000, 0.42, ("口腔",)),
    Goods("GK-RM", "热玛吉全面部", HIGH_TICKET, 1_580_000, 0.5, ("美肤",), 365),
    Goods("KC-QC", "考研全程班", COURSE, 498_000, 0.6, ("考研",)),
    Goods("LS-DY", "声波电动牙刷", RETAIL, 39_900, 0.4, ("口腔", "护理")),
    Goods("LS-ST", "刷头四支装", RETAIL, 9_900, 0.5, ("口腔", "护理", "保险"), 90),
    Goods("LS-YG", "美白牙膏两支装", RETAIL, 6_900, 0.5, ("口腔", "护理", "保险"), 60),
    Goods("LS-MM", "补水面膜十片装", RETAIL, 15_900, 0.6, ("美肤", "护理"), 30),
    Goods("LS-JH", "修护精华", RETAIL, 32_900, 0.6, ("美肤",), 60),
    Goods("LS-FS", "清爽防晒乳", RETAIL, 12_900, 0.55, ("美肤", "护理"), 60),
    Goods("LS-NF", "婴幼儿配方奶粉", RETAIL, 29_800, 0.2, ("母婴",), 30),
    Goods("LS-ZN", "纸尿裤箱装", RETAIL, 19_900, 0.22, ("母婴",), 30),
    Goods("LS-ZT", "考研真题集", RETAIL, 6_800, 0.4, ("考研",)),
)


def put_on_sale(rows: Rows) -> None:
    """Write the catalogue."""
    for one in CATALOGUE:
        rows.add(
            Product,
            sku=one.sku,
            name=one.name,
            category=one.category,
            price_fen=one.price_fen,
            margin_fen=int(one.price_fen * one.margin),
            cycle_days=one.cycle_days,
        )


def goods_for(need: str, *categories: str) -> list[Goods]:
    """What somebody with this need buys in these categories."""
    return [one for one in CATALOGUE if need in one.needs and one.category in categories]
