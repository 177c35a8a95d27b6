"""The page as people use it: a real browser, a running simulator, a bot's stand-in behind it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.simulator.conftest import Receiver, Simulator

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><b>名</b>"
CHINESE = r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]"
LEAD = {
    "card_type": "button_interaction",
    "main_title": {"title": "新线索：王五", "desc": "来自展会"},
    "task_id": "lead-2031",
    "action_menu": {"desc": "更多", "action_list": [{"text": "不再提醒", "key": "mute"}]},
    "button_selection": {
        "question_key": "level",
        "title": "意向",
        "option_list": [{"id": "a", "text": "高"}, {"id": "b", "text": "中"}],
    },
    "button_list": [{"text": "领取", "style": 1, "key": "claim"}, {"text": "转交", "style": 2, "key": "pass"}],
}
OUTCOME = {
    "card_type": "vote_interaction",
    "main_title": {"title": "拜访结果"},
    "task_id": "visit-88",
    "checkbox": {
        "question_key": "result",
        "mode": 1,
        "option_list": [{"id": "o1", "text": "已报价"}, {"id": "o2", "text": "约下次", "is_checked": True}],
    },
    "submit_button": {"text": "提交", "key": "submit_visit"},
}
PROGRESS = {
    "card_type": "multiple_interaction",
    "main_title": {"title": "更新跟进"},
    "task_id": "followup-2031",
    "select_list": [
        {
            "question_key": "stage",
            "title": "阶段",
            "option_list": [{"id": "s1", "text": "初步接触"}, {"id": "s2", "text": "方案报价"}],
        }
    ],
    "submit_button": {"text": "提交", "key": "submit_followup"},
}
TODAY = {
    "card_type": "text_notice",
    "main_title": {"title": "今日待跟进"},
    "emphasis_content": {"title": "5", "desc": "待跟进"},
    "horizontal_content_list": [{"keyname": "清单", "value": "很长的说明" * 12}],
    "card_action": {"type": 1, "url": "https://example.com/l"},
}
NEWS = {
    "card_type": "news_notice",
    "main_title": {"title": "新品上架"},
    "card_image": {"url": "https://example.com/c.png"},
    "vertical_content_list": [{"title": "亮点", "desc": "交期 7 天"}],
    "card_action": {"type": 1, "url": "https://example.com/n"},
}


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, for one test."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def page(browser: Browser, simulator: Simulator) -> AsyncIterator[Page]:
    """The page on a desktop; nothing may be reported to its console."""
    found = await browser.new_page(viewport={"width": 1400, "height": 900})
    complaints: list[str] = []
    found.on("pageerror", lambda error: complaints.append(str(error)))
    found.on("console", lambda message: complaints.append(message.text))
    await found.goto(simulator.url)
    await expect(found.locator("#staff button")).to_have_count(6)
    yield found
    await found.close()
    assert complaints == []


async def send(simulator: Simulator, msgtype: str, body: Any, to: str = "lin") -> dict[str, Any]:
    """Send a message as the app."""
    message = {"touser": to, "msgtype": msgtype, "agentid": simulator.corp.app.agent_id, msgtype: body}
    answer = await simulator.api("message/send", message)
    assert answer["errcode"] == 0, answer
    return answer


async def add_friend(page: Page, name: str, **fields: str) -> None:
    """Fill in the customer's form and press its button."""
    await page.get_by_label("客户姓名").fill(name)
    for label, value in fields.items():
        await page.get_by_label(label).fill(value)
    await page.get_by_role("button", name="添加好友").click()


def chat(page: Page) -> Locator:
    """The member's chat with the app."""
    return page.get_by_role("log", name="应用发来的消息")


def phone(page: Page) -> Locator:
    """What the customer received."""
    return page.get_by_role("log", name="客户收到的消息")


async def callback_taken(page: Page) -> None:
    """The page has said that the bot took the callback."""
    await expect(page.get_by_role("status")).to_contain_text("回调已送达")


