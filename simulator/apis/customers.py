"""Reading customers and writing remarks (wecom-api §6.1, §6.2, §6.7)."""

from collections.abc import Iterator
from hashlib import sha256
from itertools import chain

from simulator.apis.scope import NOT_A_CONTACT, customer_named, followers_named, member_named, pair_named
from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.paging import cursor, page, position
from simulator.platform import Call, Fields, api
from simulator.records import Customer, Follow, Tag

FOLLOWERS_A_PAGE = 500
REMARK_LENGTHS = {"remark": 20, "description": 150, "remark_company": 20}
REMARK_FIELDS = (*REMARK_LENGTHS, "remark_mobiles", "remark_pic_mediaid")


@api("externalcontact/get_follow_user_list", "GET", empty={"follow_user": []})
def get_follow_user_list(call: Call) -> Fields:
    """§6.1: members with 客户联系 in the scope."""
    return {"follow_user": [one.userid for one in call.corp.members.values() if one.visible and one.customer_contact]}


@api("externalcontact/list", "GET", empty={"external_userid": []})
def list_customers(call: Call) -> Fields:
    """§6.1: 84061 for a member without customers."""
    member = member_named(call.corp, call.query.get("userid"))
    found = [follow.external_userid for follow in call.corp.customers_of(member.userid)]
    if not found or not member.customer_contact:
        raise ApiError(84061, NOT_A_CONTACT)
    return {"external_userid": found}


@api("externalcontact/get", "GET")
def get_customer(call: Call) -> Fields:
    """§6.1: one customer with every follower in scope; more than 500 come in pages."""
    customer = customer_named(call.corp, call.query.get("external_userid"))
    follows = call.corp.follows_of(customer.external_userid)
    if not follows:
        raise nobody_follows(call.corp, customer)
    start = position(call)
    end = start + FOLLOWERS_A_PAGE
    return {
        "external_contact": external_contact(customer),
        "follow_user": [follow_user(call.corp, follow) for follow in follows[start:end]],
        "next_cursor": cursor(call, end) if len(follows) > end else "",
    }


def nobody_follows(corp: Corp, customer: Customer) -> ApiError:
    """40096 when all followers are out of scope, 84061 when none is left or only the half kind."""
    ties = corp.follows.by_customer.get(customer.external_userid, {})
    if ties and not any(corp.members[userid].visible for userid in ties):
        return ApiError(40096, "invalid external userid")
    return ApiError(84061, NOT_A_CONTACT)


@api("externalcontact/batch/get_by_user", empty={"external_contact_list": []})
def batch_get_by_user(call: Call) -> Fields:
    """§6.1: customers of up to 100 members, 50 a page unless asked otherwise."""
    members = followers_named(call, call.body.get("userid_list"))
    follows = chain.from_iterable(call.corp.customers_of(member.userid) for member in members)
    rows, following = page(call, follows, 50, 100)
    listed = [
        {
            "external_contact": external_contact(call.corp.customers[follow.external_userid]),
            "follow_info": follow_info(call.corp, follow),
        }
        for follow in rows
    ]
    return {"external_contact_list": listed, "next_cursor": following}


@api("externalcontact/contact_list", empty={"info_list": []})
def contact_list(call: Call) -> Fields:
    """§6.1: customers, and people in customer groups whom nobody has added, as tmp_openid."""
    rows, following = page(call, chain(known_contacts(call.corp), strangers_in_groups(call.corp)), 1000, 1000)
    return {"info_list": rows, "next_cursor": following}


def known_contacts(corp: Corp) -> Iterator[Fields]:
    """A row for each tie in scope."""
    for member in corp.members.values():
        if member.visible and member.customer_contact:
            for follow in corp.customers_of(member.userid):
                yield {
                    "is_customer": True,
                    "external_userid": follow.external_userid,
                    "name": corp.customers[follow.external_userid].name,
                    "follow_userid": follow.userid,
                    "add_time": follow.createtime,
                }


def strangers_in_groups(corp: Corp) -> Iterator[Fields]:
    """A row for each external person of a group whom no member follows."""
    for group in corp.groups.values():
        for person in group.members.values():
            if person.type == 2 and not corp.follows_of(person.id):
                openid = sha256(f"{corp.now() // 14_400} {person.id}".encode()).hexdigest()[:28]
                yield {
                    "is_customer": False,
                    "tmp_openid": openid,
                    "chat_id": group.chat_id,
                    "add_time": person.join_time,
                }


