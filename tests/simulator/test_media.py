"""Uploads: types, sizes, names, three days (wecom-api §10)."""

from datetime import timedelta
from hashlib import md5
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.simulator.conftest import Simulator

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"0" * 20
MP4 = b"\x00\x00\x00\x18ftypmp42" + b"0" * 20
AMR = b"#!AMR\n" + b"0" * 20
MB = 1024 * 1024


async def download(simulator: Simulator, media_id: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and bytes of media/get."""
    params = {"access_token": await simulator.token(), "media_id": media_id}
    async with simulator.session.get(f"{simulator.url}/cgi-bin/media/get", params=params, headers=headers) as answer:
        return answer.status, dict(answer.headers), await answer.read()


@pytest.mark.parametrize(
    ("kind", "data"), [("image", PNG), ("image", JPEG), ("voice", AMR), ("video", MP4), ("file", b"123456")]
)
async def test_an_upload_can_be_fetched_again(simulator: Simulator, kind: str, data: bytes) -> None:
    answer = await simulator.upload(data, "a.bin", type=kind)

    assert (answer["errcode"], answer["type"]) == (0, kind)
    assert answer["created_at"] == str(simulator.corp.state.media[answer["media_id"]].created_at)
    status, headers, fetched = await download(simulator, answer["media_id"])
    assert (status, fetched) == (200, data)
    assert headers["Content-Disposition"] == 'attachment; filename="a.bin"'


async def test_a_chinese_file_name_is_kept(simulator: Simulator) -> None:
    media_id = (await simulator.upload(b"123456", "报价单.pdf", type="file"))["media_id"]

    assert simulator.corp.state.media[media_id].filename == "报价单.pdf"
    _, headers, _ = await download(simulator, media_id)
    assert "报价单.pdf" in headers["Content-Disposition"].encode("utf-8", "surrogateescape").decode()


@pytest.mark.parametrize("name", ["", "; filename*=utf-8''a.pdf"])
async def test_a_part_without_a_plain_file_name_is_no_upload(simulator: Simulator, name: str) -> None:
    disposition = f'Content-Disposition: form-data; name="media"{name}'
    body = f"--frontier\r\n{disposition}\r\nContent-Type: application/pdf\r\n\r\n123456\r\n--frontier--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    params = {"access_token": await simulator.token(), "type": "file"}

    url = f"{simulator.url}/cgi-bin/media/upload"
    async with simulator.session.post(url, data=body, headers=headers, params=params) as answer:
        assert (await answer.json())["errcode"] == 44001


@pytest.mark.parametrize(
    ("kind", "data", "errcode"),
    [
        ("picture", PNG, 40005),
        ("file", b"12345", 40006),
        ("image", b"GIF89a" + b"0" * 20, 40123),
        ("voice", MP4, 301017),
        ("video", PNG, 40004),
        ("image", PNG + b"0" * 10 * MB, 40009),
        ("voice", AMR + b"0" * 2 * MB, 40006),
        ("video", MP4 + b"0" * 10 * MB, 40011),
        ("file", b"0" * (20 * MB + 1), 40006),
    ],
)
async def test_a_wrong_upload_gets_its_errcode(simulator: Simulator, kind: str, data: bytes, errcode: int) -> None:
    assert (await simulator.upload(data, "a", type=kind))["errcode"] == errcode
    assert simulator.corp.state.media == {}


async def test_a_body_without_parts_is_no_upload(simulator: Simulator) -> None:
    assert (await simulator.api("media/upload", {}, type="image"))["errcode"] == 44001


async def test_an_upload_lasts_three_days(simulator: Simulator) -> None:
    media_id = (await simulator.upload(PNG, type="image"))["media_id"]
    message: dict[str, Any] = {"touser": "lin", "msgtype": "image", "agentid": 1000002, "image": {"media_id": media_id}}

    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(days=3, seconds=-60))
    assert (await simulator.api("message/send", message))["errcode"] == 0
    simulator.corp.clock.jump(simulator.corp.clock.now() + timedelta(seconds=120))

    assert (await simulator.api("message/send", message))["errcode"] == 40007
    assert (await simulator.api("media/get", media_id=media_id))["errcode"] == 40007


async def test_a_part_of_a_file_can_be_fetched(simulator: Simulator) -> None:
    media_id = (await simulator.upload(b"0123456789", type="file"))["media_id"]

    status, headers, part = await download(simulator, media_id, Range="bytes=2-4")

    assert (status, part, headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    _, _, rest = await download(simulator, media_id, Range="bytes=8-")
    assert rest == b"89"
    _, _, refused = await download(simulator, media_id, Range="bytes=90-99")
    assert b'"errcode": 40146' in refused


async def test_attachments_are_a_world_of_their_own(simulator: Simulator) -> None:
    path = "media/upload_attachment"
    answer = await simulator.upload(PNG, path=path, media_type="image", attachment_type=1)

    assert isinstance(answer["created_at"], int)
    message = {"touser": "lin", "msgtype": "image", "agentid": 1000002, "image": {"media_id": answer["media_id"]}}
    assert (await simulator.api("message/send", message))["errcode"] == 40007
    assert (await simulator.upload(PNG, path=path, media_type="image"))["errcode"] == 40058
    assert (await simulator.upload(AMR, path=path, media_type="voice", attachment_type=1))["errcode"] == 40005


async def test_a_picture_for_good_has_an_address(simulator: Simulator) -> None:
    answer = await simulator.upload(JPEG, path="media/uploadimg")

    assert answer["url"].startswith("https://")
    assert (await simulator.upload(MP4, path="media/uploadimg"))["errcode"] == 40123


async def test_a_file_is_fetched_from_an_address(simulator: Simulator) -> None:
    async def serve(_: web.Request) -> web.Response:
        return web.Response(body=MP4)

    app = web.Application()
    app.add_routes([web.get("/a.mp4", serve)])
    async with TestServer(app) as server:
        url = f"http://127.0.0.1:{server.port}/a.mp4"
        wanted = {"scene": 1, "type": "video", "filename": "a.mp4", "url": url, "md5": md5(MP4).hexdigest()}
        good = (await simulator.api("media/upload_by_url", wanted))["jobid"]
        bad = (await simulator.api("media/upload_by_url", wanted | {"md5": "0" * 32}))["jobid"]
        jobs = simulator.platform.extras["upload_by_url"]
        await simulator.platform.wait(10, lambda: all(job["status"] != 1 for job in jobs.values()))

    done = await simulator.api("media/get_upload_by_url_result", {"jobid": good})
    failed = await simulator.api("media/get_upload_by_url_result", {"jobid": bad})
    assert (done["status"], failed["status"], failed["detail"]["errcode"]) == (2, 3, 40058)
    assert (await download(simulator, done["detail"]["media_id"]))[2] == MP4
