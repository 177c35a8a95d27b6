"""What WeCom can answer instead of a result.

* WeComError            any errcode we do not name; `permanent` says that a retry cannot help
  - TokenExpired        40014, 42001: fetch a new token, try once more
  - SecretRefused       40001 and its kin at gettoken: nobody may call with this secret until it is put right
  - Misconfigured       a human must change the app's configuration; `cure` says how
    - IpNotTrusted      60020: `address` is the one to add to 企业可信IP
  - RateLimited         45009: wait out the window
  - TooManyAtOnce       45033: fewer calls in flight
  - Busy                -1, 6000, 45035 ...: back off and repeat
  - WelcomeRefused      the welcome codes' own answers (wecom-api §4.1)
  - NoRelation          84061: the two are no contacts
* WeComUnreachable      no answer at all: `sent` says whether the request may have been carried out
"""

import re

BUSY = frozenset({-1, 6000, 41063, 41078, 41079, 45035, 45036})
TOKEN = frozenset({40014, 42001})
SECRET = frozenset({40001, 40013, 40091, 41002, 41004})
WELCOME = frozenset({41050, 41051, 41053, 41096})
CONFIG = frozenset({
    40056, 40098, 41054, 43009, 43012, 48001, 48002, 48004, 48005, 48006, 48007, 48009, 48010, 48011, 50001, 50002,
    50003, 50006, 60011, 60020, 60021, 60030, 60031, 84074, 84083, 84084, 84085, 301002,
})  # fmt: skip
HINT = re.compile(r",?\s*hint:.*", re.DOTALL)
FROM_IP = re.compile(r"from ip:\s*([0-9a-fA-F.:]+)")


class WeComError(Exception):
    """The platform answered with an errcode."""

    permanent = True

    def __init__(self, path: str, errcode: int, errmsg: str) -> None:
        # The hint names request ids and addresses: noise for a reader and never the same twice.
        super().__init__(f"{path}: {errcode} {HINT.sub('', errmsg)}".strip())
        self.path = path
        self.errcode = errcode
        self.errmsg = errmsg


class TokenExpired(WeComError):
    """40014, 42001."""

    permanent = False


class SecretRefused(WeComError):
    """Wrong corp id or secret, or the app is disabled."""

    permanent = False


class Misconfigured(WeComError):
    """Only a human can change this, and then the call is worth repeating by hand."""


class IpNotTrusted(Misconfigured):
    """60020: our address is not among the app's trusted ones."""

    permanent = False

    @property
    def address(self) -> str:
        """The address to add, as the platform saw it; empty when it did not say."""
        found = FROM_IP.search(self.errmsg)
        return found.group(1) if found else ""


class RateLimited(WeComError):
    """45009."""

    permanent = False


class TooManyAtOnce(WeComError):
    """45033."""

    permanent = False


class Busy(WeComError):
    """The platform asks to come back later."""

    permanent = False


class WelcomeRefused(WeComError):
    """41050, 41051, 41053, 41096: what each means depends on whether we had asked before."""


class NoRelation(WeComError):
    """84061: no such pair of member and customer."""


class WeComUnreachable(Exception):
    """Time-out, cut connection, HTTP 5xx or an answer that is no JSON."""

    permanent = False

    def __init__(self, path: str, reason: str, *, sent: bool) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
        self.sent = sent


def error_for(path: str, errcode: int, errmsg: str) -> WeComError:
    """The error class an errcode belongs to (wecom-api §8.3)."""
    if errcode == 60020:
        return IpNotTrusted(path, errcode, errmsg)
    if errcode == 45009:
        return RateLimited(path, errcode, errmsg)
    if errcode == 45033:
        return TooManyAtOnce(path, errcode, errmsg)
    if errcode == 84061:
        return NoRelation(path, errcode, errmsg)
    families = ((TOKEN, TokenExpired), (SECRET, SecretRefused), (WELCOME, WelcomeRefused), (BUSY, Busy))
    for codes, family in families:
        if errcode in codes:
            return family(path, errcode, errmsg)
    return Misconfigured(path, errcode, errmsg) if errcode in CONFIG else WeComError(path, errcode, errmsg)
