"""Links to our light pages: for one member and a day, opened without a login.

What a link says (who, which page) is sealed with a key made from SECRET_KEY, not merely signed: nothing about her can
be read from an address that lands in a log or a browser's history. Fernet is AES-128-CBC under an HMAC-SHA256 that is
compared in constant time.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from bot.language import CURRENT
from bot.settings import Settings

LIFE = timedelta(hours=24)
"""How long a link opens its page: until the next morning's card."""
TODOS, ANSWER = "todos", "answer"
PURPOSE = b"frontline page link\n"
LONGEST = 2000
"""Characters of a token that is worth decrypting."""


class LinkRefused(Exception):
    """The link opens nothing: it was not made here, or its day is over (`expired`)."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


@dataclass(frozen=True)
class Ticket:
    """What a link says: whose page it opens, which, in what language, and when it was made."""

    userid: str
    page: str
    language: str
    made_at: datetime
    about: dict[str, Any] = field(default_factory=dict)


class Links:
    """Makes links and opens them."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.secret_key.get_secret_value().encode()
        self.base = settings.public_url.rstrip("/") if settings.public_url else None
        self.seal = Fernet(base64.urlsafe_b64encode(hashlib.sha256(PURPOSE + secret).digest()))

    def address(self, userid: str, now: datetime, page: str = TODOS, **about: Any) -> str | None:
        """The address of a member's page, in the language of the moment; None without PUBLIC_URL."""
        return f"{self.base}/l/{self.token(userid, now, page, **about)}" if self.base else None

    def token(self, userid: str, now: datetime, page: str = TODOS, **about: Any) -> str:
        """The last part of that address."""
        said = [userid, page, CURRENT.get(), about]
        sealed = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        return self.seal.encrypt_at_time(sealed, int(now.timestamp())).decode().rstrip("=")

    def open(self, token: str, now: datetime) -> Ticket:
        """What a link says. Raises `LinkRefused`."""
        try:
            sealed = padded(token)
            userid, page, language, about = json.loads(self.seal.decrypt(sealed))
            made_at = datetime.fromtimestamp(self.seal.extract_timestamp(sealed), UTC)
        except (InvalidToken, ValueError) as error:
            raise LinkRefused("not a link of ours") from error
        if now - made_at > LIFE:
            raise LinkRefused("too old", expired=True)
        return Ticket(userid, page, language, made_at, about)


def linked(address: str, text: str) -> str:
    """A link as a text message shows it."""
    return f'<a href="{address}">{text}</a>'


def padded(token: str) -> bytes:
    """A token as it was sealed. Raises ValueError for what was never one: decoders let pass what is added or odd."""
    if len(token) > LONGEST:
        raise ValueError("too long")
    sealed = token.encode("ascii") + b"=" * (-len(token) % 4)
    if base64.urlsafe_b64encode(base64.urlsafe_b64decode(sealed)) != sealed:
        raise ValueError("not as it was written")
    return sealed
