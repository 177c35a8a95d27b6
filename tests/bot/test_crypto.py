"""Callback crypto: the official vectors, round trips, and no damaged body that is anything but `Rejected`."""

import base64
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.wecom.crypto import MAX_BODY, Crypto, Rejected, encrypted_part, flat, parse, value_of

TOKEN, AES_KEY, CORP = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"
CRYPTO = Crypto(TOKEN, AES_KEY, CORP)
OFFICIAL = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3"
    "TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gs"
    "ijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUa"
    "x5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIG"
    "HBZZIs2pDBS8R07+qN+E7Q=="
)
SIGNATURE, TIMESTAMP, NONCE = "477715d11cdb4164915debcba66cb864d751f3e6", "1409659813", "1372623149"
INNER = "<xml><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[{}]]></Content></xml>"


def envelope(encrypted: str) -> bytes:
    """An outer document as the platform posts it."""
    return f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()


def opened(encrypted: str) -> dict[str, object]:
    """What a correctly signed body with this ciphertext opens to."""
    return CRYPTO.open(envelope(encrypted), CRYPTO.sign("1", "2", encrypted), "1", "2")


def encrypted_block(plain: bytes) -> str:
    """A ciphertext of a whole block as given: random bytes, length, message, receiveid and padding are the caller's."""
    return base64.b64encode(CRYPTO._cipher.cipher.encrypt(plain)).decode()


def block(message: bytes, *, length: int | None = None, receive_id: str = CORP, padding: bytes | None = None) -> bytes:
    """A plaintext block, right in every part that is not given."""
    size = len(message) if length is None else length
    plain = b"r" * 16 + size.to_bytes(4, "big") + message + receive_id.encode()
    missing = 32 - len(plain) % 32
    return plain + (bytes([missing]) * missing if padding is None else padding)


def reason(encrypted: str) -> str:
    """Why a correctly signed ciphertext is refused."""
    with pytest.raises(Rejected) as caught:
        opened(encrypted)
    return caught.value.reason


def test_the_official_message_opens() -> None:
    assert CRYPTO.open(envelope(OFFICIAL), SIGNATURE, TIMESTAMP, NONCE) == {
        "ToUserName": CORP,
        "FromUserName": "mycreate",
        "CreateTime": "1409659813",
        "MsgType": "text",
        "Content": "hello",
        "MsgId": "4561255354251345929",
        "AgentID": "218",
    }


def test_the_official_ciphertext_gets_the_official_signature() -> None:
    assert CRYPTO.sign(TIMESTAMP, NONCE, OFFICIAL) == SIGNATURE


def test_the_official_echo_opens() -> None:
    echo = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
    signature = "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"

    assert CRYPTO.decrypt(echo, signature, "1409659589", "263014780") == "1616140317555161061"


@pytest.mark.parametrize("length", range(70))
def test_a_text_of_any_length_comes_back(length: int) -> None:
    text = "x" * length
    encrypted = CRYPTO.encrypt(text)

    assert CRYPTO.decrypt(encrypted, CRYPTO.sign("1", "2", encrypted), "1", "2") == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400))
def test_any_text_comes_back(text: str) -> None:
    encrypted = CRYPTO.encrypt(text)

    assert CRYPTO.decrypt(encrypted, CRYPTO.sign("1", "2", encrypted), "1", "2") == text


@pytest.mark.parametrize("text", ["长" * 5000, "🙂" * 3840, "]]>" * 5120, "<xml>&amp;</xml>"])
def test_long_and_awkward_texts_come_back_through_the_reply_envelope(text: str) -> None:
    sealed = CRYPTO.seal(text, nonce="n1", timestamp="1700000000")
    encrypted = encrypted_part(sealed.encode())

    assert CRYPTO.sign("1700000000", "n1", encrypted) in sealed
    assert CRYPTO.decrypt(encrypted, CRYPTO.sign("1700000000", "n1", encrypted), "1700000000", "n1") == text


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Co"]), max_size=200))
def test_any_content_of_an_inner_document_comes_back_without_its_margins(content: str) -> None:
    cdata = content.replace("]]>", "]]]]><![CDATA[>")

    assert opened(CRYPTO.encrypt(INNER.format(cdata)))["Content"] == (content.strip() or None)


def test_an_app_without_a_receiveid_opens_its_own_messages() -> None:
    crypto = Crypto(TOKEN, AES_KEY, "")
    encrypted = crypto.encrypt("hello")

    assert crypto.decrypt(encrypted, crypto.sign("1", "2", encrypted), "1", "2") == "hello"


@given(body=st.binary(max_size=300), signature=st.text(max_size=50), timestamp=st.text(), nonce=st.text())
def test_random_bodies_are_rejected_and_nothing_else(body: bytes, signature: str, timestamp: str, nonce: str) -> None:
    with pytest.raises(Rejected):
        CRYPTO.open(body, signature, timestamp, nonce)


