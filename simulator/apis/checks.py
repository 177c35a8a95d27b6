"""What several APIs check about a field, and the errcode of each."""

from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.platform import Call, Fields
from simulator.windows import media_of


def own_agent(call: Call, value: object) -> None:
    """Raise unless `value` is the agentid of the token's own app: 41011 missing, 40056 no id, 301002 another's."""
    if value is None or value == "":
        raise ApiError(41011, "missing agentid")
    if not str(value).isdigit() or isinstance(value, bool):
        raise ApiError(40056, "invalid agentid")
    if int(str(value)) != call.app.agent_id:
        raise ApiError(301002, "not allow operate another agent with this accesstoken")


def require(content: Fields, name: str, errcode: int) -> None:
    """Raise when a field is missing or empty."""
    if not content.get(name):
        raise ApiError(errcode, f"missing {name}")


def require_url(content: Fields, name: str) -> None:
    """Raise unless there is an address with a scheme, at most 2,048 B."""
    require(content, name, 41010)
    limit_bytes(content, name, 2048)
    if "://" not in str(content[name]):
        raise ApiError(45034, f"{name} lacks scheme")


def require_media(corp: Corp, media_id: object, *types: str) -> None:
    """Raise 40007 unless the media_id may be used here."""
    if media_of(corp, media_id, *types) is None:
        raise ApiError(40007, "invalid media_id")


def limit_bytes(content: Fields, name: str, most: int, errcode: int = 40058) -> None:
    """Raise when a field is longer than `most` bytes."""
    if len(str(content.get(name) or "").encode()) > most:
        raise ApiError(errcode, f"{name} exceed max length {most}")


def kind_of(content: Fields) -> int:
    """The number in `type`; absent is 0. Raises 40058 for anything else."""
    kind = content.get("type") or 0
    if not isinstance(kind, int):
        raise ApiError(40058, "type invalid")
    return kind


def blocks(content: Fields, name: str) -> list[Fields]:
    """A list of objects; absent is empty. Raises 40058 for anything else."""
    found = content.get(name) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ApiError(40058, f"{name} invalid")
    return found


def block(content: Fields, name: str) -> Fields:
    """An object; absent is empty. Raises 40058 for anything else."""
    found = content.get(name) or {}
    if not isinstance(found, dict):
        raise ApiError(40058, f"{name} invalid")
    return found
