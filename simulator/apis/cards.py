"""Template cards: required blocks, list counts and the errcode of each mistake (wecom-api §7.2–7.4).

Text lengths are recommendations there and are not enforced here.
"""

import re
from collections.abc import Callable

from simulator.apis.checks import block, blocks, kind_of, limit_bytes, require_media
from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.platform import Fields

TASK_ID = re.compile(r"[0-9A-Za-z_\-@]{1,128}")
INTERACTIVE = {"button_interaction", "vote_interaction", "multiple_interaction"}


def card_of(corp: Corp, card: Fields) -> Fields:
    """A card to be sent: well-formed and with a task_id of its own. Raises the documented errcodes."""
    check_card(corp, card)
    if updatable(card):
        check_task_id(corp, card.get("task_id"))
        if not corp.callback_url:
            raise ApiError(43012, "app has no callback url")
    return card


def updatable(card: Fields) -> bool:
    """Whether a card can be clicked, and so be updated later."""
    return card.get("card_type") in INTERACTIVE or bool(card.get("action_menu"))


def check_task_id(corp: Corp, task_id: object) -> None:
    """Raise 42014 unless the task_id is well-formed and new."""
    if not isinstance(task_id, str) or not TASK_ID.fullmatch(task_id):
        raise ApiError(42014, "invalid task_id")
    if task_id in corp.state.task_ids:
        raise ApiError(42014, "task_id already used")


def check_card(corp: Corp, card: Fields) -> None:
    """Raise the errcode of the first mistake in a card's blocks."""
    check = CARD_TYPES.get(str(card.get("card_type")))
    if check is None:
        raise ApiError(42031, "invalid card_type")
    check(card)
    check_action_menu(card)
    check_horizontal_list(corp, card)
    check_vertical_list(card)
    check_jumps(card)
    check_target(block(card, "quote_area"))


def check_text_notice(card: Fields) -> None:
    """A notice in words."""
    if not block(card, "main_title").get("title") and not card.get("sub_title_text"):
        raise ApiError(42033, "missing main_title.title or sub_title_text")
    check_card_action(card)


def check_news_notice(card: Fields) -> None:
    """A notice with a picture."""
    require_title(card)
    check_card_action(card)
    image, area = block(card, "card_image"), block(card, "image_text_area")
    if not image.get("url") and not area:
        raise ApiError(42044, "missing card_image.url")
    ratio = image.get("aspect_ratio") or 1.3
    if not isinstance(ratio, int | float) or not 1.3 <= ratio <= 2.25:
        raise ApiError(40058, "card_image.aspect_ratio invalid")
    check_target(area)


def check_button_interaction(card: Fields) -> None:
    """Buttons, and perhaps one selection above them."""
    require_title(card)
    check_target(block(card, "card_action"), 42045)
    buttons = blocks(card, "button_list")
    if not 1 <= len(buttons) <= 6:
        raise ApiError(40058, "button_list needs 1 to 6 buttons")
    for button in buttons:
        if not button.get("text"):
            raise ApiError(42038, "missing button text")
        if button.get("type") == 1:
            check_target(button)
        else:
            require_key(button, 42039)
    check_unique([one["key"] for one in buttons if one.get("type") != 1], 42017, "button key")
    if selection := block(card, "button_selection"):
        check_question(selection, 10)


def check_vote_interaction(card: Fields) -> None:
    """One question with up to twenty options."""
    require_title(card)
    check_question(block(card, "checkbox"), 20)
    check_submit_button(card)


def check_multiple_interaction(card: Fields) -> None:
    """Up to three drop-down questions."""
    require_title(card)
    selectors = blocks(card, "select_list")
    if not 1 <= len(selectors) <= 3:
        raise ApiError(42047, "select_list needs 1 to 3 selectors")
    for selector in selectors:
        check_question(selector, 10)
    check_unique([one["question_key"] for one in selectors], 42043, "question_key")
    check_submit_button(card)


def require_title(card: Fields) -> None:
    """Raise without main_title.title."""
    if not block(card, "main_title").get("title"):
        raise ApiError(42033, "missing main_title.title")