@given(st.text(alphabet=st.characters(), max_size=60))
def test_random_ciphertexts_are_rejected_though_signed(encrypted: str) -> None:
    with pytest.raises(Rejected):
        CRYPTO.decrypt(encrypted, "0" * 40, "1", "2")


@given(st.integers(0, 12), st.binary(min_size=16, max_size=16))
def test_signed_random_blocks_are_rejected(blocks: int, filler: bytes) -> None:
    assert reason(encrypted_block(filler * blocks)) in {"ciphertext", "envelope"}


@given(st.binary(max_size=200))
def test_signed_bytes_that_are_no_whole_blocks_are_rejected(content: bytes) -> None:
    assert reason(base64.b64encode(content + b"x" * (len(content) % 16 == 0)).decode()) == "ciphertext"


@pytest.mark.parametrize("text", ["\udcff", "é", "\x00", "密"])
def test_a_query_of_strange_bytes_is_rejected(text: str) -> None:
    for query in ((text, SIGNATURE, "1", "2"), (OFFICIAL, text, "1", "2"), (OFFICIAL, SIGNATURE, text, text)):
        with pytest.raises(Rejected):
            CRYPTO.decrypt(*query)


def test_an_empty_ciphertext_is_rejected() -> None:
    with pytest.raises(Rejected):
        CRYPTO.decrypt("", CRYPTO.sign("1", "2", ""), "1", "2")


@pytest.mark.parametrize("cut", [1, 4, 20, 24, 44, 100])
def test_a_truncated_ciphertext_is_rejected(cut: int) -> None:
    with pytest.raises(Rejected):
        opened(CRYPTO.encrypt(INNER.format("hello"))[:-cut])


@pytest.mark.parametrize(
    "padding", [b"\x00" * 16, b"\x21" * 33, b"\xff", b"\x01\x02", b"", b"\x05\x05\x05\x05\x04", b"\x10" * 15 + b"\x11"]
)
def test_wrong_padding_is_rejected(padding: bytes) -> None:
    plain = block(INNER.format("hello").encode(), padding=padding)
    whole = b"r" * (-len(plain) % 16) + plain

    assert reason(encrypted_block(whole)) in {"ciphertext", "receiveid"}


@pytest.mark.parametrize("length", [0, 1, 10_000, 2**31, 2**32 - 1])
def test_a_wrong_length_is_rejected(length: int) -> None:
    assert reason(encrypted_block(block(b"<xml><A>1</A></xml>", length=length))) in {"ciphertext", "receiveid"}


@pytest.mark.parametrize("receive_id", ["", "ww0000000000000000", CORP + "x", CORP[:-1], CORP.upper()])
def test_a_message_for_another_receiver_is_rejected(receive_id: str) -> None:
    assert reason(encrypted_block(block(b"<xml><A>1</A></xml>", receive_id=receive_id))) == "receiveid"


def test_a_plaintext_that_is_not_utf8_is_rejected() -> None:
    assert reason(encrypted_block(block("<xml><A>中</A></xml>".encode("gbk")))) == "not UTF-8"


@given(st.data())
def test_any_changed_byte_of_a_signed_body_is_rejected(data: st.DataObject) -> None:
    encrypted = CRYPTO.encrypt(INNER.format("hello"))
    place = data.draw(st.integers(0, len(encrypted) - 1))
    other = data.draw(st.sampled_from([letter for letter in "ABCabc019+/=" if letter != encrypted[place]]))
    changed = encrypted[:place] + other + encrypted[place + 1 :]

    with pytest.raises(Rejected) as caught:
        CRYPTO.open(envelope(changed), CRYPTO.sign("1", "2", encrypted), "1", "2")
    assert caught.value.reason == "signature"


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_signed_and_well_packed_random_bytes_are_fields_or_rejected(content: bytes) -> None:
    assert reason(encrypted_block(block(content))) in {"xml", "not UTF-8", "doctype"}


@pytest.mark.parametrize(
    "xml",
    [
        "", "   ", "text", "<xml/>", "<xml></xml>", "<xml>text</xml>", "<other><A>1</A></other>", "<xml><A>1</xml>",
        "<xml><A>1</A></xml><xml/>", "<xml><A>&unknown;</A></xml>", "<xml><A>\x00</A></xml>", "<xml><A></A>",
        "<xml><A B=1></A></xml>", "<!-- <xml --><xml><A>1</A></xml>",
    ],
)  # fmt: skip
def test_a_document_that_is_no_event_is_rejected(xml: str) -> None:
    assert reason(CRYPTO.encrypt(xml)) == "xml"


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "head",
    [
        f'<!DOCTYPE xml [<!ENTITY l0 "lol">{LAUGHS}]>',
        '<!DOCTYPE xml SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
        '<?xml version="1.0"?>\n<!DOCTYPE xml>',
        '<!-- <xml> --><!DOCTYPE xml [<!ENTITY e "x">]>',
        '<?pi <xml>?><!DOCTYPE xml [<!ENTITY e "x">]>',
    ],
)
def test_a_doctype_inside_is_refused_before_any_parser_sees_it(head: str) -> None:
    assert reason(CRYPTO.encrypt(f"{head}<xml><MsgType>text</MsgType><Content>&l9;&e;</Content></xml>")) == "doctype"


