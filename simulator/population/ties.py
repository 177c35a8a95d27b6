"""Half a year of who added whom and who left again, with remarks and tags as staff keep them."""

from bisect import bisect
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from simulator.population.calendar import busy_days, dice_for, midnight, moment
from simulator.population.company import (
    BY_USERID,
    EXPO,
    GONE,
    GONE_DAYS,
    LIVE,
    REFERRAL,
    TAGS,
    WAY_OF_STATE,
    WAYS,
    Way,
)  # fmt: skip
from simulator.population.people import Person, make_person

FRIENDS, EARLIER = 1940, 240
"""Customers who are WeCom friends, and how many of them came before the half-year."""
HALF_YEAR, LONG_AGO = 182, 540
EXPO_DAYS = (68, 69, 70)
"""Days ago on which the fair was."""
BY_CODE, BY_LINK, ASSIGNED = 1, 16, 202
"""The platform's `add_way`."""
CUSTOMER, STAFF, TRANSFER = "customer", "staff", "transfer"
HINTS = {"口腔": "看牙", "美肤": "皮肤", "保险": "保险", "母婴": "宝妈", "考研": "考研", "护理": "日用"}


@dataclass
class Tie:
    """One member's tie to one customer, from its beginning to its end if it has one. Times are whole seconds."""

    userid: str
    person: Person
    added_at: datetime
    way: Way | None = None
    """None for a tie that began by transfer."""
    remark: str = ""
    description: str = ""
    phones: list[str] = field(default_factory=list)
    tags: dict[str, datetime] = field(default_factory=dict)
    """Names of corp tags, and since when."""
    half: bool = False
    ended_at: datetime | None = None
    ended_by: str = ""
    before: tuple[datetime, datetime] | None = None
    """An earlier time together: added and lost."""
    moved: bool = False
    """It began by transfer."""
    chats: list[tuple[datetime, int, int]] = field(default_factory=list)
    """When the customer wrote, seconds to the answer (0: none), messages of the member that day."""

    @property
    def shown(self) -> bool:
        """Whether the platform lists it: a customer who deleted the member is still listed, a half contact is not."""
        return not self.half and self.ended_by in {"", CUSTOMER}


@dataclass(frozen=True)
class Population:
    """The company's customers and their ties on the morning of `day`, in the order they came."""

    day: date
    people: list[Person]
    ties: list[Tie]


def populate(day: date) -> Population:
    """The demo company's customers as of the midnight before `day`: the same every time."""
    dice = dice_for("ties", day)
    people: list[Person] = []
    ties: list[Tie] = []
    for number, (at, way) in enumerate(first_adds(dice, day)):
        person = make_person(dice, number, day)
        people.append(person)
        userid = first_member(dice, way, person, ties, gone=at >= gone_at(day))
        ties.append(begin(day, userid, person, at, way))
    ties += second_adds(dice, day, ties)
    for tie in ties:
        lose(dice, day, tie)
    ties += hand_overs(dice, day, ties)
    for tie in ties:
        keep_notes(dice, day, tie)
        chat(dice, day, tie)
    return Population(day, people, sorted(ties, key=lambda tie: (tie.added_at, tie.person.number, tie.userid)))


def first_adds(dice: Random, day: date) -> list[tuple[datetime, Way]]:
    """When each customer came first and by which way, oldest first."""
    rhythm = {way.state: Rhythm(day, way) for way in WAYS}
    old_ways = [way for way in WAYS if way.state not in {EXPO, LIVE}]
    adds: list[tuple[datetime, Way]] = []
    for number in range(FRIENDS):
        known = WAYS if number >= EARLIER else old_ways
        way = dice.choices(known, [one.share for one in known])[0]
        ago = rhythm[way.state].draw(dice) if number >= EARLIER else dice.randint(HALF_YEAR + 1, LONG_AGO)
        hours = "shop" if way.source == "门店" else "evening" if way.state == LIVE else "day"
        adds.append((moment(dice, midnight(day - timedelta(ago)), hours), way))
    return sorted(adds, key=lambda add: (add[0], add[1].state))


