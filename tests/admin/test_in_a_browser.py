"""The page of to-dos in a real browser: on a phone and on a desktop, by finger, and without a script."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlmodel import Session

from tests.admin.light import WEDNESDAY, WORDS, page_of, record, to_nine, todo
from tests.conftest import RunningBot, WeCom
from tests.hand_clock import HandClock
from tests.simulator.test_page import FLAGS
from tests.sop.company import customer

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
LONG = (
    "王芳您好，我是林晓。您上次问的种植牙方案我和王医生又仔细看了一遍，"
    "这周三和周六下午都还有号，来回大概四十分钟，不赶时间。\n您看哪天方便？我先帮您留着，改时间也没关系。"
)


def morning(session: Session) -> None:
    """One of each kind."""
    late, soon = WEDNESDAY - timedelta(days=1), WEDNESDAY
    todo(session, customer(session, "李女士"), 1, words=WORDS.format("李女士"), due_on=late)
    todo(session, customer(session, "王芳（老客户介绍，牙齿敏感）"), 2, words=LONG, title="种植方案还没定，约复诊")
    todo(
        session, customer(session, "陈晨"), 3, via="call", due_on=soon, title="生日前15天送祝福并看看保额够不够",
        reason="11月18日生日，重疾险保额30万元，按年龄和预算建议50万元。", words=WORDS.format("陈晨"),
    )  # fmt: skip
    todo(session, customer(session, "赵敏"), None, carried="another to-do for this customer goes first")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, for one test."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def address(bot: RunningBot, wecom: WeCom, clock: HandClock) -> str:
    """The page of Lin's morning."""
    await bot.database.write(morning)
    await to_nine(bot, clock)
    return await page_of(wecom)


async def opened(browser: Browser, address: str, viewport: Any, complaints: list[str], **given: Any) -> Page:
    """The page; what its console says is collected."""
    page = await browser.new_page(viewport=viewport, **given)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(address)
    return page


TARGETS = """() => [...document.querySelectorAll('button, a')]
  .map(one => ({text: one.textContent, box: one.getBoundingClientRect()}))
  .filter(({box}) => box.width && (box.height < 44 || box.width < 44)).map(({text}) => text)"""
CONTRAST = """() => {
  const shine = color => {
    const parts = color.match(/[\\d.]+/g).map(Number);
    const [r, g, b] = parts.map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = one => {
    for (; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor;
      if (color !== 'rgba(0, 0, 0, 0)') return color;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('main *, footer *')]
    .filter(one => one.getClientRects().length && [...one.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .filter(one => {
      const pair = [getComputedStyle(one).color, ground(one)].map(shine).sort((a, b) => b - a);
      return (pair[0] + 0.05) / (pair[1] + 0.05) < 4.5;
    }).map(one => one.textContent.trim());
}"""


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP, {"width": 320, "height": 568}], ids=["phone", "desktop", "small"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_and_pressed(browser: Browser, address: str, viewport: Any, scheme: str) -> None:
    complaints: list[str] = []
    page = await opened(browser, address, viewport, complaints, color_scheme=scheme)

    await expect(page.get_by_role("heading", level=1)).to_have_text("今日待办 3 件")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate(TARGETS) == []
    assert await page.evaluate(CONTRAST) == []
    assert complaints == []


async def test_words_are_copied_with_one_tap(browser: Browser, address: str) -> None:
    complaints: list[str] = []
    page = await opened(browser, address, PHONE, complaints, permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("li", has_text="王芳").get_by_role("button", name="复制话术")
    await button.click()

    await expect(page.get_by_role("button", name="已复制")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == LONG
    assert complaints == []


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_a_morning_is_worked_off_by_finger(
    browser: Browser, address: str, bot: RunningBot, scripts: bool
) -> None:
    page = await opened(browser, address, PHONE, [], java_script_enabled=scripts)
    await expect(page.get_by_role("button", name="复制话术")).to_have_count(3 if scripts else 0)

    await page.locator("li", has_text="李女士").get_by_role("button", name="完成").click()
    await expect(page.get_by_role("status")).to_contain_text("已完成：李女士")
    await page.get_by_role("button", name="已约").click()
    await expect(page.get_by_role("status")).to_contain_text("已记录：李女士，已约。")
    await page.locator("li", has_text="王芳").get_by_role("link", name="不适用").click()
    await page.get_by_role("button", name="客户没兴趣").click()
    await expect(page.get_by_role("status")).to_contain_text("已记为不适用：王芳")
    await page.locator("li", has_text="陈晨").get_by_role("button", name="推迟").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("今天的待办都完成了")
    await page.reload()

    assert await record(bot) == [("done", "booked"), ("not_applicable", "客户没兴趣"), ("open", ""), ("open", "")]
