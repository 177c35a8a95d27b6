"""Template cards: what they need, how they are clicked, how they are updated (wecom-api §7.2–7.5, §2.3)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.simulator.conftest import Receiver, Simulator

AGENT = 1000002
TITLE = {"main_title": {"title": "新线索：王五"}}
LEAD: dict[str, Any] = {
    "card_type": "button_interaction",
    **TITLE,
    "task_id": "lead-1",
    "button_list": [
        {"text": "领取", "style": 1, "key": "claim"},
        {"text": "转交", "style": 2, "key": "pass"},
        {"type": 1, "text": "详情", "url": "https://example.com/d"},
    ],
}
LEVEL: dict[str, Any] = {
    "question_key": "level",
    "title": "意向",
    "selected_id": "b",
    "option_list": [{"id": "a", "text": "高"}, {"id": "b", "text": "中"}],
}
OPTIONS = [{"id": "o1", "text": "已报价", "is_checked": False}, {"id": "o2", "text": "约下次", "is_checked": True}]
SUBMIT = {"submit_button": {"text": "提交", "key": "submit"}}
VOTE: dict[str, Any] = {
    "card_type": "vote_interaction",
    **TITLE,
    "task_id": "visit-1",
    "checkbox": {"question_key": "result", "mode": 1, "option_list": OPTIONS},
    **SUBMIT,
}
FORM: dict[str, Any] = {
    "card_type": "multiple_interaction",
    **TITLE,
    "task_id": "form-1",
    "select_list": [LEVEL, LEVEL | {"question_key": "next", "selected_id": "unknown"}],
    **SUBMIT,
}
NOTICE: dict[str, Any] = {"card_type": "text_notice", **TITLE, "card_action": {"type": 1, "url": "https://example.com"}}
MENU: dict[str, Any] = {
    "action_menu": {"desc": "更多", "action_list": [{"text": "稍后", "key": "later"}]},
    "task_id": "daily-1",
}
NEWS: dict[str, Any] = {**NOTICE, "card_type": "news_notice", "card_image": {"url": "https://example.com/c.png"}}


async def send(simulator: Simulator, card: dict[str, Any], touser: str = "lin") -> dict[str, Any]:
    """The answer to sending a card."""
    message = {"touser": touser, "msgtype": "template_card", "agentid": AGENT, "template_card": card}
    return await simulator.api("message/send", message)


async def update(simulator: Simulator, code: str, **change: Any) -> dict[str, Any]:
    """The answer to updating Lin's card."""
    wanted = {"userids": ["lin"], "agentid": AGENT, "response_code": code} | change
    return await simulator.api("message/update_template_card", wanted)


async def click(simulator: Simulator, task_id: str, key: str, status: int = 200, **more: Any) -> dict[str, Any]:
    """Lin presses something on a card."""
    return await simulator.sim(
        "POST", "card-clicks", {"userid": "lin", "task_id": task_id, "key": key} | more, status=status
    )


@pytest.mark.parametrize("card", [LEAD, VOTE, FORM, NOTICE | MENU, NEWS | MENU, LEAD | {"button_selection": LEVEL}])
async def test_a_card_that_can_be_updated_brings_a_code(
    simulator: Simulator, receiver: Receiver, card: dict[str, Any]
) -> None:
    answer = await send(simulator, card)

    assert (answer["errcode"], bool(answer["response_code"])) == (0, True)
    [message] = (await simulator.sim("GET", "chats/lin"))["messages"]
    assert (message["msgtype"], message["task_id"], message["body"]) == ("template_card", card["task_id"], card)


@pytest.mark.parametrize("card", [NOTICE, NEWS])
async def test_a_notice_without_a_menu_brings_none(simulator: Simulator, card: dict[str, Any]) -> None:
    answer = await send(simulator, card)

    assert (answer["errcode"], "response_code" in answer) == (0, False)