class Rhythm:
    """On which days a way brings customers."""

    def __init__(self, day: date, way: Way) -> None:
        weights = busy_days(day, HALF_YEAR)
        for ago in weights:
            if way.state == EXPO:
                weights[ago] *= 60 if ago in EXPO_DAYS else 0.3
            if way.state == LIVE:
                weights[ago] *= 6 if (day - timedelta(ago)).weekday() == 3 else 0.5
        self.days = list(weights)
        self.sums: list[float] = []
        for weight in weights.values():
            self.sums.append((self.sums[-1] if self.sums else 0) + weight)

    def draw(self, dice: Random) -> int:
        """Days ago of one add."""
        return self.days[bisect(self.sums, dice.random() * self.sums[-1])]


def gone_at(day: date) -> datetime:
    """When the member who left handed over her customers."""
    return midnight(day - timedelta(GONE_DAYS)) + timedelta(hours=18)


def first_member(dice: Random, way: Way, person: Person, first: list[Tie], *, gone: bool) -> str:
    """Whom a new customer adds: the member of whoever brought her, else one of the way's; nobody who is gone."""
    if way.state == REFERRAL and len(first) > 50:
        person.referrer = max(dice.sample(range(len(first) - 20), 3), key=lambda one: first[one].person.zeal)
        if first[person.referrer].userid != GONE.userid:
            return first[person.referrer].userid
    here = [one for one in way.userids if one != GONE.userid or not gone]
    return dice.choices(here, [BY_USERID[one].share for one in here])[0]


def begin(day: date, userid: str, person: Person, at: datetime, way: Way) -> Tie:
    """A new tie; of last night's, some the member has not confirmed yet."""
    half = at >= midnight(day - timedelta(1)) + timedelta(hours=18) and person.number % 2 == 0
    return Tie(userid, person, at, way, half=half)


def second_adds(dice: Random, day: date, ties: list[Tie]) -> list[Tie]:
    """Some customers add a colleague too, mostly of the same place."""
    found = []
    for tie in ties:
        if dice.random() >= 0.06 or tie.half:
            continue
        place = BY_USERID[tie.userid].department
        others = [one for one in BY_USERID.values() if one.department == place and one.userid != tie.userid]
        others = [one for one in others if one.share and one is not GONE] or [BY_USERID["lin"]]
        at = moment(dice, midnight(day - timedelta(dice.randint(1, 120))), "shop")
        if at > tie.added_at + timedelta(days=1):
            way = WAY_OF_STATE[{2: "store-east", 3: "store-west", 5: "store-south"}.get(place, "official-account")]
            found.append(Tie(dice.choice(others).userid, tie.person, at, way))
    return found


def lose(dice: Random, day: date, tie: Tie) -> None:
    """Maybe the tie ends: customers leave, nearly half of them within the first week; staff clear up now and then."""
    if tie.half or tie.way is None:
        return
    age = midnight(day) - tie.added_at
    leaves = dice.random() < tie.way.churn * (1.5 - tie.person.zeal)
    if leaves:
        after = timedelta(days=7 * dice.random() ** 1.6 if dice.random() < 0.45 else dice.uniform(7, max(age.days, 8)))
        end(tie, after, age, CUSTOMER)
    elif dice.random() < 0.012:
        end(tie, timedelta(days=dice.uniform(20, 120)), age, STAFF)
    back = timedelta(days=dice.uniform(4, 20))
    if tie.ended_by == CUSTOMER and tie.ended_at and dice.random() < 0.12 and tie.ended_at + back < midnight(day):
        tie.before = (tie.added_at, tie.ended_at)
        tie.added_at, tie.ended_at, tie.ended_by = whole(tie.ended_at + back), None, ""


def end(tie: Tie, after: timedelta, age: timedelta, by: str) -> None:
    """The tie ends some time after it began, if that is past already."""
    if after + timedelta(minutes=5) < age:
        tie.ended_at, tie.ended_by = whole(tie.added_at + timedelta(minutes=5) + after), by


def whole(at: datetime) -> datetime:
    """The second a moment lies in."""
    return at.replace(microsecond=0)


