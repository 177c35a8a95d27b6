"""What other systems may tell us: a type per kind of record, checked to the last field (design §4.3)."""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
    with_config,
)
from typing_extensions import TypedDict

EXTERNAL, UNION, MEMBER, CONSULT, PHONE = "external_userid", "unionid", "member_id", "consult_id", "phone"
KINDS = (EXTERNAL, UNION, MEMBER, CONSULT, PHONE)
"""The ids a customer is known by, the surest first."""
FIRST_YEAR = 2000
MOST_FEN = 10**14
"""A trillion yuan: what is more is a mistake."""
PROPERTIES_BYTES = 8_192
SHOWN = 80
"""Characters of a wrong value that an error shows."""
PHONE_SHAPE = re.compile(r"\+?\d{5,15}")
MOBILE = re.compile(r"1[0-9]{10}")
NOT_DIALLED = re.compile(r"[\s\-().·—–]")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record cannot be taken: where it stands, which field, what it holds and what to do."""

    place: int
    """Its index in the request, or its line in the file."""
    field: str
    value: str
    remedy: str


def moment(value: object) -> datetime:
    """A time as ISO 8601 with its offset, in UTC. Raises ValueError."""
    wrong = "write a time with its offset, such as 2026-11-16T10:30:00+08:00"
    if not isinstance(value, str) or len(value) < 16:
        raise ValueError(wrong)
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None or at.year < FIRST_YEAR:
            raise ValueError(wrong)
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(wrong) from error


def calendar_day(value: object) -> date:
    """A day as ISO 8601. Raises ValueError."""
    try:
        if not isinstance(value, str) or len(value) != 10:
            raise ValueError
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("write a day such as 2026-11-16") from error
    if day.year < FIRST_YEAR:
        raise ValueError(f"write a day from {FIRST_YEAR} on")
    return day


def normal_phone(text: str) -> str | None:
    """A phone number without spaces, dashes and the country's +86; None when it is none."""
    if MOBILE.fullmatch(text):  # nearly all there are
        return text
    digits = NOT_DIALLED.sub("", text if text.isascii() else unicodedata.normalize("NFKC", text))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if digits.startswith("+86"):
        digits = digits[3:]
    elif len(digits) == 13 and digits.startswith("861"):
        digits = digits[2:]
    return digits if PHONE_SHAPE.fullmatch(digits) else None


def phone_number(value: object) -> str:
    """A normalised phone number. Raises ValueError."""
    number = normal_phone(value) if isinstance(value, str) else None
    if number is None:
        raise ValueError("write a phone number, such as 13800138000 or +85261234567, as text")
    return number


def json_object(value: object) -> dict[str, Any]:
    """An object that fits into a row. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError('write an object, such as {"page": "expo"}')  # noqa: TRY004 - pydantic takes ValueError
    text = json.dumps(value)
    if len(text) > PROPERTIES_BYTES or "\\u0000" in text:
        raise ValueError(f"keep properties to {PROPERTIES_BYTES} bytes of JSON, without zero characters")
    return value


def as_text(value: object) -> object:
    """An attribute's value as it is written: its own type is checked against the attribute's definition."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float) else value


