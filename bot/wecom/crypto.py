"""Callback crypto (wecom-api §1.3): wechatpy's cipher behind one door that refuses bad input with one kind of error."""

import hmac
import secrets
import struct
import time
from xml.parsers.expat import ExpatError

from wechatpy.exceptions import WeChatException
from wechatpy.utils import WeChatSigner
from wechatpy.work.crypto import PrpCrypto, WeChatCrypto
from wechatpy.work.exceptions import InvalidCorpIdException
from wechatpy.work.parser import parse_message

MAX_BODY = 64 * 1024
"""Bytes of the largest callback body we read; WeCom's own stay far below it."""

ENCRYPT_OPEN, ENCRYPT_CLOSE = b"<Encrypt>", b"</Encrypt>"
CDATA_OPEN, CDATA_CLOSE = b"<![CDATA[", b"]]>"


class Rejected(Exception):
    """A callback we do not take. `reason` is one word for the log; `status` is the answer's."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Crypto:
    """Signs, seals and opens callbacks of one app."""

    def __init__(self, token: str, aes_key: str, receive_id: str) -> None:
        """`aes_key`: the console's 43 characters; `receive_id`: the corp id (empty for an aibot)."""
        self._envelope = WeChatCrypto(token, aes_key, receive_id)
        self._cipher = PrpCrypto(self._envelope.key)
        self._token = token
        self._receive_id = receive_id

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """The `msg_signature` of a ciphertext, lower-case hex."""
        signer = WeChatSigner()
        signer.add_data(self._token, timestamp, nonce, encrypted)
        return str(signer.signature)

    def encrypt(self, text: str) -> str:
        """Base64 ciphertext of `text`, padded to 32 as the platform does."""
        return bytes(self._cipher.encrypt(text, self._receive_id)).decode()

    def seal(self, text: str, nonce: str | None = None, timestamp: str | None = None) -> str:
        """The reply envelope of §1.5 around `text`, signed."""
        return str(
            self._envelope.encrypt_message(text, nonce or secrets.token_hex(8), timestamp or str(int(time.time())))
        )

    def decrypt(self, encrypted: str, signature: str, timestamp: str, nonce: str) -> str:
        """Plaintext of a signed ciphertext; an echostr is opened the same way. Raises `Rejected`."""
        expected = self.sign(timestamp, nonce, encrypted)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Rejected("signature", 403)
        try:
            return str(self._cipher.decrypt(encrypted, self._receive_id))
        except InvalidCorpIdException as error:
            raise Rejected("receiveid", 403) from error
        # Signed garbage fails inside wechatpy wherever it first meets it: no padding check, bare struct and slices.
        except (WeChatException, ValueError, LookupError, TypeError, struct.error) as error:
            raise Rejected("ciphertext") from error

    def open(self, body: bytes, signature: str, timestamp: str, nonce: str) -> dict[str, object]:
        """Fields of the inner document of a callback body. Raises `Rejected`."""
        return parse(self.decrypt(encrypted_part(body), signature, timestamp, nonce))


def encrypted_part(body: bytes) -> str:
    """The ciphertext in an outer envelope; no XML parser sees anything before its signature is checked."""
    if len(body) > MAX_BODY:
        raise Rejected("too large", 413)
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Rejected("doctype")
    head, opened, rest = body.partition(ENCRYPT_OPEN)
    part, closed, tail = rest.partition(ENCRYPT_CLOSE)
    if not (opened and closed) or b"<xml" not in head or b"</xml>" not in tail:
        raise Rejected("envelope")
    encrypted = part.strip()
    if encrypted.startswith(CDATA_OPEN):
        encrypted = encrypted.removeprefix(CDATA_OPEN).removesuffix(CDATA_CLOSE).strip()
    if not encrypted or not encrypted.isascii():
        raise Rejected("envelope")
    return encrypted.decode("ascii")


def parse(xml: str) -> dict[str, object]:
    """Fields of an inner document as wechatpy's parser reads them. Raises `Rejected`."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise Rejected("doctype")
    try:
        message = parse_message(xml)
    except (ExpatError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise Rejected("xml") from error
    if message is None:
        raise Rejected("xml")
    fields: dict[str, object] = message._data  # noqa: SLF001 - wechatpy offers the raw fields nowhere else
    return fields