def hand_overs(dice: Random, day: date, ties: list[Tie]) -> list[Tie]:
    """What colleagues took over: everything of the member who left, and four customers of 莫然's."""
    left = gone_at(day)
    pairs = {(tie.userid, tie.person.number) for tie in ties}
    found = []
    for tie in ties:
        if tie.userid != GONE.userid:
            continue
        if tie.ended_at and tie.ended_at < left:
            continue
        if tie.added_at >= left:
            # She came back after the member had gone: that second time together never was.
            tie.added_at, tie.ended_at = tie.before or (tie.added_at, left)
            tie.ended_by, tie.before = CUSTOMER, None
            continue
        takeover = next(one for one in dice.sample(["xu", "luo", "fang"], 3) if (one, tie.person.number) not in pairs)
        found.append(moved(tie, takeover, left + timedelta(days=1)))
    lent = [tie for tie in ties if tie.userid == "mo" and tie.ended_at is None and tie.added_at < left][:4]
    at = midnight(day - timedelta(20)) + timedelta(hours=11)
    return found + [moved(tie, "tang", at) for tie in lent if ("tang", tie.person.number) not in pairs]


def moved(tie: Tie, takeover: str, at: datetime) -> Tie:
    """A tie ends by transfer; answers the one that takes its place."""
    tie.ended_at, tie.ended_by = at, TRANSFER
    return Tie(takeover, tie.person, at, moved=True)


def keep_notes(dice: Random, day: date, tie: Tie) -> None:
    """Remark, phone and tags, as far as this member keeps them; a half contact has none."""
    if tie.half:
        return
    person = tie.person
    if dice.random() < 0.6 or person.name != person.called:
        tie.remark = f"{person.called} {HINTS[person.need]}" if dice.random() < 0.7 else person.called
    if dice.random() < 0.12:
        tie.description = dice.choice(
            ("朋友介绍，先了解", "周末才有空", "讲究效果，不太在意价格", "预算有限，等活动", "住附近")
        )
    if dice.random() < 0.35:
        tie.phones = [person.phone]
    last = min(tie.ended_at or midnight(day), midnight(day)) - timedelta(seconds=1)
    if tie.way:
        tie.tags[tie.way.source] = min(tie.added_at + timedelta(seconds=2), last)
    for name in chosen_tags(dice, day, person):
        tie.tags[name] = min(whole(tie.added_at + timedelta(days=12 * dice.random() ** 2)), last)


def chosen_tags(dice: Random, day: date, person: Person) -> list[str]:
    """The tags a member would set by hand."""
    wishes = {
        "口腔": ("种植牙", "正畸", "洗牙", "美白"), "美肤": ("祛痘", "抗衰", "美白"),
        "保险": ("医疗险", "重疾险", "教育金"), "母婴": ("育儿", "儿童齿科"), "考研": ("考研",), "护理": ("日常护理",),
    }  # fmt: skip
    found = [dice.choice(wishes[person.need])] if dice.random() < 0.7 else []
    heat = person.means + person.zeal
    if dice.random() < 0.55:
        found.append("高意向" if heat > 1.05 else "中意向" if heat > 0.65 else "低意向")
    if dice.random() < 0.35:
        found.append(age_band((day - person.born).days // 365))
    if dice.random() < 0.25:
        found.append(dice.choice(("怕疼", "嫌贵", "要和家人商量", "还在比较")))
    if person.means > 0.75 and dice.random() < 0.5:
        found.append("VIP")
    return found


def age_band(age: int) -> str:
    """The tag of an age."""
    return TAGS["年龄段"][bisect((25.5, 35.5, 45.5, 60.5), age)]


def chat(dice: Random, day: date, tie: Tie) -> None:
    """When the two wrote to each other: most in the first weeks. Nobody sees the words."""
    last = tie.ended_at or midnight(day)
    minutes = BY_USERID[tie.userid].reply_minutes
    days = (last - tie.added_at).days
    for _ in range(int(2 + 14 * tie.person.zeal * dice.random() * (0.5 + tie.person.means))):
        at = moment(dice, midnight(tie.added_at.date()) + timedelta(int(days * dice.random() ** 2.2)))
        if tie.half or not tie.added_at < at < last:
            continue
        answered = int(60 * minutes * (0.2 + 3 * dice.random() ** 2)) if dice.random() < 1 - minutes / 200 else 0
        tie.chats.append((at, answered, dice.randint(1, 6)))