@pytest.mark.parametrize("head", [b"<!DOCTYPE xml>", b'<!DOCTYPE xml [<!ENTITY e "x">]>', b'<!ENTITY e "x">'])
def test_a_doctype_outside_is_refused_whatever_the_signature(head: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        CRYPTO.open(head + envelope(OFFICIAL), SIGNATURE, TIMESTAMP, NONCE)
    assert caught.value.reason == "doctype"


def test_what_a_member_types_may_look_like_markup() -> None:
    typed = '<!DOCTYPE html> <!ENTITY e "x"> <xml>&amp;'

    assert opened(CRYPTO.encrypt(INNER.format(typed)))["Content"] == typed


def test_an_xml_declaration_and_a_byte_order_mark_are_read_over() -> None:
    assert opened(CRYPTO.encrypt('\ufeff<?xml version="1.0" encoding="UTF-8"?>\n<xml><A>1</A></xml>')) == {"A": "1"}


def test_elements_nested_without_end_are_rejected() -> None:
    assert reason(CRYPTO.encrypt("<xml>" + "<A>" * 6000 + "</A>" * 6000 + "</xml>")) == "xml"


@pytest.mark.parametrize(
    ("xml", "fields"),
    [
        ("<xml><A>1</A><B></B></xml>", {"A": "1", "B": None}),
        ("<xml>\n <A>\n<![CDATA[ 1 ]]>\n</A>\n</xml>", {"A": "1"}),
        ("<xml><A><B>1</B><C>2</C></A></xml>", {"A": {"B": "1", "C": "2"}}),
        ("<xml><A>1</A><A>2</A><A>3</A></xml>", {"A": ["1", "2", "3"]}),
        ("<xml><L><I><K>1</K></I><I><K>2</K></I></L></xml>", {"L": {"I": [{"K": "1"}, {"K": "2"}]}}),
        ("<xml><A>&lt;&amp;<![CDATA[>]]></A></xml>", {"A": "<&>"}),
    ],
)
def test_a_document_becomes_fields(xml: str, fields: dict[str, object]) -> None:
    assert parse(xml) == fields


PIECES = st.lists(
    st.sampled_from([
        "<xml>", "</xml>", "<A>", "</A>", "<B>", "</B>", "<B/>", "<![CDATA[", "]]>", "]", "&amp;", "&", "<", ">",
        " ", "\r\n", "\n", "\0", "\x0b", "\ufffe", "\x85", "\u2028", "一", "x", "<A>1</A>", "<B><![CDATA[二 ]]></B>",
        "<A b='1'>", "<!-- -->", "<?p?>",
    ]),
    max_size=12,
)  # fmt: skip


@settings(max_examples=2000)
@given(PIECES)
def test_the_short_way_reads_a_document_as_the_parser_does(pieces: list[str]) -> None:
    xml = f"<xml>{''.join(pieces)}</xml>"
    fields = flat(xml)

    if fields:
        assert fields == value_of(fromstring(xml))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<xml></xml>", b"<xml><Encrypt></Encrypt></xml>", b"<xml><Encrypt> </Encrypt></xml>",
        b"<xml><Encrypt><![CDATA[]]></Encrypt></xml>", b"<xml><Encrypt>abc", b"<Encrypt>abc</Encrypt>",
        "<xml><Encrypt>密</Encrypt></xml>".encode(), b'{"encrypt": "abc"}', b"\xff\xfe<xml>",
    ],
)  # fmt: skip
def test_a_body_that_is_no_envelope_is_rejected(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        CRYPTO.open(body, SIGNATURE, TIMESTAMP, NONCE)
    assert caught.value.reason == "envelope"


def test_a_body_above_the_limit_is_rejected_unread() -> None:
    with pytest.raises(Rejected) as caught:
        CRYPTO.open(b"x" * (MAX_BODY + 1), SIGNATURE, TIMESTAMP, NONCE)
    assert (caught.value.reason, caught.value.status) == ("too large", 413)


def test_the_envelope_may_be_written_in_any_order_and_without_cdata() -> None:
    body = f"<xml>\n<AgentID/>\n<Encrypt>\n{OFFICIAL}\n</Encrypt>\n<ToUserName>{CORP}</ToUserName></xml>".encode()

    assert CRYPTO.open(body, SIGNATURE, TIMESTAMP, NONCE)["Content"] == "hello"
