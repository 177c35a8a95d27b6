"""What appears in the windows of staff and customers, and the files that may appear there."""

from typing import Any

from simulator.appstate import Entry, Media
from simulator.corp import Corp, opaque
from simulator.records import Customer

MEDIA_SECONDS = 3 * 24 * 3600


def show(corp: Corp, userid: str, msgtype: str, body: Any, **more: Any) -> Entry:
    """Put a message into a member's window; answers the new entry."""
    entry = {"n": corp.number(), "at": corp.now(), "msgtype": msgtype, "body": body, **more}
    corp.chats[userid].append(entry)
    return entry


def hand_over(corp: Corp, customer: Customer, userid: str, source: str, message: dict[str, Any]) -> None:
    """Put `text` and each of the `attachments` of a message into a customer's window, each as its own."""
    parts = [{"msgtype": "text", "text": message["text"]}] if (message.get("text") or {}).get("content") else []
    for part in [*parts, *(message.get("attachments") or [])]:
        entry = {"n": corp.number(), "at": corp.now(), "userid": userid, "source": source}
        customer.received.append(entry | {"msgtype": part["msgtype"], "body": part[part["msgtype"]]})


def media_of(corp: Corp, media_id: object, *types: str, attachment: bool = False) -> Media | None:
    """A file that may be used here: of one of these types, from the right upload, at most three days old."""
    found = corp.state.media.get(media_id) if isinstance(media_id, str) else None
    if found is None or found.type not in types or found.attachment is not attachment:
        return None
    return found if corp.now() - found.created_at <= MEDIA_SECONDS else None


def cut_to(text: str, size: int) -> str:
    """The beginning of a text that fits into `size` bytes, cut between characters."""
    raw = text.encode()
    return text if len(raw) <= size else raw[:size].decode(errors="ignore")


def new_response_code(corp: Corp, task_id: str) -> str:
    """A code that updates a card once, within 72 hours."""
    code = opaque("RC_")
    corp.state.response_codes[code] = (task_id, corp.now())
    return code
