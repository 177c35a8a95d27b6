"""What arrives, typed, and keys that tell events apart and know a repeat (wecom-api §2, §3)."""

import random
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.wecom.crypto import Rejected, parse
from bot.wecom.events import DOCUMENTED, MAX_KEY, TYPES, Incoming, OtherEvent, dedupe_key, kind_of, read
from tests.bot.event_samples import SAMPLES

CORP = "ww0a1b2c3d4e5f6a7b"
MEMBER = {"ToUserName": CORP, "FromUserName": "zhang.san", "CreateTime": "1700000001"}
SYSTEM = {"ToUserName": CORP, "FromUserName": "sys", "CreateTime": "1700000100", "MsgType": "event"}
EVENT = {**MEMBER, "MsgType": "event"}
CONTACT = {**SYSTEM, "Event": "change_external_contact", "UserID": "zhang.san", "ExternalUserID": "wmA"}
CHAT = {**SYSTEM, "Event": "change_external_chat", "ChatId": "wrA"}
TAG = {**SYSTEM, "Event": "change_external_tag", "Id": "etA"}

STORED_ONLY = {
    **{f"customer_acquisition.{change}": "LinkId" for change in (
        "balance_low", "balance_exhausted", "balance_increased", "quota_expire_soon", "link_unavailable",
        "delete_link", "open_profile", "friend_request", "customer_start_chat", "message_from_customer",
    )},
    **{f"change_contact.{change}": "UserID" for change in (
        "create_user", "update_user", "delete_user", "create_party", "update_party", "delete_party", "update_tag",
    )},
    **dict.fromkeys((
        "view_miniprogram", "scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin",
        "location_select",
    ), "EventKey"),
    "batch_job_result": "BatchJob", "upload_media_job_finish": "JobId", "switch_workbench_mode": "Mode",
    "open_approval_change": "ApprovalInfo", "sys_approval_change": "ApprovalInfo",
    "share_agent_change": "AppId", "share_chain_change": "AppId",
    "inactive_alert": "EffectTime", "low_active_alert": "EffectTime", "close_inactive_agent": "AppId",
    "reopen_inactive_agent": "AppId", "low_active": "AppId", "active_restored": "AppId", "kf_msg_or_event": "Token",
    "taskcard_click": "EventKey",
}  # fmt: skip
"""Documented kinds without a class, and an element each carries."""


@pytest.mark.parametrize(("xml", "cls", "fields"), SAMPLES)
def test_a_documented_sample_becomes_its_class(xml: str, cls: type[Incoming], fields: dict[str, Any]) -> None:
    event = read(parse(xml))

    assert type(event) is cls
    assert {name: getattr(event, name) for name in fields} == fields
    assert event.created_at in {datetime.fromtimestamp(at, UTC) for at in (1700000001, 1700000100)}


def test_every_class_has_a_sample() -> None:
    assert {cls for _, cls, _ in SAMPLES} == set(TYPES.values())


@pytest.mark.parametrize(("kind", "element"), STORED_ONLY.items())
def test_a_documented_kind_without_a_class_is_taken(kind: str, element: str) -> None:
    name, _, change = kind.partition(".")
    fields: dict[str, object] = {**SYSTEM, "Event": name, "ChangeType": change, element: "x"}

    assert kind in DOCUMENTED
    assert isinstance(read(fields), OtherEvent)
    assert kind_of(fields) == kind


