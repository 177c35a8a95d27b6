"""Access tokens: one per secret, the same one while it lives (wecom-api §8.1)."""

import secrets
from dataclasses import dataclass, field

from simulator.corp import App, Corp
from simulator.errors import ApiError
from simulator.limits import Limits

WRONG_SECRETS_BEFORE_BLOCK = 10
BLOCK_SECONDS = 3600.0


@dataclass
class Token:
    """A token and when it ends, in clock seconds that never jump."""

    value: str
    app: App
    ends: float


@dataclass
class Tokens:
    """Every token handed out."""

    corp: Corp
    limits: Limits
    live: dict[str, Token] = field(default_factory=dict)
    """By value; expired ones stay, so that they answer 42001 and not 40014."""
    wrong: dict[str, list[float]] = field(default_factory=dict)
    """Times of wrong secrets by address: ten block it for an hour."""

    def fetch(self, corp_id: str | None, secret: str | None, address: str) -> dict[str, object]:
        """The answer to gettoken. Raises `ApiError`."""
        now = self.corp.clock.elapsed()
        recent = [at for at in self.wrong.get(address, []) if now - at < BLOCK_SECONDS]
        if len(recent) >= WRONG_SECRETS_BEFORE_BLOCK:
            raise ApiError(45009, "api freq out of limit")
        if not secret:
            raise ApiError(41004, "corpsecret missing")
        if not corp_id:
            raise ApiError(41002, "corpid missing")
        if corp_id != self.corp.corp_id:
            raise ApiError(40013, "invalid corpid")
        app = next((app for app in self.corp.apps if app.secret == secret), None)
        if app is None:
            self.wrong[address] = [*recent, now]
            raise ApiError(40001, "invalid credential")
        token = next((one for one in self.live.values() if one.app is app and one.ends > now), None) or self.make(app)
        return {"access_token": token.value, "expires_in": max(1, int(token.ends - now))}

    def make(self, app: App) -> Token:
        """A fresh token for an app."""
        token = Token(secrets.token_urlsafe(96), app, self.corp.clock.elapsed() + self.limits.token_seconds)
        self.live[token.value] = token
        return token

    def owner(self, value: str | None) -> App:
        """Whose token this is. Raises 41001, 40014, 42001 in the platform's order."""
        if not value:
            raise ApiError(41001, "access_token missing")
        token = self.live.get(value)
        if token is None:
            raise ApiError(40014, "invalid access_token")
        if token.ends <= self.corp.clock.elapsed():
            raise ApiError(42001, "access_token expired")
        return token.app

    def revoke(self, *, expire: bool = False) -> None:
        """End every token: forgotten (40014), or with `expire` as if its time had passed (42001)."""
        if not expire:
            self.live.clear()
        for token in self.live.values():
            token.ends = self.corp.clock.elapsed()