def external_contact(customer: Customer) -> Fields:
    """The customer's own half of an answer; company fields only for a WeCom user, unionid only for a WeChat user."""
    found: Fields = {
        "external_userid": customer.external_userid,
        "name": customer.name,
        "avatar": f"https://wx.qlogo.cn/mmhead/{customer.external_userid[-12:]}/0",
        "type": customer.type,
        "gender": customer.gender,
    }
    if customer.type == 1:
        return found | ({"unionid": customer.unionid} if customer.unionid else {})
    company = {"corp_name": customer.corp_name, "corp_full_name": customer.corp_name, "position": customer.position}
    return found | company | {"external_profile": {"external_attr": []}}


def tie_fields(corp: Corp, follow: Follow) -> Fields:
    """What `follow_user` and `follow_info` have in common; `remark_corp_name` only for a WeChat user."""
    found: Fields = {
        "userid": follow.userid,
        "remark": follow.remark,
        "description": follow.description,
        "createtime": follow.createtime,
        "remark_mobiles": follow.remark_mobiles,
        "add_way": follow.add_way,
        "oper_userid": follow.oper_userid,
    }
    if corp.customers[follow.external_userid].type == 1:
        found["remark_corp_name"] = follow.remark_corp_name
    if follow.state:
        found["state"] = follow.state
    return found


def tags_of(corp: Corp, follow: Follow) -> list[Tag]:
    """The corp tags on a pair, without those deleted since."""
    return [tag for tag_id in follow.tag_ids if not (tag := corp.tags[tag_id]).deleted]


def follow_user(corp: Corp, follow: Follow) -> Fields:
    """A tie as `get` shows it, personal tags too."""
    tags: list[Fields] = [
        {"group_name": corp.tag_groups[tag.group_id].name, "tag_name": tag.name, "tag_id": tag.id, "type": 1}
        for tag in tags_of(corp, follow)
    ]
    tags += [{"group_name": "", "tag_name": name, "type": 2} for name in follow.personal_tags]
    return tie_fields(corp, follow) | {"tags": tags}


def follow_info(corp: Corp, follow: Follow) -> Fields:
    """A tie as `batch/get_by_user` shows it: ids of corp tags only."""
    return tie_fields(corp, follow) | {"tag_id": [tag.id for tag in tags_of(corp, follow)]}


@api("externalcontact/remark")
def remark(call: Call) -> Fields:
    """§6.2: given fields overwrite; a list of one empty string clears the phones."""
    follow = pair_named(call)
    given = {name: call.body[name] for name in REMARK_FIELDS if call.body.get(name) is not None}
    if not given:
        raise ApiError(40058, "remark, description, remark_company, remark_mobiles and remark_pic_mediaid are empty")
    for name, longest in REMARK_LENGTHS.items():
        if not isinstance(given.get(name, ""), str) or len(given.get(name, "")) > longest:
            raise ApiError(40058, f"{name} invalid")
    phones = [phone for phone in call.strings("remark_mobiles") if phone]
    follow.remark = given.get("remark", follow.remark)
    follow.description = given.get("description", follow.description)
    if call.corp.customers[follow.external_userid].type == 1:
        follow.remark_corp_name = given.get("remark_company", follow.remark_corp_name)
    if "remark_mobiles" in given:
        follow.remark_mobiles = phones
    return {}


@api("externalcontact/convert_to_openid", empty={"openid": ""})
def customer_openid(call: Call) -> Fields:
    """§6.7: a WeChat user's openid."""
    customer = customer_named(call.corp, call.body.get("external_userid"))
    if customer.type != 1:
        raise ApiError(40096, "invalid external userid")
    return {"openid": "o" + sha256(customer.external_userid.encode()).hexdigest()[:27]}


@api("externalcontact/unionid_to_external_userid", empty={"external_userid": ""})
@api("idconvert/unionid_to_external_userid", empty={"external_userid": ""})
def unionid_to_external_userid(_: Call) -> Fields:
    """§6.7: for third-party tokens only, and this company's are none."""
    raise ApiError(48002, "api forbidden")