NO_ZERO = r"^[^\x00]*$"
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=NO_ZERO)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000, pattern=NO_ZERO)]
Moment = Annotated[datetime, BeforeValidator(moment)]
Day = Annotated[date, BeforeValidator(calendar_day)]
Fen = Annotated[int, Strict(), Field(ge=0, le=MOST_FEN)]
SignedFen = Annotated[int, Strict(), Field(ge=-MOST_FEN, le=MOST_FEN)]
Count = Annotated[int, Strict(), Field(ge=0, le=10**9)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


STRICTLY = ConfigDict(extra="forbid")
"""No field we do not know: a misspelt name must not be lost in silence."""


@with_config(STRICTLY)
class Ids(TypedDict, total=False):
    """Value by kind of id."""

    # Parts of a record are plain dictionaries: as models of their own they would cost a large import twice as much.
    external_userid: Word | None
    unionid: Word | None
    member_id: Word | None
    consult_id: Word | None
    phone: Annotated[Word, BeforeValidator(phone_number)] | None


def somebody(ids: dict[str, str | None]) -> dict[str, str]:
    """Those ids that are filled. Raises ValueError when none is."""
    filled = {kind: value for kind, value in ids.items() if value is not None}
    if not filled:
        raise ValueError(f"name the customer by at least one of {', '.join(KINDS)}")
    return filled


Known = Annotated[Ids, AfterValidator(somebody)]
"""The ids a record names a customer by: one or several, and several name one person."""


class Record(BaseModel):
    """What every record has: its source's own id, and when it happened."""

    model_config = STRICTLY

    kind: ClassVar[str] = ""
    id: Word
    at: Moment

    @classmethod
    def again(cls, fields: dict[str, Any]) -> Self:
        """A record from the `__dict__` of one that was checked, without checking it again."""
        record = cls.__new__(cls)
        object.__setattr__(record, "__dict__", fields)
        return record

    def digest(self) -> str:
        """The same for the same content, whatever the order of its fields and the offset of its times."""
        # The serializer itself: every record of a large import passes here, and model_dump_json costs twice as much.
        return sha256(self.__pydantic_serializer__.to_json(self, exclude_none=True)).hexdigest()[:32]


class Personal(Record):
    """A record about a customer, and perhaps a member of staff."""

    customer: Known
    userid: Word | None = None


@with_config(STRICTLY)
class Item(TypedDict):
    """A line of an order."""

    sku: Word
    name: Word
    category: Annotated[Prose, Field(default="")]
    qty: Annotated[int, Strict(), Field(ge=1, le=10**6)]
    amount_fen: Fen
    margin_fen: Annotated[SignedFen | None, Field(default=None)]


class OrderRecord(Personal):
    """A paid order."""

    kind = "orders"
    amount_fen: Fen
    items: Annotated[list[Item], Field(max_length=500)] = []
    store: Word | None = None
    campaign: Word | None = None
    channel: Word | None = None


class RefundRecord(Record):
    """Money given back; the order says whose."""

    kind = "refunds"
    order_id: Word
    amount_fen: Annotated[int, Strict(), Field(ge=1, le=MOST_FEN)]
    customer: Known | None = None
    userid: Word | None = None


class BookingRecord(Personal):
    """An appointment made, moved or cancelled: the latest record with its id holds."""

    kind = "bookings"
    starts_at: Moment
    item: Prose = ""
    store: Word | None = None
    status: Literal["booked", "moved", "cancelled"] = "booked"


class VisitRecord(Personal):
    """A customer came."""

    kind = "visits"
    store: Word | None = None
    booking_id: Word | None = None


class PolicyRecord(Personal):
    """An insurance policy."""

    kind = "policies"
    product: Word
    policy_kind: Word = Field(alias="kind")
    sum_insured_fen: Fen
    premium_fen: Fen
    starts_on: Day
    ends_on: Day

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """It begins before it ends."""
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on; check the two days")
        return self


class ParticipationRecord(Personal):
    """A customer joined a campaign."""

    kind = "participations"
    campaign: Word


class ReferralRecord(Personal):
    """Who brought a customer."""

    kind = "referrals"
    referrer: Known
    campaign: Word | None = None


class ActRecord(Personal):
    """Something a customer did."""

    kind = "events"
    name: Name
    properties: Annotated[dict[str, Any], BeforeValidator(json_object)] = {}


class TrafficRecord(Record):
    """Visitors and clicks of a channel on a day."""

    kind = "traffic"
    channel: Word
    date: Day
    visitors: Count = 0
    clicks: Count = 0


class SpendRecord(Record):
    """Money spent on a channel or a campaign."""

    kind = "spend"
    channel: Word | None = None
    campaign: Word | None = None
    date: Day
    amount_fen: Fen


class TotalRecord(Record):
    """The company's, or a store's, net amount of a day."""

    kind = "totals"
    date: Day
    store: Word | None = None
    net_amount_fen: SignedFen


class AttributeRecord(Personal):
    """A customer's attribute."""

    kind = "attributes"
    key: Word
    value: Annotated[Word, BeforeValidator(as_text)]


class IdentityRecord(Personal):
    """One more id of a known customer."""

    kind = "identities"
    id_kind: Literal["external_userid", "unionid", "member_id", "consult_id", "phone"] = Field(alias="kind")
    value: Word

    def ids(self) -> dict[str, str]:
        """Every id of the record, the new one among them."""
        given: Any = self.customer
        return {**given, self.id_kind: self.value}

    @model_validator(mode="after")
    def agreeing(self) -> Self:
        """A phone is normalised; the new id may not contradict the ones given."""
        if self.id_kind == PHONE:
            self.value = phone_number(self.value)
        if self.customer.get(self.id_kind, self.value) != self.value:
            raise ValueError(f"the customer is named by another {self.id_kind}; name her by an id of another kind")
        return self


RECORDS: dict[str, type[Record]] = {
    one.kind: one
    for one in (
        OrderRecord, RefundRecord, BookingRecord, VisitRecord, PolicyRecord, ParticipationRecord, ReferralRecord,
        ActRecord, TrafficRecord, SpendRecord, TotalRecord, AttributeRecord, IdentityRecord,
    )
}  # fmt: skip
"""The type of each kind."""

REMEDIES = {
    "missing": "add it",
    "extra_forbidden": "this kind has no such field; check its name, or leave it out",
    "model_type": "write an object",
    "dict_type": "write an object",
    "string_type": "write text, in quotes",
    "string_unicode": "write valid UTF-8",
    "string_too_short": "fill it, or leave the field out",
    "int_type": "write a whole number, without quotes, point or sign",
    "list_type": "write a list",
}


def problems_of(error: ValidationError, place: int) -> list[Problem]:
    """What is wrong with a record, field by field."""
    return [problem_of(dict(one), place) for one in error.errors(include_url=False, include_context=False)]


def problem_of(error: dict[str, Any], place: int) -> Problem:
    """One wrong field in words."""
    field = ".".join(str(part) for part in error["loc"]) or "record"
    remedy = REMEDIES.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    absent = error["type"] == "missing" or not error["loc"] or isinstance(error["input"], dict | list)
    return Problem(place, field, "" if absent else shown(error["input"]), remedy)


def shown(value: object) -> str:
    """A value as an error shows it: not at length."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def problem_lines(problems: Iterable[Problem], place: str) -> list[str]:
    """Problems as sentences; `place` is what the number counts: line or record."""
    return [
        f"{place} {one.place}: {one.field}{f' {one.value!r}' if one.value else ''}: {one.remedy}" for one in problems
    ]