async def test_an_app_without_a_callback_sends_no_interactive_cards(simulator: Simulator) -> None:
    assert (await send(simulator, LEAD))["errcode"] == 43012


def line(**fields: Any) -> dict[str, Any]:
    """A card with one line of content."""
    return NOTICE | {"horizontal_content_list": [fields]}


@pytest.mark.parametrize(
    ("card", "errcode"),
    [
        (LEAD | {"card_type": "shout"}, 42031),
        (LEAD | {"task_id": ""}, 42014),
        (LEAD | {"task_id": "with space"}, 42014),
        (LEAD | {"task_id": "x" * 129}, 42014),
        (NOTICE | {"action_menu": MENU["action_menu"]}, 42014),
        (LEAD | {"main_title": {}}, 42033),
        (LEAD | {"button_list": []}, 40058),
        (LEAD | {"button_list": [{"text": "领取", "key": str(number)} for number in range(7)]}, 40058),
        (LEAD | {"button_list": [{"key": "claim"}]}, 42038),
        (LEAD | {"button_list": [{"text": "领取"}]}, 42039),
        (LEAD | {"button_list": [{"text": "领取", "key": "k" * 1025}]}, 42039),
        (LEAD | {"button_list": [{"text": "详情", "type": 1}]}, 42028),
        (LEAD | {"button_list": [{"text": "领取", "key": "same"}, {"text": "转交", "key": "same"}]}, 42017),
        (LEAD | {"button_selection": {"option_list": OPTIONS}}, 42043),
        (LEAD | {"button_selection": LEVEL | {"option_list": []}}, 42037),
        (LEAD | {"button_selection": LEVEL | {"option_list": [{"text": "高"}]}}, 42040),
        (LEAD | {"button_selection": LEVEL | {"option_list": [{"id": "a"}]}}, 42041),
        (VOTE | {"checkbox": None}, 42043),
        (VOTE | {"checkbox": VOTE["checkbox"] | {"option_list": OPTIONS * 2}}, 42040),
        (VOTE | {"checkbox": VOTE["checkbox"] | {"option_list": OPTIONS * 11}}, 42037),
        (VOTE | {"submit_button": {"text": "提交"}}, 42046),
        (VOTE | {"submit_button": {"key": "submit"}}, 42049),
        (FORM | {"select_list": []}, 42047),
        (FORM | {"select_list": [LEVEL] * 4}, 42047),
        (FORM | {"select_list": [LEVEL] * 2}, 42043),
        (NOTICE | {"main_title": {}}, 42033),
        (NOTICE | {"card_action": {"type": 0}}, 42045),
        (NOTICE | {"card_action": {"type": 1}}, 42028),
        (NOTICE | {"card_action": {"type": 2}}, 42030),
        (NEWS | {"card_image": {}}, 42044),
        (NEWS | {"card_image": {"url": "https://example.com/c.png", "aspect_ratio": 3}}, 40058),
        (NEWS | {"vertical_content_list": [{"title": "亮点"}] * 5}, 42036),
        (NEWS | {"vertical_content_list": [{"desc": "无题"}]}, 42033),
        (NOTICE | {"horizontal_content_list": [{"keyname": "负责人"}] * 7}, 42035),
        (line(value="张三"), 42027),
        (line(keyname="清单", type=1), 42028),
        (line(keyname="附件", type=2), 42029),
        (line(keyname="附件", type=2, media_id="unknown"), 40007),
        (line(keyname="主管", type=3), 42050),
        (NOTICE | {"jump_list": [{"title": "CRM", "type": 1, "url": "https://example.com"}] * 4}, 42042),
        (NOTICE | {"jump_list": [{"type": 1, "url": "https://example.com"}]}, 42033),
        (NOTICE | {"quote_area": {"type": 1}}, 42028),
        (NOTICE | MENU | {"action_menu": {"action_list": [{"text": "稍后", "key": "k"}] * 2}}, 42051),
        (NOTICE | MENU | {"action_menu": {"action_list": [{"text": "稍后", "key": "k"}] * 4}}, 40058),
        (LEAD | {"button_list": "claim"}, 40058),
        (NOTICE | {"main_title": "title"}, 40058),
        (NOTICE | {"card_action": {"type": [1]}}, 40058),
    ],
)
async def test_a_wrong_card_gets_its_errcode(
    simulator: Simulator, receiver: Receiver, card: dict[str, Any], errcode: int
) -> None:
    assert (await send(simulator, card))["errcode"] == errcode
    assert simulator.corp.chats["lin"] == []