async def test_a_new_customers_window_opens_and_the_welcome_appears_in_it(
    page: Page, simulator: Simulator, receiver: Receiver
) -> None:
    await add_friend(page, "李女士", **{"渠道参数 state": "expo-2026"})
    await expect(page.get_by_role("heading", name="李女士")).to_be_visible()
    await expect(phone(page)).to_contain_text("正在等待欢迎语")

    [added] = receiver.events
    assert (added["ChangeType"], added["State"]) == ("add_external_contact", "expo-2026")
    welcome = {
        "welcome_code": added["WelcomeCode"],
        "text": {"content": "您好，我是林晓"},
        "attachments": [{"msgtype": "link", "link": {"title": "产品手册", "url": "https://example.com/a"}}],
    }
    assert (await simulator.api("externalcontact/send_welcome_msg", welcome))["errcode"] == 0

    await expect(phone(page).locator(".bubble")).to_have_text(["您好，我是林晓", "产品手册"])
    await expect(page.locator("#customers button")).to_contain_text("添加了 林晓")


async def test_a_half_friend_is_confirmed_from_the_customers_window(
    page: Page, simulator: Simulator, receiver: Receiver
) -> None:
    await page.get_by_label("免验证添加").check()
    await add_friend(page, "赵敏")
    await page.get_by_role("region", name="好友关系").get_by_text("待员工确认").click()
    await page.get_by_role("button", name="员工确认").click()
    await expect(page.get_by_text("待员工确认")).to_have_count(0)
    assert [event["ChangeType"] for event in receiver.events] == ["add_half_external_contact", "add_external_contact"]


async def test_either_side_may_end_a_tie(page: Page, receiver: Receiver) -> None:
    await add_friend(page, "赵敏")
    ties = page.get_by_role("region", name="好友关系")
    await ties.get_by_text("林晓").click()
    await ties.get_by_role("button", name="客户删除员工").click()
    await expect(ties.get_by_text("客户已删除该员工")).to_be_visible()
    await ties.get_by_text("林晓").click()
    await ties.get_by_role("button", name="员工删除客户").click()
    await expect(ties.get_by_text("已不是好友")).to_be_visible()
    changes = [event["ChangeType"] for event in receiver.events]
    assert changes == ["add_external_contact", "del_follow_user", "del_external_contact"]


async def test_remark_and_tags_are_edited_as_in_the_members_client(page: Page, receiver: Receiver) -> None:
    await add_friend(page, "赵敏")
    ties = page.get_by_role("region", name="好友关系")
    await ties.get_by_text("林晓").click()
    await ties.get_by_label("标签").fill("高意向 老客户")
    await ties.get_by_label("标签").press("Enter")
    await expect(ties.locator(".badge")).to_have_text(["高意向", "老客户"])
    assert [event["ChangeType"] for event in receiver.events] == ["add_external_contact", "edit_external_contact"]


async def test_a_customer_adds_a_second_member(page: Page, receiver: Receiver) -> None:
    await add_friend(page, "赵敏")
    await page.get_by_role("button", name="再添加员工").click()
    await page.get_by_label("添加哪位员工").select_option("mo")
    await page.get_by_role("button", name="添加好友").click()
    await expect(page.locator("#customers button")).to_have_count(1)
    await expect(page.locator("#phone-note")).to_have_text("添加了 林晓、莫然")
    assert [event["UserID"] for event in receiver.events] == ["lin", "mo"]


async def test_a_bot_that_does_not_answer_is_said_so(page: Page, receiver: Receiver) -> None:
    receiver.status = 500
    await add_friend(page, "赵敏")
    await expect(page.get_by_role("status")).to_contain_text("机器人没有应答回调（试了 4 次，状态 500）")


