"""Welcome flows from YAML: what is read, what is refused and how it is said, and what replacing a file keeps."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session, col, select

from bot.database import Database
from scripts_library.media import Media
from sop.flows import DEFAULT, FlowRefused, read_flows, store_default, store_flows
from sop.models import WelcomeFlow
from tests.conftest import MONDAY_TEN

LINKS = "[" + ", ".join(["{link: {title: 预约, url: 'https://example.com'}}"] * 10) + "]"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
EVERYTHING = """
flows:
  - name: 展会
    when:
      staff: [lin, wang]
      departments: [2]
      states: ["expo-*", store-7]
      half: false
      customer: [new, returned]
      hours: "21:00-08:00"
      days: days_off
    text: "{{ greeting }}，{{ customer.name }}"
    otherwise: {customer.name: 朋友}
    attachments:
      - image: {file: card.png}
      - video: {file: tour.mp4}
      - file: {file: 价目表.pdf}
      - link: {title: 预约, url: "https://example.com/book", desc: 不用排队, picurl: "https://example.com/p.png"}
      - miniprogram: {title: 我的预约, appid: wx0123456789abcdef, page: pages/book, file: card.png}
"""


def written(folder: Path, text: str) -> Path:
    """A YAML file."""
    path = folder / "my.yaml"
    path.write_text(text, "utf-8")
    return path


def loads(session: Session, folder: Path, text: str, minutes: int = 0) -> list[WelcomeFlow]:
    """Read a file and store its flows."""
    flows = read_flows(written(folder, text))
    return store_flows(session, flows, folder / "home", folder, MONDAY_TEN + timedelta(minutes=minutes))


async def stored(database: Database) -> list[WelcomeFlow]:
    """The flows in force."""
    rows = select(WelcomeFlow).order_by(col(WelcomeFlow.position))
    return await database.read(lambda session: list(session.exec(rows).all()))


async def test_everything_a_flow_may_say_comes_back_as_it_was_written(database: Database, tmp_path: Path) -> None:
    for name, content in (("card.png", PNG), ("tour.mp4", b"....ftyp...."), ("价目表.pdf", b"%PDF-1.7")):
        (tmp_path / name).write_bytes(content)
    await database.write(lambda session: loads(session, tmp_path, EVERYTHING))

    [flow] = await stored(database)
    assert flow.conditions.model_dump() == {
        "staff": ["lin", "wang"],
        "departments": [2],
        "states": ["expo-*", "store-7"],
        "half": False,
        "customer": ["new", "returned"],
        "hours": "21:00-08:00",
        "days": "days_off",
    }
    assert [one.msgtype for one in flow.attachments] == ["image", "video", "file", "link", "miniprogram"]
    assert flow.attachments[0].sha256 == flow.attachments[4].sha256
    assert (flow.fallbacks, flow.version, flow.text) == (
        {"customer.name": "朋友"},
        1,
        "{{ greeting }}，{{ customer.name }}",
    )
    files = await database.read(lambda session: session.exec(select(Media.filename)).all())
    assert sorted(files) == ["card.png", "tour.mp4", "价目表.pdf"]


async def test_replacing_a_file_counts_versions_and_drops_what_it_does_not_name(
    database: Database, tmp_path: Path
) -> None:
    first = "flows: [{name: 夜间, text: 一, when: {hours: '21:00-08:00'}}, {name: 默认, text: 二}]"
    second = "flows: [{name: 默认, text: 三}, {name: 周末, text: 四}]"
    await database.write(lambda session: loads(session, tmp_path, first))
    await database.write(lambda session: loads(session, tmp_path, second, minutes=5))

    flows = await stored(database)
    assert [(one.name, one.version, one.text, one.position) for one in flows] == [
        ("默认", 2, "三", 0),
        ("周末", 1, "四", 1),
    ]
    assert flows[0].updated_at == MONDAY_TEN + timedelta(minutes=5)


async def test_a_file_with_one_mistake_changes_nothing(database: Database, tmp_path: Path) -> None:
    await database.write(lambda session: loads(session, tmp_path, "flows: [{name: 默认, text: 旧}]"))
    bad = "flows: [{name: 默认, text: 新}, {name: 图, attachments: [{image: {file: gone.png}}]}]"
    with pytest.raises(FlowRefused, match=r"flow '图': image: .*gone\.png: there is no such file"):
        await database.write(lambda session: loads(session, tmp_path, bad))

    assert [(one.name, one.text, one.version) for one in await stored(database)] == [("默认", "旧", 1)]


async def test_the_first_flows_are_given_once(database: Database, tmp_path: Path) -> None:
    given = [await database.write(lambda session: store_default(session, tmp_path, MONDAY_TEN)) for _ in range(2)]

    assert given == [True, False]
    assert [flow.name for flow in await stored(database)] == [flow.name for flow in read_flows(DEFAULT)]


@pytest.mark.parametrize(
    ("flow", "told"),
    [
        ("{name: 甲}", "flow '甲': text and attachments are both empty; there would be nothing to send"),
        ("{name: 甲, text: ' {# 注 #} '}", "flow '甲': text and attachments are both empty"),
        ("{text: 您好}", "flow 1: name is missing"),
        ("{name: 甲, text: 您好, whne: {}}", "flow '甲': whne is no field here; docs/welcome.md lists them"),
        ("{name: 甲, text: 您好, when: {age: 3}}", "flow '甲': when.age is no field here"),
        ("{name: 甲, text: 5}", "flow '甲': text (now '5'): Input should be a valid string"),
        ("{name: 甲, text: 您好, when: [staff]}", "flow '甲': when (now \"['staff']\")"),
        ("{name: 甲, text: 您好, when: {staff: []}}", "staff is empty and would never hold; leave it out"),
        ("{name: 甲, text: 您好, when: {states: []}}", "states is empty and would never hold; leave it out"),
        (
            "{name: 甲, text: 您好, when: {hours: '9-21'}}",
            "when.hours (now '9-21'): expected hours such as 09:00-21:00",
        ),
        ("{name: 甲, text: 您好, when: {hours: '25:00-26:00'}}", "expected hours such as 09:00-21:00"),
        ("{name: 甲, text: 您好, when: {hours: '09:00-09:00'}}", "would never hold; leave it out for the whole day"),
        ("{name: 甲, text: 您好, when: {customer: [old]}}", "when.customer.0 (now 'old')"),
        ("{name: 甲, text: 您好, when: {days: weekend}}", "Input should be 'workdays' or 'days_off'"),
        ("{name: 甲, text: 您好, when: {departments: [east]}}", "when.departments.0 (now 'east')"),
        (
            "{name: 甲, text: 您好, otherwise: {customer.age: 3岁}}",
            "otherwise names 'customer.age'; there are customer.name",
        ),
        ("{name: 甲, text: '{{ customer.phone }}'}", "flow '甲': text: line 1: customer.phone is unknown; there are"),
        (
            "{name: 甲, text: '{% for x in greeting %}x{% endfor %}'}",
            "flow '甲': text: line 1: for is not allowed here",
        ),
        (
            "{name: 甲, text: " + "长" * 1334 + "}",
            "the text can grow to 4002 bytes (a Chinese character has 3); 4000 are",
        ),
        (
            "{name: 甲, text: '{{ customer.name }}', otherwise: {customer.name: " + "长" * 1400 + "}}",
            "the text can grow to 4200 bytes",
        ),
        (
            "{name: 甲, text: 您好, attachments: " + LINKS + "}",
            "List should have at most 9 items after validation, not 10",
        ),
        ("{name: 甲, text: 您好}, {name: 甲, text: 再见}", "the name '甲' stands twice; names tell flows apart"),
    ],
)
def test_a_refusal_names_flow_field_value_and_remedy(tmp_path: Path, flow: str, told: str) -> None:
    with pytest.raises(FlowRefused) as refused:
        read_flows(written(tmp_path, f"flows: [{flow}]"))

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("attachment", "told"),
    [
        ("image: card.png", "flow '甲': image (now 'card.png'): expected its fields, such as {file: card.png}"),
        ("image: {file: gone.png}", "flow '甲': image: "),
        ("image: {file: 5}", "flow '甲': image: "),
        ("image: {file: fake.png}", "flow '甲': image: fake.png: the content is no .png picture"),
        ("video: {file: card.png}", "flow '甲': video: card.png: a video must end in .mp4"),
        ("image: {}", "flow '甲': image.sha256 is missing"),
        (
            "link: {title: 预约, url: example.com}",
            "link.url (now 'example.com'): expected an address beginning with https://",
        ),
        ("link: {title: 预约}", "flow '甲': link.url is missing"),
        ("link: {title: 预约, url: 'https://a.cn', file: card.png}", "flow '甲': a link takes no file"),
        ("link: {title: 预约, url: 'https://a.cn', colour: red}", "link.colour is no field here"),
        (
            "link: {title: " + "长" * 43 + ", url: 'https://a.cn'}",
            "129 bytes, 128 are allowed (a Chinese character has 3)",
        ),
        ("miniprogram: {title: 约, appid: wx1, file: card.png}", "flow '甲': miniprogram.page is missing"),
        ("voice: {file: card.png}", "flow '甲': a voice takes no file"),
        (
            "image: {file: card.png}, link: {}",
            "an attachment has one kind, such as image or link; found ['image', 'link']",
        ),
    ],
)
async def test_an_attachment_wecom_would_not_take_is_refused(
    database: Database, tmp_path: Path, attachment: str, told: str
) -> None:
    (tmp_path / "card.png").write_bytes(PNG)
    (tmp_path / "fake.png").write_bytes(b"GIF89a....")
    text = f"flows: [{{name: 甲, text: 您好, attachments: [{{{attachment}}}]}}]"
    with pytest.raises(FlowRefused) as refused:
        await database.write(lambda session: loads(session, tmp_path, text))

    assert told in str(refused.value)
    assert await stored(database) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "my.yaml: expected a list of flows below the word flows:"),
        (b"- name: a", "my.yaml: expected a list of flows below the word flows:"),
        (b"flows: []", "my.yaml: flows (now '[]'): List should have at least 1 item"),
        (b"flows: [\n", "not readable as YAML in UTF-8"),
        (b"\xff\xfe", "not readable as YAML in UTF-8"),
        (b"flows: [{name: a, text: b}]\nmore: 1", "my.yaml: more is no field here"),
        (b"!!python/object/apply:os.system ['echo out']", "not readable as YAML in UTF-8"),
    ],
)
def test_a_file_that_is_no_list_of_flows_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(FlowRefused) as refused:
        read_flows(path)

    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlowRefused, match=r"gone\.yaml: there is no such file"):
        read_flows(tmp_path / "gone.yaml")
