"""What each kind of app message must contain (wecom-api §7.1)."""

from collections.abc import Callable
from typing import Any

from simulator.apis.cards import card_of
from simulator.apis.checks import blocks, limit_bytes, require, require_media, require_url
from simulator.corp import Corp
from simulator.errors import ApiError
from simulator.platform import Fields
from simulator.windows import cut_to

TEXT_BYTES = 2048
MPNEWS_CONTENT_BYTES = 666 * 1024


def content_of(corp: Corp, message: Fields) -> Fields:
    """The content as it is delivered: checked, and cut where the platform cuts. Raises the documented errcodes."""
    msgtype = message.get("msgtype")
    check = CONTENTS.get(msgtype) if isinstance(msgtype, str) else None
    if check is None or not isinstance(msgtype, str):
        raise ApiError(40008, "invalid message type")
    content = message.get(msgtype)
    if not isinstance(content, dict):
        raise ApiError(44004 if msgtype in {"text", "markdown"} else 40063, f"{msgtype} missing")
    return check(corp, content)


def text(_: Corp, content: Fields) -> Fields:
    """Text and markdown: longer than 2,048 B is cut."""
    words = content.get("content")
    if not isinstance(words, str) or not words.strip():
        raise ApiError(44004, "text content empty")
    return content | {"content": cut_to(words, TEXT_BYTES)}


def medium(kind: str) -> Callable[[Corp, Fields], Fields]:
    """Image, voice or file: an upload of that type."""

    def check(corp: Corp, content: Fields) -> Fields:
        require_media(corp, content.get("media_id"), kind)
        return content

    return check


def video(corp: Corp, content: Fields) -> Fields:
    """A video with an optional title."""
    require_media(corp, content.get("media_id"), "video")
    limit_bytes(content, "title", 128)
    limit_bytes(content, "description", 512)
    return content


def textcard(_: Corp, content: Fields) -> Fields:
    """Title, description and address are required; lengths in characters."""
    require(content, "title", 41016)
    require(content, "description", 41033)
    require_url(content, "url")
    for name, most in (("title", 128), ("description", 512), ("btntxt", 4)):
        if len(str(content.get(name) or "")) > most:
            raise ApiError(40058, f"textcard.{name} exceed max length {most}")
    return content


def news(_: Corp, content: Fields) -> Fields:
    """One to eight articles."""
    for article in articles_of(content):
        require(article, "title", 41016)
        limit_bytes(article, "title", 128)
        limit_bytes(article, "description", 512)
        limit_bytes(article, "picurl", 2048)
        limit_bytes(article, "pagepath", 128)
        if not (article.get("appid") and article.get("pagepath")):
            require_url(article, "url")
    return content


def mpnews(corp: Corp, content: Fields) -> Fields:
    """One to eight articles kept by the platform."""
    for article in articles_of(content):
        require(article, "title", 41016)
        require(article, "content", 44004)
        require_media(corp, article.get("thumb_media_id"), "image")
        limit_bytes(article, "title", 128)
        limit_bytes(article, "author", 64, 45032)
        limit_bytes(article, "digest", 512)
        limit_bytes(article, "content", MPNEWS_CONTENT_BYTES, 45002)
    return content


def miniprogram_notice(_: Corp, content: Fields) -> Fields:
    """A notice that opens a mini-program."""
    require(content, "appid", 40063)
    require(content, "title", 41016)
    limit_bytes(content, "page", 1024)
    for name in ("title", "description"):
        if content.get(name) and not 4 <= len(str(content[name])) <= 12:
            raise ApiError(40058, f"miniprogram_notice.{name} needs 4 to 12 characters")
    items = blocks(content, "content_item")
    if len(items) > 10:
        raise ApiError(40058, "miniprogram_notice.content_item exceed max length 10")
    for item in items:
        if len(str(item.get("key") or "")) > 10 or len(str(item.get("value") or "")) > 30:
            raise ApiError(40058, "miniprogram_notice.content_item key or value too long")
    return content


def articles_of(content: Fields) -> list[Fields]:
    """The articles of news and mpnews. Raises 45008 beyond eight."""
    articles = blocks(content, "articles")
    if not articles:
        raise ApiError(40063, "articles missing")
    if len(articles) > 8:
        raise ApiError(45008, "more than 8 articles")
    return articles


CONTENTS: dict[str, Callable[[Corp, dict[str, Any]], Fields]] = {
    "text": text,
    "markdown": text,
    "image": medium("image"),
    "voice": medium("voice"),
    "file": medium("file"),
    "video": video,
    "textcard": textcard,
    "news": news,
    "mpnews": mpnews,
    "miniprogram_notice": miniprogram_notice,
    "template_card": card_of,
}
