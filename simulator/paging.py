"""Pages and cursors: opaque, tied to the question they came from, empty at the end (wecom-api §6, §14)."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice
from typing import TypeVar

from simulator.errors import ApiError
from simulator.platform import Call

Row = TypeVar("Row")

KEY = secrets.token_bytes(16)
NOT_THE_QUESTION = {"access_token", "cursor", "limit", "page_size"}


def number(call: Call, name: str, default: int | None, low: int, high: int) -> int:
    """A whole number of the body between `low` and `high`; 40058 otherwise, also when it is missing without default."""
    value = call.body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ApiError(40058, f"{name} invalid")
    return value


def page(
    call: Call, rows: Iterable[Row], default: int | None, most: int, size_field: str = "limit"
) -> tuple[list[Row], str]:
    """The rows this call asks for, and the cursor of the next page ("" at the end). Raises 40058 and 50100."""
    size = number(call, size_field, default, 1, most)
    start = position(call)
    found = list(islice(rows, start, start + size + 1))
    return found[:size], cursor(call, start + size) if len(found) > size else ""


def cursor(call: Call, start: int) -> str:
    """A cursor that goes on at `start`, for this question only."""
    return urlsafe_b64encode(f"{start}.{seal(call, start)}".encode()).decode()


def position(call: Call) -> int:
    """Where the call's cursor goes on; 0 without one. Raises 50100 for a cursor of another question."""
    given = call.body.get("cursor") or call.query.get("cursor")
    if not given:
        return 0
    try:
        start = int(urlsafe_b64decode(str(given)).decode().split(".")[0])
    except ValueError:
        start = 0
    if start > 0 and given == cursor(call, start):
        return start
    raise ApiError(50100, "invalid cursor")


def seal(call: Call, start: int) -> str:
    """What ties a cursor to its question."""
    question = {key: value for key, value in (call.query | call.body).items() if key not in NOT_THE_QUESTION}
    text = f"{start} {json.dumps(question, sort_keys=True)}"
    return blake2b(text.encode(), key=KEY, digest_size=12).hexdigest()