async def test_a_lost_simulator_is_said_and_found_again(simulator: Simulator, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(simulator.url)
    await expect(page.locator("#staff button")).to_have_count(6)
    await page.context.set_offline(True)
    await send(simulator, "text", {"content": "断线时发出的"})
    await expect(page.get_by_role("alert")).to_be_visible(timeout=20_000)
    await page.context.set_offline(False)
    await expect(chat(page)).to_contain_text("断线时发出的")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_what_a_member_types_reaches_the_bot_and_stays_after_a_reload(page: Page, receiver: Receiver) -> None:
    await page.locator("#staff button", has_text="王磊").press("Enter")
    await page.get_by_label("以这位员工的身份输入").fill("我的活动KPI")
    await page.get_by_label("以这位员工的身份输入").press("Enter")
    await callback_taken(page)
    [message] = receiver.events
    assert (message["FromUserName"], message["MsgType"], message["Content"]) == ("wang", "text", "我的活动KPI")

    await page.reload()
    await expect(chat(page).locator(".own")).to_contain_text("我的活动KPI")
    await expect(page.locator("#staff [aria-current=true]")).to_contain_text("王磊")


async def test_messages_appear_as_they_are_sent(page: Page, simulator: Simulator) -> None:
    await send(simulator, "text", {"content": '早上好，看<a href="https://example.com/todo">清单</a>'})
    await expect(chat(page).get_by_role("link", name="清单")).to_have_attribute("href", "https://example.com/todo")
    await send(simulator, "markdown", {"content": '# 业绩\n**新增** <font color="info">12</font>\n> 截至昨日'})
    await expect(chat(page).locator(".heading-1")).to_have_text("业绩")
    await expect(chat(page).locator(".tone-info")).to_have_text("12")
    await expect(chat(page).locator("blockquote")).to_have_text("截至昨日")
    card = {"title": "提醒", "description": '<div class="highlight">逾期</div>', "url": "https://example.com/a"}
    await send(simulator, "textcard", card)
    await expect(chat(page).locator(".tone-highlight")).to_have_text("逾期")


async def test_a_member_with_something_new_is_marked_until_opened(page: Page, simulator: Simulator) -> None:
    wang = page.locator("#staff button", has_text="王磊")
    await expect(wang.get_by_label("有新消息")).to_have_count(0)
    await send(simulator, "text", {"content": "收到"}, to="wang")
    await expect(wang.get_by_label("有新消息")).to_be_visible()
    await wang.click()
    await expect(chat(page)).to_contain_text("收到")
    await expect(wang.get_by_label("有新消息")).to_have_count(0)


async def test_a_pressed_button_calls_back_with_its_key_and_the_choice(
    page: Page, simulator: Simulator, receiver: Receiver
) -> None:
    await send(simulator, "template_card", LEAD)
    await chat(page).get_by_label("意向").select_option("b")
    await chat(page).get_by_role("button", name="转交").click()
    await callback_taken(page)
    [event] = receiver.events
    assert (event["Event"], event["EventKey"], event["TaskId"]) == ("template_card_event", "pass", "lead-2031")
    assert "level" in str(event["SelectedItems"])
    assert "'b'" in str(event["SelectedItems"])


async def test_the_corner_menu_calls_back_with_its_key(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, "template_card", LEAD)
    await chat(page).get_by_label("更多").click()
    await chat(page).get_by_role("button", name="不再提醒").click()
    await callback_taken(page)
    assert [(event["Event"], event["EventKey"]) for event in receiver.events] == [("template_card_menu_event", "mute")]


async def test_several_boxes_are_submitted_together(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, "template_card", OUTCOME)
    await chat(page).get_by_label("已报价").check()
    await chat(page).get_by_role("button", name="提交").click()
    await callback_taken(page)
    [event] = receiver.events
    assert event["EventKey"] == "submit_visit"
    assert "o1" in str(event["SelectedItems"])
    assert "o2" in str(event["SelectedItems"])


async def test_an_updated_card_turns_grey(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    await send(simulator, "template_card", LEAD)
    await chat(page).get_by_role("button", name="领取").click()
    await callback_taken(page)
    update = {
        "userids": ["lin"],
        "agentid": simulator.corp.app.agent_id,
        "response_code": receiver.events[0]["ResponseCode"],
        "button": {"replace_name": "已领取"},
    }
    assert (await simulator.api("message/update_template_card", update))["errcode"] == 0
    await expect(chat(page).get_by_role("button", name="已领取")).to_be_disabled()
    await expect(chat(page).get_by_role("button", name="转交")).to_have_count(0)
    await expect(chat(page).get_by_label("意向")).to_be_disabled()


async def test_a_card_may_be_replaced_whole(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    code = (await send(simulator, "template_card", LEAD))["response_code"]
    await expect(chat(page).get_by_role("button", name="领取")).to_be_visible()
    card = {key: value for key, value in LEAD.items() if key not in {"task_id", "action_menu"}}
    update = {
        "userids": ["lin"],
        "agentid": simulator.corp.app.agent_id,
        "response_code": code,
        "template_card": card | {"main_title": {"title": "已由林晓处理"}, "replace_text": "已完成"},
    }
    assert (await simulator.api("message/update_template_card", update))["errcode"] == 0
    await expect(chat(page).get_by_role("heading", name="已由林晓处理")).to_be_visible()
    await expect(chat(page).get_by_role("button", name="已完成")).to_be_disabled()


async def test_the_apps_menu_is_pressed(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    menu = {
        "button": [
            {"type": "click", "name": "今日待办", "key": "todo"},
            {"name": "工具", "sub_button": [{"type": "click", "name": "我的业绩", "key": "stats"}]},
        ]
    }
    await simulator.api("menu/create", menu, agentid=simulator.corp.app.agent_id)
    shown = page.get_by_role("group", name="应用菜单")
    await shown.get_by_text("工具").click()
    await shown.get_by_role("button", name="我的业绩").click()
    await callback_taken(page)
    assert [(event["Event"], event["EventKey"]) for event in receiver.events] == [("click", "stats")]


async def test_the_platforms_calls_are_listed_with_their_errcodes(page: Page, simulator: Simulator) -> None:
    await simulator.api("externalcontact/get", external_userid="wm-nobody")
    await page.get_by_role("button", name="平台收到的调用").click()
    row = page.locator("#calls li", has_text="externalcontact/get")
    await expect(row).to_contain_text("errcode 40096")


async def test_names_and_messages_never_become_elements(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    simulator.corp.members["lin"].name = HOSTILE
    await add_friend(page, HOSTILE)
    await expect(page.get_by_role("heading", name=HOSTILE)).to_be_visible()
    await send(simulator, "text", {"content": f'{HOSTILE} <a href="javascript:alert(1)">点我</a>'})
    await send(simulator, "markdown", {"content": f"{HOSTILE} [点我](javascript:alert(1))"})
    await send(simulator, "template_card", LEAD | {"main_title": {"title": HOSTILE}, "sub_title_text": HOSTILE})
    await expect(chat(page).locator(".card h3")).to_have_text(HOSTILE)
    await expect(page.locator("#customers .name")).to_have_text(HOSTILE)
    await expect(page.locator("#staff .name").first).to_have_text(HOSTILE)
    await expect(page.locator("[onerror], b, [href^=javascript]")).to_have_count(0)
    assert await page.title() == "模拟企业微信"


async def test_a_phone_shows_one_column_that_never_scrolls_sideways(
    simulator: Simulator, receiver: Receiver, browser: Browser
) -> None:
    await simulator.sim("POST", "friend-adds", {"userid": "lin", "name": "很长的名字" * 8, "state": "x" * 60})
    await send(simulator, "text", {"content": "https://example.com/" + "a" * 300})
    for card in (LEAD, OUTCOME, PROGRESS, TODAY, NEWS):
        await send(simulator, "template_card", card)
    page = await browser.new_page(viewport={"width": 375, "height": 812})
    await page.goto(simulator.url)

    await page.locator("#staff button", has_text="林晓").click()
    await expect(chat(page).locator(".card")).to_have_count(5)
    await expect(chat(page).get_by_role("heading", name="新品上架")).to_be_in_viewport()
    await expect(page.locator("#customers")).not_to_be_visible()
    await fits(page)
    await page.get_by_role("button", name="人员").click()
    await fits(page)
    await page.locator("#customers button").click()
    await expect(page.get_by_role("heading", name="很长的名字")).to_be_visible()
    await fits(page)
    await page.get_by_role("button", name="调用").click()
    await expect(page.locator("#calls li").first).to_be_visible()
    await fits(page)


async def fits(page: Page) -> None:
    """Neither the page nor a window in it is wider than the screen."""
    boxes = "Array.from(document.querySelectorAll('html, .panel, .log'))"
    wider = f"{boxes}.filter((box) => box.scrollWidth > box.clientWidth || box.clientWidth > innerWidth).length"
    assert await page.evaluate(wider) == 0


async def test_the_english_page_has_no_chinese_text_left(page: Page, simulator: Simulator, receiver: Receiver) -> None:
    corp = simulator.corp
    corp.app.name = "Frontline"
    for member in corp.members.values():
        member.name = member.userid.title()
    for department in corp.departments.values():
        department.name = f"Shop {department.id}"
    await page.get_by_role("link", name="English").click()
    await page.get_by_label("Customer's name").fill("Ms Li")
    await page.get_by_label("Half add").check()
    await page.get_by_role("button", name="Add friend").click()
    await expect(page.get_by_role("heading", name="Ms Li")).to_be_visible()
    await expect(page.locator("#chat-owner")).to_have_text("Lin's WeCom · Shop 2")
    await page.locator("#language").evaluate("(link) => link.remove()")
    await page.locator("noscript").evaluate("(node) => node.remove()")
    assert await page.evaluate(f"document.documentElement.outerHTML.match(/{CHINESE}/gu)") is None
    assert await page.locator("html").get_attribute("lang") == "en-GB"


async def test_nothing_but_the_pages_own_files_may_run_on_it(simulator: Simulator) -> None:
    async with simulator.session.get(simulator.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        html = await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in html
    assert "onclick" not in html


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Host": "rebound.example.com:8010"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/static/page.js", "/sim/page"])
async def test_another_sites_page_learns_nothing(simulator: Simulator, headers: dict[str, str], path: str) -> None:
    async with simulator.session.get(simulator.url + path, headers=headers) as answer:
        assert answer.status == 403


async def test_a_link_on_another_site_may_lead_to_the_page(simulator: Simulator) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with simulator.session.get(simulator.url, headers=headers) as answer:
        assert answer.status == 200


async def test_the_long_poll_answers_when_something_changes(simulator: Simulator) -> None:
    before = await simulator.sim("GET", "page")
    waiting = asyncio.create_task(simulator.sim("GET", f"page?after={before['n']}&wait=30"))
    await send(simulator, "text", {"content": "早上好"})
    after = await asyncio.wait_for(waiting, 5)
    assert after["n"] > before["n"]
    again = await simulator.sim("GET", f"page?after={after['n'] + 1}&wait=30")
    assert [call["path"] for call in again["calls"]] == ["message/send", "gettoken"]


async def test_a_wrong_number_is_refused_in_one_sentence(simulator: Simulator) -> None:
    answer = await simulator.sim("GET", "page?after=x", status=400)
    assert answer == {"error": "after is 'x'; give a number"}


async def test_a_file_the_page_does_not_have_is_not_found(simulator: Simulator) -> None:
    async with simulator.session.get(f"{simulator.url}/static/nothing.js") as answer:
        assert answer.status == 404
