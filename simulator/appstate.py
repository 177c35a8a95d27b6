"""What the app has made inside the company: cards, uploads, its menu, and what may still be recalled."""

from dataclasses import dataclass, field
from typing import Any

Entry = dict[str, Any]
"""One message in a member's window, as `Corp.chats` holds it."""


@dataclass
class Media:
    """An uploaded file; for three days its id stands for it (wecom-api §10)."""

    media_id: str
    type: str
    filename: str
    data: bytes
    created_at: int
    attachment: bool = False
    """From media/upload_attachment: no use where media/upload is wanted."""


@dataclass
class Sent:
    """One message/send that was carried out: when, and the windows it shows in."""

    at: int
    entries: list[Entry]


@dataclass
class AppState:
    """The self-built app's own things, kept for as long as the company lives."""

    cards: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """The window's entry of each card, by (userid, task_id)."""
    task_ids: set[str] = field(default_factory=set)
    response_codes: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Task id and time of issue of each code not used yet."""
    sent: dict[str, Sent] = field(default_factory=dict)
    """By msgid."""
    repeats: dict[str, int] = field(default_factory=dict)
    """Until when an identical message is not delivered again."""
    media: dict[str, Media] = field(default_factory=dict)
    image_urls: set[str] = field(default_factory=set)
    """Permanent addresses from media/uploadimg."""
    menu: list[Entry] | None = None
    root_scope: bool = False
    """The app's visible scope is the root department; only then may it use appchat."""