async def test_a_task_id_is_used_once(simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, LEAD)

    assert (await send(simulator, LEAD))["errcode"] == 42014


async def test_the_duplicate_check_comes_before_the_task_id(simulator: Simulator, receiver: Receiver) -> None:
    message = {"touser": "lin", "msgtype": "template_card", "agentid": AGENT, "template_card": LEAD}
    message |= {"enable_duplicate_check": 1}

    found = [(await simulator.api("message/send", message))["errcode"] for _ in range(2)]

    assert found == [0, 0]
    assert len(simulator.corp.chats["lin"]) == 1


async def test_a_click_reaches_the_bot_with_a_fresh_code(simulator: Simulator, receiver: Receiver) -> None:
    code = (await send(simulator, LEAD))["response_code"]

    for _ in range(2):
        assert (await click(simulator, "lead-1", "claim"))["deliveries"][0]["status"] == 200

    first, second = receiver.events
    assert (first["Event"], first["EventKey"], first["TaskId"]) == ("template_card_event", "claim", "lead-1")
    assert (first["FromUserName"], first["CardType"], first["AgentID"]) == ("lin", "button_interaction", str(AGENT))
    assert len({code, first["ResponseCode"], second["ResponseCode"]}) == 3
    assert "SelectedItems" not in first


async def test_a_menu_line_is_an_event_of_its_own(simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, NOTICE | MENU)

    await click(simulator, "daily-1", "later")

    [event] = receiver.events
    assert (event["Event"], event["EventKey"], event["CardType"]) == (
        "template_card_menu_event",
        "later",
        "text_notice",
    )
    assert "SelectedItems" not in event


@pytest.mark.parametrize(
    ("selected", "chosen"),
    [({"result": ["o1", "o2"]}, ["o1", "o2"]), ({"result": ["o1"]}, "o1"), ({}, "o2")],
)
async def test_a_vote_sends_every_choice(
    simulator: Simulator, receiver: Receiver, selected: dict[str, Any], chosen: Any
) -> None:
    await send(simulator, VOTE)

    await click(simulator, "visit-1", "submit", selected=selected)

    [event] = receiver.events
    item = event["SelectedItems"]["SelectedItem"]
    assert (item["QuestionKey"], item["OptionIds"]["OptionId"]) == ("result", chosen)


async def test_a_form_sends_one_choice_for_each_question(simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, FORM)

    await click(simulator, "form-1", "submit", selected={"level": ["a"]})

    [event] = receiver.events
    items = event["SelectedItems"]["SelectedItem"]
    assert [(one["QuestionKey"], one["OptionIds"]["OptionId"]) for one in items] == [("level", "a"), ("next", "a")]


@pytest.mark.parametrize(
    ("task_id", "key", "more", "named"),
    [
        ("unknown", "claim", {}, "task_id 'unknown'"),
        ("lead-1", "shout", {}, "it has claim, pass"),
        ("lead-1", "claim", {"selected": {"level": ["a"]}}, "asks nothing"),
        ("visit-1", "submit", {"selected": {"result": ["o9"]}}, "o9"),
        ("form-1", "submit", {"selected": {"level": ["a", "b"]}}, "give one"),
        ("form-1", "submit", {"selected": {"level": [["a"]]}}, "give a list of a, b"),
        ("form-1", "submit", {"selected": ["a"]}, "selected is"),
    ],
)
async def test_an_impossible_click_is_refused(
    simulator: Simulator, receiver: Receiver, task_id: str, key: str, more: dict[str, Any], named: str
) -> None:
    for card in (LEAD, VOTE, FORM):
        await send(simulator, card)

    assert named in (await click(simulator, task_id, key, 400, **more))["error"]
    assert receiver.events == []


