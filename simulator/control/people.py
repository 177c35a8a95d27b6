"""What staff and customers do to each other: adds, deletions, transfers, tags, remarks, chats."""

import re

from aiohttp import web

from simulator.control.asked import asked, company, refuse, yes_no
from simulator.control.given import answer, choice, number, optional, staff, texts, tie
from simulator.corp import LEFT, Corp, Member, WelcomeCode, opaque
from simulator.days import DAY, count_chat, count_of
from simulator.events import Event, contact_event, deliver, event, heard
from simulator.platform import Fields
from simulator.records import Customer, Follow, Transfer
from simulator.windows import hand_over

routes = web.RouteTableDef()

CONSOLE_WELCOME = "您好，很高兴认识您！"
EXTERNAL_USERID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ADD_FIELDS = (
    "userid", "name", "external_userid", "state", "half", "console_welcome", "unionid", "phone",
    "type", "add_way", "link_id",
)  # fmt: skip
BY_LINK = 16
LINK_MESSAGES = {3, 5, 10}
"""A customer who came by an acquisition link raises an event with these messages, and with the first."""
FAILURES = {"customer_refused": 3, "customer_limit_exceed": 4}


@routes.post("/sim/friend-adds")
async def friend_added(request: web.Request) -> web.Response:
    """A customer adds a member: `{external_userid, welcome_code, deliveries}`; the code is null when none is issued."""
    corp, body = company(request), await asked(request, *ADD_FIELDS)
    member = staff(corp, body)
    if member.status == LEFT:
        refuse(f"userid {member.userid!r} has left the company; name a member who is still there.")
    console = console_text(member, body)
    follow = add_tie(corp, member, customer_for(corp, body), body)
    code = greet(corp, follow, console)
    change = "add_half_external_contact" if follow.half else "add_external_contact"
    raised = contact_event(corp, change, follow.userid, follow.external_userid, State=follow.state, WelcomeCode=code)
    deliveries = await deliver(request, *([raised] if heard(corp, corp.members[follow.userid]) else []))
    return answer(deliveries, external_userid=follow.external_userid, welcome_code=code)


def console_text(member: Member, body: Fields) -> str:
    """The welcome the console sends for this add; "" when it sends none."""
    given = body.get("console_welcome")
    if given is None:
        return member.console_welcome
    if not isinstance(given, bool | str):
        refuse(f"console_welcome is {given!r}; give true, false or the text.")
    return given if isinstance(given, str) else (member.console_welcome or CONSOLE_WELCOME) if given else ""


def customer_for(corp: Corp, body: Fields) -> Customer:
    """The customer who adds: the one named, or somebody new."""
    external_userid = optional(body, "external_userid", "") or opaque("wm")
    if not EXTERNAL_USERID.fullmatch(external_userid):
        refuse(f"external_userid is {external_userid!r}; give 1 to 64 letters, digits, _ or -, or leave it out.")
    known = corp.customers.get(external_userid)
    name = optional(body, "name", known.name if known else f"客户{len(corp.customers) + 1}")
    kind = number(body, "type", known.type if known else 1, 1, 2)
    unionid, phone = optional(body, "unionid", ""), optional(body, "phone", "")
    customer = known or Customer(external_userid, name, kind)
    customer.name, customer.type = name or customer.name, kind
    customer.unionid, customer.phone = unionid or customer.unionid, phone or customer.phone
    return customer


def add_tie(corp: Corp, member: Member, customer: Customer, body: Fields) -> Follow:
    """The new tie, or the one-way tie made whole again."""
    state, link_id = optional(body, "state", ""), optional(body, "link_id", "")
    if link_id and link_id not in corp.links:
        refuse(f"link_id {link_id!r} is no acquisition link; make one with customer_acquisition/create_link.")
    key = (member.userid, customer.external_userid)
    follow = corp.tie(*key)
    if follow and not follow.deleted_by_customer:
        refuse(
            f"external_userid {key[1]!r} and userid {key[0]!r} are contacts already; "
            "delete the tie with POST /sim/deletions first, or confirm a half one with POST /sim/half-confirmations."
        )
    if follow is None:
        follow = Follow(*key, corp.now(), half=yes_no(body, "half"))
    corp.customers[customer.external_userid] = customer
    follow.deleted_by_customer = False
    follow.createtime, follow.oper_userid = corp.now(), customer.external_userid
    follow.state, follow.link_id = state or follow.state, link_id
    follow.add_way = BY_LINK if link_id else number(body, "add_way", 1, 0, 202)
    corp.follows[key] = follow
    count_of(corp, member.userid).contacts += not follow.half
    return follow