def test_every_kind_without_a_class_is_documented() -> None:
    assert set(STORED_ONLY) == DOCUMENTED
    assert not DOCUMENTED & TYPES.keys()


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "MsgType"),
        ({**MEMBER, "MsgType": None}, "MsgType"),
        ({**MEMBER, "MsgType": ["text", "text"]}, "MsgType"),
        ({**MEMBER, "MsgType": {"text": "text"}}, "MsgType"),
        ({**MEMBER, "MsgType": "text with spaces"}, "MsgType"),
        (EVENT, "Event"),
        ({**EVENT, "Event": "x" * 65}, "Event"),
        ({**CONTACT, "ChangeType": "a.b"}, "ChangeType"),
        ({**EVENT, "Event": "subscribe", "CreateTime": None}, "CreateTime"),
        ({**EVENT, "Event": "subscribe", "CreateTime": "tomorrow"}, "CreateTime"),
        ({**EVENT, "Event": "subscribe", "CreateTime": "9" * 30}, "CreateTime"),
        ({**EVENT, "Event": "subscribe", "CreateTime": "-" + "9" * 12}, "CreateTime"),
        ({**EVENT, "Event": "subscribe", "CreateTime": "9" * 5000}, "CreateTime"),
        ({**SYSTEM, "Event": "invented", "CreateTime": ""}, "CreateTime"),
        ({**EVENT, "Event": "subscribe", "FromUserName": None}, "FromUserName"),
        ({**EVENT, "Event": "click"}, "EventKey"),
        ({**MEMBER, "MsgType": "text", "Content": "x"}, "MsgId"),
        ({**MEMBER, "MsgType": "image", "MsgId": "1"}, "MediaId"),
        ({**MEMBER, "MsgType": "location", "MsgId": "1", "Location_X": "north", "Location_Y": "1"}, "Location_X"),
        ({**EVENT, "Event": "template_card_event", "EventKey": "done"}, "TaskId"),
        ({**EVENT, "Event": "template_card_event", "TaskId": "t",
          "SelectedItems": {"SelectedItem": {"OptionIds": None}}}, "SelectedItems"),
        ({**EVENT, "Event": "template_card_event", "TaskId": "t", "SelectedItems": {"SelectedItem": "x"}},
         "SelectedItems"),
        ({**CONTACT, "ChangeType": "add_external_contact", "ExternalUserID": None}, "ExternalUserID"),
        ({**CONTACT, "ChangeType": "del_follow_user", "UserID": ""}, "UserID"),
        ({**CONTACT, "ChangeType": "del_follow_user", "UserID": ["a", "b"]}, "UserID"),
        ({**CONTACT, "ChangeType": "del_follow_user", "ExternalUserID": "w" * 600}, "ExternalUserID"),
        ({**CONTACT, "ChangeType": "add_external_contact", "State": {"a": "b"}}, "State"),
        ({**CHAT, "ChangeType": "update", "ChatId": None}, "ChatId"),
    ],
)  # fmt: skip
def test_a_missing_or_wrong_field_is_refused_by_name(fields: dict[str, object], missing: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(fields)
    assert (caught.value.reason, caught.value.status) == (missing, 400)


FULL: dict[str, dict[str, str]] = {
    "text": {**MEMBER, "MsgType": "text", "Content": "在吗", "MsgId": "7300000000000000001", "AgentID": "1000002"},
    "click": {**EVENT, "Event": "click", "EventKey": "todo", "AgentID": "1000002"},
    "card": {
        **EVENT, "Event": "template_card_event", "EventKey": "done", "TaskId": "t1", "ResponseCode": "RC1",
        "CardType": "button_interaction",
    },
    "add": {**CONTACT, "ChangeType": "add_external_contact", "State": "expo", "WelcomeCode": "WC"},
    "lost": {**CONTACT, "ChangeType": "del_follow_user"},
    "group": {**CHAT, "ChangeType": "update", "UpdateDetail": "add_member", "CurMemVer": "9c2f02"},
    "tag": {**TAG, "ChangeType": "update", "TagType": "tag", "StrategyId": "1"},
    "unknown": {**SYSTEM, "Event": "invented", "ChangeType": "tomorrow", "Something": "a & b"},
}  # fmt: skip


def written(fields: dict[str, str], chance: random.Random) -> str:
    """The same document in another order, with other white space and other use of CDATA."""
    items = list(fields.items())
    chance.shuffle(items)
    parts = []
    for name, value in items:
        margin = chance.choice(("", " ", "\n  "))
        text = chance.choice((f"<![CDATA[{value}]]>", escape(value), f"\n<![CDATA[{value}]]>\n", f" {escape(value)}"))
        parts.append(f"{margin}<{name}>{text}</{name}>")
    return f"<xml>{''.join(parts)}\n</xml>"


@given(st.sampled_from(sorted(FULL)), st.randoms(use_true_random=False))
def test_the_way_a_document_is_written_does_not_change_its_key(name: str, chance: random.Random) -> None:
    assert dedupe_key(parse(written(FULL[name], chance))) == dedupe_key(dict(FULL[name]))


IDENTIFYING = [
    ("text", "MsgId"),
    *(("click", name) for name in ("FromUserName", "EventKey", "CreateTime")),
    *(("card", name) for name in ("FromUserName", "TaskId", "EventKey", "ResponseCode", "CreateTime")),
    *(("add", name) for name in ("UserID", "ExternalUserID", "CreateTime")),
    *(("lost", name) for name in ("UserID", "ExternalUserID", "CreateTime")),
    *(("group", name) for name in ("ChatId", "UpdateDetail", "CurMemVer", "CreateTime")),
    *(("tag", name) for name in ("Id", "TagType", "StrategyId", "CreateTime")),
    *(("unknown", name) for name in ("CreateTime", "Something", "ToUserName")),
]


@given(st.sampled_from(IDENTIFYING), st.text(min_size=1, max_size=300))
def test_any_change_of_an_identifying_field_changes_the_key(place: tuple[str, str], value: str) -> None:
    name, field = place
    fields = FULL[name]
    other = value + "x" * (value == fields[field])

    assert dedupe_key({**fields, field: other}) != dedupe_key(dict(fields))


@pytest.mark.parametrize("change", ["edit_external_contact", "del_follow_user", "add_half_external_contact", "other"])
def test_another_kind_about_the_same_pair_in_the_same_second_has_another_key(change: str) -> None:
    assert dedupe_key({**FULL["add"], "ChangeType": change}) != dedupe_key(dict(FULL["add"]))


@pytest.mark.parametrize(("name", "field"), [("text", "Content"), ("add", "WelcomeCode"), ("card", "CardType")])
def test_what_does_not_identify_an_event_does_not_change_its_key(name: str, field: str) -> None:
    assert dedupe_key({**FULL[name], field: "other"}) == dedupe_key(dict(FULL[name]))


@given(st.sampled_from(IDENTIFYING), st.text(max_size=2000))
def test_a_key_is_never_longer_than_an_index_takes(place: tuple[str, str], value: str) -> None:
    assert len(dedupe_key({**FULL[place[0]], place[1]: value})) <= MAX_KEY


def test_ten_thousand_adds_of_one_second_have_ten_thousand_keys() -> None:
    keys = {dedupe_key({**FULL["add"], "ExternalUserID": f"wm{number:030d}"}) for number in range(10_000)}

    assert len(keys) == 10_000
