"""More of what a control call gives, checked as in `asked`: texts, lists, choices, people and their ties."""

from typing import Any

from aiohttp import web

from simulator.control.asked import customer_named, member_named, refuse, text
from simulator.corp import Corp, Member
from simulator.delivery import Delivery
from simulator.platform import Fields
from simulator.records import Follow


def optional(body: Fields, name: str, default: str = "") -> str:
    """A string, `default` when absent or null."""
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        refuse(f"{name} is {value!r}; give a text, or leave it out.")
    return default if value is None else value


def number(body: Fields, name: str, default: int, low: int, high: int) -> int:
    """A whole number between `low` and `high`, `default` when absent."""
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        refuse(f"{name} is {value!r}; give a whole number from {low} to {high}.")
    return value


def texts(body: Fields, name: str) -> list[str]:
    """A list of strings; absent means empty."""
    value = body.get(name) or []
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        refuse(f"{name} is {value!r}; give a list of texts that are not empty.")
    return value


def choice(body: Fields, name: str, *choices: str) -> str:
    """One of a few words."""
    value = body.get(name)
    if value not in choices:
        refuse(f"{name} is {value!r}; give one of {', '.join(choices)}.")
    return str(value)


def staff(corp: Corp, body: Fields, name: str = "userid") -> Member:
    """The member of staff a field names; 404 when there is none."""
    return member_named(corp, text(body, name))


def tie(corp: Corp, body: Fields, name: str = "userid") -> Follow:
    """The tie between the member and the customer the body names; 404 for unknown ids, 400 without a tie."""
    one, customer = staff(corp, body, name), customer_named(corp, text(body, "external_userid"))
    follow = corp.tie(one.userid, customer.external_userid)
    if follow is None:
        refuse(
            f"external_userid {customer.external_userid!r} and {name} {one.userid!r} are no contacts; "
            "make them so with POST /sim/friend-adds."
        )
    return follow


def answer(deliveries: list[Delivery], **more: Any) -> web.Response:
    """The answer of a control call that may have delivered callbacks."""
    return web.json_response({**more, "deliveries": deliveries})