def greet(corp: Corp, follow: Follow, console: str) -> str | None:
    """Send the console's welcome, or issue a code for ours; None when §3.2 gives none."""
    customer = corp.customers[follow.external_userid]
    follow.welcome_code = None
    if console:
        hand_over(corp, customer, follow.userid, "console_welcome", {"text": {"content": console}})
        return None
    if follow.chatted or customer.type == 2 or not heard(corp, corp.members[follow.userid]):
        return None
    code = WelcomeCode(opaque("WC", 43), follow.userid, follow.external_userid, corp.clock.elapsed())
    corp.welcome_codes[code.code] = code
    follow.welcome_code = code.code
    return code.code


@routes.post("/sim/half-confirmations")
async def half_confirmed(request: web.Request) -> web.Response:
    """The member confirms a half contact; a code comes with it unless the half one's was used, or none was issued."""
    corp, body = company(request), await asked(request, "userid", "external_userid")
    follow = tie(corp, body)
    if not follow.half:
        refuse(f"external_userid {follow.external_userid!r} is a whole contact already; add a new one with half: true.")
    earlier = corp.welcome_codes.get(follow.welcome_code or "")
    follow.half = False
    count_of(corp, follow.userid).contacts += 1
    code = greet(corp, follow, "") if earlier and not earlier.used else None
    raised = contact_event(
        corp, "add_external_contact", follow.userid, follow.external_userid, State=follow.state, WelcomeCode=code
    )
    deliveries = await deliver(request, *([raised] if heard(corp, corp.members[follow.userid]) else []))
    return answer(deliveries, external_userid=follow.external_userid, welcome_code=code)


@routes.post("/sim/deletions")
async def deleted(request: web.Request) -> web.Response:
    """The member deletes the customer (the tie ends) or the customer the member (a one-way tie remains)."""
    corp, body = company(request), await asked(request, "userid", "external_userid", "by")
    by = choice(body, "by", "staff", "customer")
    follow = tie(corp, body)
    if by == "staff":
        del corp.follows[follow.userid, follow.external_userid]
        return await raise_about(request, follow, "del_external_contact")
    follow.deleted_by_customer = True
    count_of(corp, follow.userid).negatives += 1
    return await raise_about(request, follow, "del_follow_user")


async def raise_about(request: web.Request, follow: Follow, change: str) -> web.Response:
    """Deliver an event that says nothing but whom it is about."""
    corp = company(request)
    raised = contact_event(corp, change, follow.userid, follow.external_userid)
    return answer(await deliver(request, *([raised] if heard(corp, corp.members[follow.userid]) else [])))


@routes.post("/sim/transfers")
async def transferred(request: web.Request) -> web.Response:
    """A customer passes from one member to another at once, or with `fail` does not; ends a waiting transfer too."""
    corp, body = company(request), await asked(request, "from", "to", "external_userid", "fail")
    handover, takeover = staff(corp, body, "from"), staff(corp, body, "to")
    follow, fail = tie(corp, body, "from"), failure(body)
    if handover is takeover:
        refuse(f"from and to are both {handover.userid!r}; name two members.")
    transfer = transfer_of(corp, handover, takeover, follow.external_userid)
    if fail:
        transfer.status = 3 if fail == "customer_refused" else 4
        raised = contact_event(corp, "transfer_fail", takeover.userid, follow.external_userid)
        # The platform puts the reason before the ids; whoever reads by name does not care.
        events = [{**raised, "FailReason": fail}] if heard(corp, takeover) else []
    else:
        events = pass_on(corp, handover, takeover, transfer)
    return answer(await deliver(request, *events))


def failure(body: Fields) -> str:
    """Why a transfer fails; "" when it does not. `true` is a refusal."""
    given = body.get("fail") or ""
    if given is True:
        return "customer_refused"
    if given and given not in FAILURES:
        refuse(f"fail is {given!r}; give true or one of {', '.join(FAILURES)}.")
    return str(given)