def check_card_action(card: Fields) -> None:
    """A notice must lead somewhere."""
    action = block(card, "card_action")
    if kind_of(action) not in {1, 2}:
        raise ApiError(42045, "invalid card_action")
    check_target(action, 42045)


def check_target(target: Fields, invalid: int = 40058) -> None:
    """Type 1 opens an address, type 2 a mini-program, 0 nothing."""
    kind = kind_of(target)
    if kind not in {0, 1, 2}:
        raise ApiError(invalid, "invalid type")
    if kind == 1 and not target.get("url"):
        raise ApiError(42028, "missing url")
    if kind == 2 and not target.get("appid"):
        raise ApiError(42030, "missing appid")


def check_action_menu(card: Fields) -> None:
    """The menu in a card's corner."""
    if not card.get("action_menu"):
        return
    actions = blocks(block(card, "action_menu"), "action_list")
    if not 1 <= len(actions) <= 3:
        raise ApiError(40058, "action_list needs 1 to 3 actions")
    for action in actions:
        if not action.get("text"):
            raise ApiError(42038, "missing action text")
        require_key(action, 42039)
    check_unique([one["key"] for one in actions], 42051, "action_menu key")


def check_horizontal_list(corp: Corp, card: Fields) -> None:
    """Up to six lines of name and value."""
    lines = blocks(card, "horizontal_content_list")
    if len(lines) > 6:
        raise ApiError(42035, "horizontal_content_list too long")
    for line in lines:
        if not line.get("keyname"):
            raise ApiError(42027, "missing keyname")
        name, errcode = LINE_NEEDS.get(kind_of(line), ("keyname", 42027))
        if not line.get(name):
            raise ApiError(errcode, f"missing {name}")
        if name == "media_id":
            require_media(corp, line[name], "file", "image", "voice", "video")


def check_vertical_list(card: Fields) -> None:
    """Up to four paragraphs."""
    paragraphs = blocks(card, "vertical_content_list")
    if len(paragraphs) > 4:
        raise ApiError(42036, "vertical_content_list too long")
    if not all(one.get("title") for one in paragraphs):
        raise ApiError(42033, "missing vertical_content_list.title")


def check_jumps(card: Fields) -> None:
    """Up to three links at the foot."""
    jumps = blocks(card, "jump_list")
    if len(jumps) > 3:
        raise ApiError(42042, "jump_list too long")
    for jump in jumps:
        if not jump.get("title"):
            raise ApiError(42033, "missing jump_list.title")
        check_target(jump)


def check_question(question: Fields, most: int) -> None:
    """A question with 1 to `most` options."""
    require_key(question, 42043, "question_key")
    options = blocks(question, "option_list")
    if not 1 <= len(options) <= most:
        raise ApiError(42037, f"option_list needs 1 to {most} options")
    for option in options:
        require_key(option, 42040, "id", 128)
        if not option.get("text"):
            raise ApiError(42041, "missing option text")
    check_unique([one["id"] for one in options], 42040, "option id")


def check_submit_button(card: Fields) -> None:
    """The button that sends the answers."""
    button = block(card, "submit_button")
    require_key(button, 42046)
    if not button.get("text"):
        raise ApiError(42049, "missing submit_button.text")


def require_key(content: Fields, errcode: int, name: str = "key", most: int = 1024) -> None:
    """Raise without a key, or when it is too long."""
    if not isinstance(content.get(name), str) or not content[name]:
        raise ApiError(errcode, f"missing {name}")
    limit_bytes(content, name, most, errcode)


def check_unique(keys: list[str], errcode: int, name: str) -> None:
    """Raise when a key appears twice."""
    if len(set(keys)) < len(keys):
        raise ApiError(errcode, f"duplicate {name}")


LINE_NEEDS = {1: ("url", 42028), 2: ("media_id", 42029), 3: ("userid", 42050)}
CARD_TYPES: dict[str, Callable[[Fields], None]] = {
    "text_notice": check_text_notice,
    "news_notice": check_news_notice,
    "button_interaction": check_button_interaction,
    "vote_interaction": check_vote_interaction,
    "multiple_interaction": check_multiple_interaction,
}