async def test_the_buttons_are_replaced_by_a_grey_one(simulator: Simulator, receiver: Receiver) -> None:
    code = (await send(simulator, LEAD, "lin|wang"))["response_code"]

    answer = await update(simulator, code, userids=["lin", "Mo", "nobody"], button={"replace_name": "已领取"})

    assert (answer["errcode"], sorted(answer["invaliduser"])) == (0, ["mo", "nobody"])
    assert simulator.corp.chats["lin"][0]["updated"] == {"button": {"replace_name": "已领取"}}
    assert "updated" not in simulator.corp.chats["wang"][0]
    assert "none that can be pressed" in (await click(simulator, "lead-1", "claim", 400))["error"]


async def test_a_card_is_replaced_as_a_whole(simulator: Simulator, receiver: Receiver) -> None:
    code = (await send(simulator, LEAD))["response_code"]
    new = {"card_type": "button_interaction", **TITLE, "button_list": [{"text": "完成", "key": "done"}]}

    assert (await update(simulator, code, template_card=new))["errcode"] == 0

    assert simulator.corp.chats["lin"][0]["updated"] == {"template_card": new}
    await click(simulator, "lead-1", "done")
    assert receiver.events[0]["EventKey"] == "done"


async def test_everyone_who_got_a_card_is_updated_at_once(simulator: Simulator, receiver: Receiver) -> None:
    code = (await send(simulator, LEAD, "lin|wang"))["response_code"]

    await update(simulator, code, userids=[], atall=1, button={"replace_name": "已结束"})

    assert all("updated" in simulator.corp.chats[userid][0] for userid in ("lin", "wang"))


async def test_a_code_works_once(simulator: Simulator, receiver: Receiver) -> None:
    code = (await send(simulator, LEAD))["response_code"]
    await update(simulator, code, button={"replace_name": "已领取"})

    assert (await update(simulator, code, button={"replace_name": "已转交"}))["errcode"] == 60140
    assert (await update(simulator, "made-up", button={"replace_name": "已转交"}))["errcode"] == 60140


async def test_the_code_of_a_click_updates_the_card(simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, LEAD)
    await click(simulator, "lead-1", "claim")

    code = str(receiver.events[0]["ResponseCode"])

    assert (await update(simulator, code, button={"replace_name": "已领取"}))["errcode"] == 0


async def test_a_code_lives_for_72_hours(simulator: Simulator, receiver: Receiver) -> None:
    early, late = [(await send(simulator, LEAD | {"task_id": f"t{number}"}))["response_code"] for number in range(2)]

    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(hours=71, minutes=59))
    assert (await update(simulator, early, button={"replace_name": "已领取"}))["errcode"] == 0
    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(minutes=2))

    assert (await update(simulator, late, button={"replace_name": "已领取"}))["errcode"] == 60140


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({}, 40063),
        ({"template_card": {"card_type": "shout"}}, 42031),
        ({"button": {"replace_name": "x"}, "agentid": 7}, 301002),
        ({"button": {"replace_name": "x"}, "userids": []}, 82001),
        ({"button": {"replace_name": "x"}, "userids": ["u"] * 1001}, 40032),
    ],
)
async def test_a_wrong_update_leaves_the_code_usable(
    simulator: Simulator, receiver: Receiver, change: dict[str, Any], errcode: int
) -> None:
    code = (await send(simulator, LEAD))["response_code"]

    assert (await update(simulator, code, **change))["errcode"] == errcode

    assert (await update(simulator, code, button={"replace_name": "已领取"}))["errcode"] == 0