def transfer_of(corp: Corp, handover: Member, takeover: Member, external_userid: str) -> Transfer:
    """The waiting transfer of these three, or a new one made in the console."""
    for transfer in corp.waiting:
        same = (transfer.handover, transfer.takeover, transfer.external_userid)
        if transfer.status == 2 and same == (handover.userid, takeover.userid, external_userid):
            return transfer
    transfer = Transfer(handover.userid, takeover.userid, external_userid, corp.now(), handover.status == LEFT)
    corp.transfers.append(transfer)
    return transfer


def pass_on(corp: Corp, handover: Member, takeover: Member, transfer: Transfer) -> list[Event]:
    """Finish a transfer; its events: the old tie's end, the new tie's beginning."""
    corp.finish(transfer)
    ended = contact_event(
        corp, "del_external_contact", handover.userid, transfer.external_userid, Source="DELETE_BY_TRANSFER"
    )
    begun = contact_event(corp, "add_external_contact", takeover.userid, transfer.external_userid)
    return [*([ended] if heard(corp, handover) else []), *([begun] if heard(corp, takeover) else [])]


@routes.post("/sim/remarks")
async def remarked(request: web.Request) -> web.Response:
    """The member edits remark, description or phones in the client."""
    corp, body = company(request), await asked(request, "userid", "external_userid", "remark", "description", "phones")
    follow = tie(corp, body)
    if not {"remark", "description", "phones"}.intersection(body):
        refuse("remark, description and phones are all missing; give at least one.")
    follow.remark = optional(body, "remark", follow.remark)
    follow.description = optional(body, "description", follow.description)
    if "phones" in body:
        follow.remark_mobiles = texts(body, "phones")
    return await raise_about(request, follow, "edit_external_contact")


@routes.post("/sim/tag-edits")
async def tagged(request: web.Request) -> web.Response:
    """The member edits tags by name (or `group/name`); a name no corp tag has becomes a personal tag."""
    corp, body = company(request), await asked(request, "userid", "external_userid", "add", "remove")
    follow = tie(corp, body)
    add, remove = texts(body, "add"), texts(body, "remove")
    if not add and not remove:
        refuse("add and remove are both empty; name at least one tag.")
    for name in remove:
        ids = set(tag_ids(corp, name))
        follow.tag_ids = [tag_id for tag_id in follow.tag_ids if tag_id not in ids]
        follow.personal_tags = [tag for tag in follow.personal_tags if tag != name]
    for name in add:
        chosen = (follow.tag_ids, tag_ids(corp, name)[:1]) if tag_ids(corp, name) else (follow.personal_tags, [name])
        chosen[0].extend(one for one in chosen[1] if one not in chosen[0])
    return await raise_about(request, follow, "edit_external_contact")


def tag_ids(corp: Corp, name: str) -> list[str]:
    """Ids of the corp tags with this name, or with this group and name."""
    return [
        tag.id
        for tag in corp.tags.values()
        if not tag.deleted and name in {tag.name, f"{corp.tag_groups[tag.group_id].name}/{tag.name}"}
    ]


@routes.post("/sim/customer-chats")
async def chatted(request: web.Request) -> web.Response:
    """One message between member and customer: raises counters, today's or those of `at`; no word reaches anybody."""
    corp, body = company(request), await asked(request, "userid", "external_userid", "by", "at")
    follow = tie(corp, body)
    by = choice(body, "by", "customer", "staff")
    at = number(body, "at", corp.now(), corp.now() - 180 * DAY, corp.now())
    count_chat(corp, follow, "customer" if by == "customer" else "staff", at)
    return answer(await deliver(request, *(link_events(corp, follow) if by == "customer" else [])))


def link_events(corp: Corp, follow: Follow) -> list[Event]:
    """§3.5: what a message of a customer who came by an acquisition link raises."""
    if not follow.link_id or not heard(corp, corp.members[follow.userid]):
        return []
    link = {"LinkId": follow.link_id}
    if follow.written == 1:
        ids = {"UserID": follow.userid, "ExternalUserID": follow.external_userid}
        return [event(corp, "customer_acquisition", "customer_start_chat", **ids, **link)]
    if follow.written in LINK_MESSAGES:
        return [event(corp, "customer_acquisition", "message_from_customer", **link, ChatKey=opaque("CK"))]
    return []
