"""The rule language (design §8): when · who · what · until, as one typed document; YAML in files, JSON in the database.

Each part says its `kind`; a word that does not belong is refused with its place. `sop.conditions` and `sop.triggers`
compile it to SQL.
"""

from datetime import time
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from scripts_library.attachments import Name, Strict

Op = Literal["<", "<=", "=", "!=", ">=", ">"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
Words = Annotated[list[Word], Field(min_length=1, max_length=100)]
Days = Annotated[int, Field(ge=0, le=3650)]
Template = Annotated[str, StringConstraints(min_length=1, max_length=4000)]

# --- numbers a condition compares -----------------------------------------------------------------------------------


class AttributeNumber(Strict):
    """A number attribute of the customer."""

    kind: Literal["attribute"] = "attribute"
    key: Word


class Fact(Strict):
    """A number we compute: orders, net_fen, age, days_since_contact, days_since_order, days_since_added, held_fen
    (sum insured of policies in force, of one `kind` where given), premium_fen."""

    kind: Literal["fact"] = "fact"
    name: Literal[
        "orders",
        "net_fen",
        "age",
        "days_since_contact",
        "days_since_order",
        "days_since_added",
        "held_fen",
        "premium_fen",
    ]
    policy: Word | None = None


class Looked(Strict):
    """A number of a lookup table, by the customer's values; nothing fits, nothing holds."""

    kind: Literal["lookup"] = "lookup"
    table: Word
    column: Word


class Constant(Strict):
    """A plain number."""

    kind: Literal["number"] = "number"
    value: float


class Arithmetic(Strict):
    """Two numbers made one; dividing by nothing gives no number."""

    kind: Literal["plus", "minus", "times", "over", "least", "most"]
    left: "Number"
    right: "Number"


Number = Annotated[AttributeNumber | Fact | Looked | Constant | Arithmetic, Field(discriminator="kind")]

# --- who ------------------------------------------------------------------------------------------------------------


class AllOf(Strict):
    """Every part holds."""

    kind: Literal["all"]
    of: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class AnyOf(Strict):
    """At least one part holds."""

    kind: Literal["any"]
    of: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class NoneOf(Strict):
    """No part holds."""

    kind: Literal["none"]
    of: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class Tagged(Strict):
    """Bears one of the tags, by name or `group/name`, for any member of staff."""

    kind: Literal["tagged"]
    tags: Words


class InLayer(Strict):
    """Is in one of the values of a layer: stage, aipl, quadrant, rfm, seeking."""

    kind: Literal["layer"]
    layer: Literal["stage", "aipl", "quadrant", "rfm", "seeking"]
    values: Words


class AttributeIs(Strict):
    """A text, choice or yes-no attribute has one of the values."""

    kind: Literal["attribute_is"]
    key: Word
    values: Words


class AttributeKnown(Strict):
    """The attribute has a value at all."""

    kind: Literal["attribute_known"]
    key: Word


class Compare(Strict):
    """One number against another; a missing one never holds."""

    kind: Literal["compare"]
    left: Number
    op: Op
    right: Number


class Ordered(Strict):
    """Paid orders, of a category or sku, in the last days: how many, or how much in fen."""

    kind: Literal["ordered"]
    category: Word | None = None
    sku: Word | None = None
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    measure: Literal["count", "sum_fen"] = "count"
    op: Op = ">="
    value: int = 1


class Booked(Strict):
    """Has an appointment ahead that was not cancelled, within the days where given."""

    kind: Literal["booked"]
    days: Annotated[int, Field(ge=1, le=365)] | None = None


class Visited(Strict):
    """Came to a store in the last days."""

    kind: Literal["visited"]
    days: Annotated[int, Field(ge=1, le=3650)]


class OfStaff(Strict):
    """A member of staff answers for her."""

    kind: Literal["staff"]
    userids: Words


class OfDepartment(Strict):
    """A member of one of the departments, or of one below them, answers for her."""

    kind: Literal["department"]
    ids: Annotated[list[int], Field(min_length=1, max_length=100)]


class FromChannel(Strict):
    """Came through one of the channels, by `state`."""

    kind: Literal["channel"]
    states: Words


class InCampaign(Strict):
    """Takes part in one of the campaigns, by code."""

    kind: Literal["campaign"]
    codes: Words


class InGroup(Strict):
    """Is in a customer group; in one of them where named."""

    kind: Literal["group"]
    names: list[Word] = Field(default_factory=list, max_length=100)


class Gender(Strict):
    """Female or male, as WeChat says."""

    kind: Literal["gender"]
    value: Literal["female", "male"]


class Friend(Strict):
    """A WeCom friend of at least one member of staff; without it, phone-only customers count too."""

    kind: Literal["friend"]


Condition = Annotated[
    AllOf | AnyOf | NoneOf | Tagged | InLayer | AttributeIs | AttributeKnown | Compare | Ordered | Booked | Visited
    | OfStaff | OfDepartment | FromChannel | InCampaign | InGroup | Gender | Friend,
    Field(discriminator="kind"),
]  # fmt: skip

# --- when -----------------------------------------------------------------------------------------------------------


class FriendAdded(Strict):
    """Became a contact, through one of the channels or of a campaign's channels where given."""

    kind: Literal["friend_added"]
    states: list[Word] = Field(default_factory=list)
    campaign: Word | None = None


class TagTurned(Strict):
    """A tag was put on or taken off."""

    kind: Literal["tag_added", "tag_removed"]
    tag: Word


class StageMoved(Strict):
    """Came to a lifecycle stage."""

    kind: Literal["stage_moved"]
    to: Words


class OrderPaid(Strict):
    """Paid an order, of a category where given."""

    kind: Literal["order_paid"]
    category: Word | None = None


class BookingMade(Strict):
    """Made an appointment."""

    kind: Literal["booking_made"]


class BookingMissed(Strict):
    """Booked, and neither came nor moved nor cancelled by the end of that day; judged once visits are complete."""

    kind: Literal["booking_missed"]


class VisitMade(Strict):
    """Came to a store."""

    kind: Literal["visit_made"]


class CampaignJoined(Strict):
    """Joined a campaign."""

    kind: Literal["campaign_joined"]
    codes: list[Word] = Field(default_factory=list)


class CustomerLost(Strict):
    """The customer deleted a member of staff."""

    kind: Literal["customer_lost"]


class Silent(Strict):
    """No contact for exactly so many days; judged once visits and orders are complete."""

    kind: Literal["silent"]
    days: Annotated[int, Field(ge=1, le=3650)]


class OnDate(Strict):
    """Days before (negative) or after a date: birthday, policy_end, repurchase (last order + the product's cycle), or a
    date attribute; `months` counts from the date first (a child's age)."""

    kind: Literal["date"]
    field: Word
    days: Annotated[int, Field(ge=-366, le=366)] = 0
    months: Annotated[int, Field(ge=0, le=240)] = 0

    @model_validator(mode="after")
    def no_months_of_computed_dates(self) -> "OnDate":
        """Months are an age: they count from an attribute."""
        if self.months and self.field in {"birthday", "policy_end", "repurchase"}:
            raise ValueError(f"months count from a date attribute, not from {self.field}; leave months out")
        if self.field == "birthday" and self.days > 0:
            raise ValueError("a birthday is looked forward to: days must be 0 or negative")
        return self


Trigger = Annotated[
    FriendAdded | TagTurned | StageMoved | OrderPaid | BookingMade | BookingMissed | VisitMade | CampaignJoined
    | CustomerLost | Silent | OnDate,
    Field(discriminator="kind"),
]  # fmt: skip

# --- what -----------------------------------------------------------------------------------------------------------


class Shown(Strict):
    """A number the reason names, and how it is written: plain, as yuan, or in ten thousand yuan (both from fen)."""

    of: Number
    form: Literal["number", "yuan", "wan"] = "number"


class TodoAction(Strict):
    """Something for a member of staff to do: a message, or a call for who is no WeCom friend."""

    kind: Literal["todo"]
    title: Name
    via: Literal["message", "call"] = "message"
    reason: Template | None = None
    """Why, in a sentence; may use the same variables as the words."""
    words: Template | None = None
    script: Word | None = None
    """The code of a script, in place of words."""
    offer: Word | None = None
    """The code of an offer that is handed over with it: whom it may not be given to gets no to-do, with the reason."""
    due_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 24
    value_fen: Annotated[int, Field(ge=0)] = 0
    """What it is worth when it works: orders the list."""
    show: dict[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")], Shown] = Field(default_factory=dict)
    """Numbers for the reason and the words, as `{{ show.name }}`."""
    recommend: bool = False
    """Fill `product.name` with the product whose conditions she fits."""


class MassSendAction(Strict):
    """One text to many, confirmed by each member of staff in her client; no word about the customer herself."""

    kind: Literal["mass_send"]
    text: Template


class TagAction(Strict):
    """Put tags on, or take them off."""

    kind: Literal["tag"]
    add: list[Word] = Field(default_factory=list)
    remove: list[Word] = Field(default_factory=list)


class StageAction(Strict):
    """Move the customer to a stage."""

    kind: Literal["stage"]
    to: Word


class TellLeader(Strict):
    """One line to the leaders of the member in charge."""

    kind: Literal["tell_leader"]
    text: Template


class Branch(Strict):
    """One way if the condition holds when its day comes, another if not."""

    kind: Literal["branch"]
    when: Condition
    then: Annotated[list["Step"], Field(max_length=30)]
    otherwise: Annotated[list["Step"], Field(max_length=30)] = Field(default_factory=list)


class WaitFor(Strict):
    """Wait until she did something, or until the days are over."""

    kind: Literal["wait"]
    event: Literal["visited", "ordered", "booked", "acted"]
    days: Annotated[int, Field(ge=1, le=365)]
    then: Annotated[list["Step"], Field(max_length=30)] = Field(default_factory=list)
    otherwise: Annotated[list["Step"], Field(max_length=30)] = Field(default_factory=list)


class Arm(Strict):
    """One arm of a split."""

    name: Name
    share: Annotated[int, Field(ge=1, le=100)]
    steps: Annotated[list["Step"], Field(max_length=30)] = Field(default_factory=list)
    """None: the holdout."""


class Split(Strict):
    """Different steps for different customers, by chance, the same for ever."""

    kind: Literal["split"]
    arms: Annotated[list[Arm], Field(min_length=2, max_length=5)]

    @model_validator(mode="after")
    def shares_are_whole(self) -> "Split":
        """Nobody falls between the arms."""
        if (total := sum(arm.share for arm in self.arms)) != 100:
            raise ValueError(f"shares add up to {total}; make them 100")
        return self


Action = Annotated[
    TodoAction | MassSendAction | TagAction | StageAction | TellLeader | Branch | WaitFor | Split,
    Field(discriminator="kind"),
]


class Step(Strict):
    """What happens on a day counted from the one before it; the first from the trigger."""

    day: Days = 0
    """Days after the trigger, or after the branch, wait or split it stands in began."""
    workday: Literal["as_is", "next", "previous"] = "as_is"
    do: Action


# --- until ----------------------------------------------------------------------------------------------------------


class Until(Strict):
    """What ends a run besides its last step. Lost, do-not-contact and complaints always do."""

    goal: list[Literal["visited", "ordered", "booked", "replied"]] = Field(default_factory=list)
    tagged: list[Word] = Field(default_factory=list)
    window_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    mark: str = ""
    """The tag put on when the window is over without the goal."""


class Rule(Strict):
    """A whole SOP."""

    when: Trigger
    who: Condition | None = None
    what: Annotated[list[Step], Field(min_length=1, max_length=30)]
    until: Until = Until()
    topic: Word | None = None
    """What it is about: a do-not-contact for this topic holds it back."""


class RuleFile(Strict):
    """A rule as a file: its names, and itself."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,60}$")]
    name: Name
    priority: Annotated[int, Field(ge=0, le=100)] = 50
    at: time | None = None
    rule: Rule


RULE: TypeAdapter[Rule] = TypeAdapter(Rule)


def blocks(action: Any) -> dict[str, list[Step]]:
    """The blocks of steps inside an action, by the name they have in a position."""
    if isinstance(action, Branch | WaitFor):
        return {"then": action.then, "otherwise": action.otherwise}
    if isinstance(action, Split):
        return {f"arm{number}": arm.steps for number, arm in enumerate(action.arms)}
    return {}


def step_at(rule: Rule, position: str) -> Step | None:
    """The step at a position such as `2.then.0`; None behind the last of its block."""
    first, *rest = position.split(".")
    steps, number = rule.what, int(first)
    for block, inner in zip(rest[::2], rest[1::2], strict=True):
        steps, number = blocks(steps[number].do)[block], int(inner)
    return steps[number] if number < len(steps) else None


def following(position: str) -> str:
    """The position behind one, in the same block."""
    head, dot, number = position.rpartition(".")
    return f"{head}{dot}{int(number) + 1}"


def enclosing(position: str) -> str | None:
    """The position of the step that holds a block; None for the outermost."""
    parts = position.split(".")
    return ".".join(parts[:-2]) or None


class RuleRefused(ValueError):
    """A rule that cannot be saved; the text names each place and what is wrong there."""


def read_rule(data: Any) -> Rule:
    """A rule from plain data. Raises `RuleRefused`."""
    try:
        return RULE.validate_python(data)
    except ValidationError as error:
        raise RuleRefused(explained(error)) from error


def read_rule_file(text: str) -> RuleFile:
    """A rule from YAML. Raises `RuleRefused`."""
    try:
        return RuleFile.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise RuleRefused(f"no YAML: {error}") from error
    except ValidationError as error:
        raise RuleRefused(explained(error)) from error


def explained(error: ValidationError) -> str:
    """Each mistake with its place, such as `what.2.do.due_hours`."""
    lines = []
    for one in error.errors(include_url=False):
        place = ".".join(str(part) for part in one["loc"])
        given = one.get("input")
        shown = f" (given: {given!r})" if isinstance(given, str | int | float) else ""
        lines.append(f"{place or 'the whole'}: {one['msg']}{shown}")
    return "; ".join(lines)
