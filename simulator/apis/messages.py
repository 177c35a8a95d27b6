"""App messages to members (wecom-api §7): send, update a card, recall."""

import json
from hashlib import sha256

from simulator.apis.cards import check_card, updatable
from simulator.apis.checks import block, limit_bytes, own_agent
from simulator.apis.contents import content_of
from simulator.apis.recipients import EVERYONE, recipients_of, resolve
from simulator.appstate import Entry, Sent
from simulator.corp import Corp, opaque
from simulator.errors import ApiError
from simulator.platform import Call, Fields, api
from simulator.windows import new_response_code, show

RESPONSE_CODE_SECONDS = 72 * 3600
RECALL_SECONDS = 24 * 3600
REPEAT_SECONDS, MAX_REPEAT_SECONDS = 1800, 4 * 3600
MAX_LISTED = 1000


@api("message/send", needs="app")
def send(call: Call) -> Fields:
    """§7.1. Members beyond their 30 a minute or 1,000 an hour get nothing, and nobody is told."""
    body, corp, limits = call.body, call.corp, call.platform.limits
    if body.get("agentid") is not None or body.get("msgtype") != "miniprogram_notice":
        own_agent(call, body.get("agentid"))
    recipients = recipients_of(call)
    answer = recipients.answer() | {"msgid": opaque("m_")}
    # Before the content: the repeat of a card carries a task_id that is taken by its first delivery.
    if repeated(corp, body):
        return answer
    content = content_of(corp, body)
    check_options(body)
    limits.count_persons(len(recipients.userids))
    remember(corp, body)
    reached = [userid for userid in recipients.userids if limits.delivers_to(userid)]
    entries = {userid: show(corp, userid, body["msgtype"], content) for userid in reached}
    corp.state.sent[answer["msgid"]] = Sent(corp.now(), list(entries.values()))
    return answer | keep_card(corp, content, entries) if body["msgtype"] == "template_card" else answer


def check_options(body: Fields) -> None:
    """`safe` and @all do not go with every kind of message."""
    if body.get("safe") and body["msgtype"] == "news":
        raise ApiError(40074, "news cannot be confidential")
    if body.get("touser") == EVERYONE and body["msgtype"] == "miniprogram_notice":
        raise ApiError(40058, "miniprogram_notice cannot go to @all")


def repeated(corp: Corp, body: Fields) -> bool:
    """Whether the duplicate check swallows this message."""
    return body.get("enable_duplicate_check") == 1 and corp.state.repeats.get(digest(body), 0) > corp.now()


def remember(corp: Corp, body: Fields) -> None:
    """Begin the window in which the same content is not delivered again."""
    if body.get("enable_duplicate_check") == 1:
        asked = body.get("duplicate_check_interval")
        seconds = asked if isinstance(asked, int) else REPEAT_SECONDS
        corp.state.repeats[digest(body)] = corp.now() + min(seconds, MAX_REPEAT_SECONDS)


def digest(body: Fields) -> str:
    """What makes two messages the same: their JSON content, whatever its order."""
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def keep_card(corp: Corp, card: Fields, entries: dict[str, Entry]) -> Fields:
    """Note whose card this is; answers the response_code of one that can be updated."""
    task_id = card.get("task_id")
    if not task_id:
        return {}
    corp.state.task_ids.add(task_id)
    for userid, entry in entries.items():
        entry["task_id"] = task_id
        corp.state.cards[userid, task_id] = entry
    return {"response_code": new_response_code(corp, task_id)} if updatable(card) else {}


@api("message/update_template_card", needs="app")
def update_template_card(call: Call) -> Fields:
    """§7.5. The entry of each window gets `updated`: `{"button": …}` or `{"template_card": …}` as it was given."""
    own_agent(call, call.body.get("agentid"))
    updated = update_of(call)
    code = call.text("response_code", 60140)
    task_id, issued = call.corp.state.response_codes.get(code, ("", 0))
    if not task_id or call.corp.now() - issued > RESPONSE_CODE_SECONDS:
        raise ApiError(60140, "invalid response_code", invaliduser=[])
    wanted, invalid = updated_members(call)
    del call.corp.state.response_codes[code]
    for userid in wanted:
        entry = call.corp.state.cards.get((userid, task_id))
        if entry is None:
            invalid.append(userid.lower())
        else:
            entry["updated"] = updated
    return {"invaliduser": invalid}


def update_of(call: Call) -> Fields:
    """The new button or the new card. Raises 40063 without either, and the errcodes of a bad card."""
    if card := block(call.body, "template_card"):
        check_card(call.corp, card)
        return {"template_card": card}
    button = block(call.body, "button")
    if not button.get("replace_name"):
        raise ApiError(40063, "some parameters are empty")
    limit_bytes(button, "replace_name", 1024)
    return {"button": button}


def updated_members(call: Call) -> tuple[list[str], list[str]]:
    """Whose card changes, and the userids that are none. Raises 82001 when nobody is named."""
    if call.body.get("atall") == 1:
        return [member.userid for member in call.corp.members.values() if member.visible], []
    users = call.strings("userids")
    parties, tag_ids = call.body.get("partyids") or [], call.body.get("tagids") or []
    if not isinstance(parties, list) or not isinstance(tag_ids, list):
        raise ApiError(40058, "partyids or tagids invalid", invaliduser=[])
    if not users and not parties and not tag_ids:
        raise ApiError(82001, "userids, partyids and tagids are all empty", invaliduser=[])
    if len(users) > MAX_LISTED:
        raise ApiError(40032, "more than 1000 userids", invaliduser=[])
    found = resolve(call, users, map(str, parties), map(str, tag_ids))
    return found.userids, found.invalid_users


@api("message/recall", needs="app")
def recall(call: Call) -> Fields:
    """§7.6. The entries of the windows get `recalled`."""
    sent = call.corp.state.sent.get(call.text("msgid"))
    if sent is None:
        raise ApiError(40058, "invalid msgid")
    if call.corp.now() - sent.at > RECALL_SECONDS:
        raise ApiError(42052, "msgid older than 24 hours")
    for entry in sent.entries:
        entry["recalled"] = True
    return {}
