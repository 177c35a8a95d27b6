"""Product albums 商品图册 and intercept rules 聊天敏感词 (wecom-api §6.10, §6.11)."""

import re
from typing import Any

from simulator.apis.checks import block, blocks
from simulator.apis.scope import department_tree, follower_named
from simulator.corp import opaque
from simulator.errors import ApiError
from simulator.paging import page
from simulator.platform import Call, Fields, api
from simulator.windows import media_of

LONGEST_DESCRIPTION, HIGHEST_PRICE, MOST_IMAGES = 300, 5_000_000, 9
SERIAL = re.compile(r"[A-Za-z0-9]{0,128}")
MOST_RULES, MOST_WORDS, LONGEST_WORD, LONGEST_RULE_NAME = 100, 300, 32, 20
MOST_IN_RANGE = 1000


def products(call: Call) -> dict[str, Fields]:
    """Every product by id."""
    return call.platform.extras["products"]


@api("externalcontact/add_product_album", empty={"product_id": ""})
def add_product(call: Call) -> Fields:
    """A product with up to nine pictures from media/upload_attachment."""
    product = checked(call, {"product_sn": ""})
    product_id = opaque("", 24)
    products(call)[product_id] = product | {"product_id": product_id, "create_time": call.corp.now()}
    return {"product_id": product_id}


def checked(call: Call, old: Fields) -> Fields:
    """The product after a call: what is given replaces what was. Raises 40058, 40063 and 40007."""
    names = ("description", "price", "product_sn", "attachments")
    product = old | {name: call.body[name] for name in names if name in call.body}
    if not product.get("description") or not product.get("attachments"):
        raise ApiError(40063, "some parameters are empty")
    if not isinstance(product["description"], str) or len(product["description"]) > LONGEST_DESCRIPTION:
        raise ApiError(40058, "description invalid")
    price = product.get("price")
    if not isinstance(price, int) or not 0 <= price <= HIGHEST_PRICE:
        raise ApiError(40058, "price invalid")
    if not SERIAL.fullmatch(str(product["product_sn"])):
        raise ApiError(40058, "product_sn invalid")
    images = blocks(product, "attachments")
    if len(images) > MOST_IMAGES:
        raise ApiError(41064, "too many attachments")
    for image in images:
        if media_of(call.corp, block(image, "image").get("media_id"), "image", attachment=True) is None:
            raise ApiError(40007, "invalid media_id")
    return product


def product_of(call: Call) -> Fields:
    """The product a call names; 40058 for an unknown one."""
    found = products(call).get(call.text("product_id"))
    if found is None:
        raise ApiError(40058, "product_id invalid")
    return found


@api("externalcontact/get_product_album")
def get_product(call: Call) -> Fields:
    """One product."""
    return {"product": product_of(call)}


@api("externalcontact/get_product_album_list", empty={"product_list": []})
def list_products(call: Call) -> Fields:
    """Products, 50 a page unless asked otherwise."""
    rows, following = page(call, products(call).values(), 50, 100)
    return {"product_list": rows, "next_cursor": following}


@api("externalcontact/update_product_album")
def update_product(call: Call) -> Fields:
    """What is given replaces what was."""
    product_of(call).update(checked(call, product_of(call)))
    return {}


@api("externalcontact/delete_product_album")
def delete_product(call: Call) -> Fields:
    """The product goes."""
    del products(call)[product_of(call)["product_id"]]
    return {}


def rules(call: Call) -> dict[str, Fields]:
    """Every intercept rule by id."""
    return call.platform.extras["intercept_rules"]


@api("externalcontact/add_intercept_rule", empty={"rule_id": ""})
def add_rule(call: Call) -> Fields:
    """Words that are blocked (1) or warned of (2) in chats of a range of members."""
    if len(rules(call)) >= MOST_RULES:
        raise ApiError(41076, "too many rules")
    rule = rule_of_body(call, {"semantics_list": [], "applicable_range": {"user_list": [], "department_list": []}})
    rule["applicable_range"] = reach(call, "applicable_range")
    if not rule["applicable_range"]["user_list"] and not rule["applicable_range"]["department_list"]:
        raise ApiError(40063, "some parameters are empty")
    rule_id = opaque("", 24)
    rules(call)[rule_id] = rule | {"rule_id": rule_id, "create_time": call.corp.now()}
    return {"rule_id": rule_id}


def rule_of_body(call: Call, old: Fields) -> Fields:
    """The rule after a call, without its range. Raises 40063 and 40058."""
    rule = old | {name: call.body[name] for name in ("rule_name", "word_list", "intercept_type") if name in call.body}
    extra = block(call.body, "extra_rule").get("semantics_list")
    rule["semantics_list"] = call.body.get("semantics_list") or extra or rule["semantics_list"]
    words: Any = rule.get("word_list")
    if not 1 <= len(str(rule.get("rule_name") or "")) <= LONGEST_RULE_NAME:
        raise ApiError(40058, "rule_name invalid")
    if not isinstance(words, list) or not 1 <= len(words) <= MOST_WORDS:
        raise ApiError(40058, "word_list invalid")
    if any(not isinstance(word, str) or not 1 <= len(word) <= LONGEST_WORD for word in words):
        raise ApiError(40058, "word_list invalid")
    if rule.get("intercept_type") not in (1, 2) or not semantics(rule["semantics_list"]):
        raise ApiError(40058, "intercept_type or semantics_list invalid")
    return rule


def semantics(given: Any) -> bool:
    """Whether this is a list of 1 (phone), 2 (mail) and 3 (red packet)."""
    return isinstance(given, list) and all(one in (1, 2, 3) for one in given)


def reach(call: Call, name: str) -> dict[str, list[Any]]:
    """Members and departments of a range, 1,000 at most."""
    given = block(call.body, name)
    users, departments = given.get("user_list") or [], given.get("department_list") or []
    if len(users) + len(departments) > MOST_IN_RANGE:
        raise ApiError(40058, f"{name} invalid")
    for department in departments:
        department_tree(call.corp, department)
    return {"user_list": [follower_named(call.corp, one).userid for one in users], "department_list": departments}


def rule_of(call: Call) -> Fields:
    """The rule a call names; 40058 for an unknown one."""
    found = rules(call).get(call.text("rule_id"))
    if found is None:
        raise ApiError(40058, "rule_id invalid")
    return found


@api("externalcontact/get_intercept_rule_list", "GET", empty={"rule_list": []})
def list_rules(call: Call) -> Fields:
    """Names and times of all rules."""
    shown = ("rule_id", "rule_name", "create_time")
    return {"rule_list": [{name: rule[name] for name in shown} for rule in rules(call).values()]}


@api("externalcontact/get_intercept_rule")
def get_rule(call: Call) -> Fields:
    """One rule."""
    rule = rule_of(call)
    return {"rule": rule | {"extra_rule": {"semantics_list": rule["semantics_list"]}}}


@api("externalcontact/update_intercept_rule")
def update_rule(call: Call) -> Fields:
    """What is given replaces what was; the range grows and shrinks by two lists of its own."""
    rule = rule_of(call)
    changed = rule_of_body(call, rule)
    more, fewer = reach(call, "add_applicable_range"), reach(call, "remove_applicable_range")
    changed["applicable_range"] = {
        name: [one for one in dict.fromkeys([*ids, *more[name]]) if one not in fewer[name]]
        for name, ids in rule["applicable_range"].items()
    }
    rule.update(changed)
    return {}


@api("externalcontact/del_intercept_rule")
def delete_rule(call: Call) -> Fields:
    """The rule goes."""
    del rules(call)[rule_of(call)["rule_id"]]
    return {}
