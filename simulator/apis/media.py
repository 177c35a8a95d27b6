"""Files for messages, three days each, and pictures for good (wecom-api §10)."""

import asyncio
from dataclasses import dataclass
from hashlib import md5

import aiohttp
from aiohttp import hdrs, web

from simulator.appstate import Media
from simulator.corp import opaque
from simulator.errors import ApiError
from simulator.platform import Call, Fields, api
from simulator.windows import MEDIA_SECONDS

MB = 1024 * 1024
LEAST_BYTES = 5
RANGE_NEEDED = 20 * MB
BY_URL_BYTES = 200 * MB
BY_URL_SECONDS = 300
JPEG, PNG, AMR = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"#!AMR"
DAY, MONTH = 86_400, 30 * 86_400


@dataclass(frozen=True)
class Kind:
    """What one type of file may be: bytes at most, and the errcodes of too large and of the wrong content."""

    most: int
    too_large: int
    starts: tuple[bytes, ...] = (b"",)
    at: int = 0
    wrong: int = 40004


UPLOADS = {
    "image": Kind(10 * MB, 40009, (JPEG, PNG), wrong=40123),
    "voice": Kind(2 * MB, 40006, (AMR,), wrong=301017),
    "video": Kind(10 * MB, 40011, (b"ftyp",), at=4),
    "file": Kind(20 * MB, 40006),
}
PERMANENT_IMAGE = Kind(2 * MB, 40009, (JPEG, PNG), wrong=40123)
ATTACHMENTS = {name: Kind(10 * MB, kind.too_large, kind.starts, kind.at) for name, kind in UPLOADS.items()}
del ATTACHMENTS["voice"]


@api("media/upload", needs="any")
def upload(call: Call) -> Fields:
    """`created_at` is a string here."""
    media = keep(call, UPLOADS, call.query.get("type"))
    return {"type": media.type, "media_id": media.media_id, "created_at": str(media.created_at)}


@api("media/upload_attachment", needs="customers")
def upload_attachment(call: Call) -> Fields:
    """For moments (attachment_type 1) and the product album (2) only; `created_at` is a number here."""
    if call.query.get("attachment_type") not in {"1", "2"}:
        raise ApiError(40058, "attachment_type invalid")
    media = keep(call, ATTACHMENTS, call.query.get("media_type"), attachment=True)
    return {"type": media.type, "media_id": media.media_id, "created_at": media.created_at}


@api("media/uploadimg", needs="any")
def uploadimg(call: Call) -> Fields:
    """A picture's permanent address; 1,000 a day, 3,000 a month."""
    filename, data = uploaded(call)
    check_file(PERMANENT_IMAGE, data)
    if not call.platform.limits.allow(("uploadimg",), ((DAY, 1000), (MONTH, 3000))):
        raise ApiError(45009, "api freq out of limit")
    url = f"https://wework.qpic.cn/wwpic/{opaque('')}/{len(filename)}"
    call.corp.state.image_urls.add(url)
    return {"url": url}


@api("media/get", "GET", needs="any")
def get(call: Call) -> web.StreamResponse:
    """The file's bytes, or the range of them that was asked for."""
    media = call.corp.state.media.get(call.text("media_id", 41006))
    if media is None or call.corp.now() - media.created_at > MEDIA_SECONDS:
        raise ApiError(40007, "invalid media_id")
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{media.filename}"', hdrs.ACCEPT_RANGES: "bytes"}
    wanted = call.headers.get(hdrs.RANGE)
    if wanted is None:
        if len(media.data) > RANGE_NEEDED:
            raise ApiError(830002, "media larger than 20 MB needs Range")
        return web.Response(body=media.data, content_type="application/octet-stream", headers=headers)
    first, last = range_of(wanted, len(media.data))
    headers[hdrs.CONTENT_RANGE] = f"bytes {first}-{last}/{len(media.data)}"
    part = media.data[first : last + 1]
    return web.Response(status=206, body=part, content_type="application/octet-stream", headers=headers)


@api("media/upload_by_url", needs="any")
async def upload_by_url(call: Call) -> Fields:
    """Fetches behind the answer; `get_upload_by_url_result` tells how it went. No event is raised."""
    body, kind = call.body, call.text("type")
    if body.get("scene") != 1 or kind not in {"video", "file"}:
        raise ApiError(40058, "scene or type invalid")
    jobs: dict[str, Fields] = call.platform.extras["upload_by_url"]
    job_id = opaque("job")
    jobs[job_id] = {"status": 1}
    task = asyncio.create_task(fetch(call, call.text("filename"), call.text("url"), jobs[job_id]))
    call.platform.background.add(task)
    task.add_done_callback(call.platform.background.discard)
    return {"jobid": job_id}


@api("media/get_upload_by_url_result", needs="any")
def get_upload_by_url_result(call: Call) -> Fields:
    """1 under way, 2 done, 3 failed."""
    job: Fields | None = call.platform.extras["upload_by_url"].get(call.text("jobid"))
    if job is None:
        raise ApiError(40058, "invalid jobid")
    return job


async def fetch(call: Call, filename: str, url: str, job: Fields) -> None:
    """Fetch a file into the job: its media_id, or why there is none."""
    timeout = aiohttp.ClientTimeout(total=BY_URL_SECONDS)
    detail: Fields = {"errcode": 0, "errmsg": "ok"}
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            data = await answer.content.read(BY_URL_BYTES + 1)
            if answer.status != 200 or not LEAST_BYTES < len(data) <= BY_URL_BYTES:
                raise ApiError(40006, "invalid file size")
            if call.body.get("md5") not in {None, "", md5(data, usedforsecurity=False).hexdigest()}:
                raise ApiError(40058, "md5 invalid")
            media = store(call, call.body["type"], filename, data)
            detail |= {"media_id": media.media_id, "created_at": str(media.created_at)}
    except ApiError as error:
        detail = {"errcode": error.errcode, "errmsg": error.errmsg}
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        detail = {"errcode": 40058, "errmsg": f"url invalid: {error}"}
    job.update(status=3 if detail["errcode"] else 2, detail=detail)
    await call.platform.notify()


def keep(call: Call, kinds: dict[str, Kind], name: str | None, *, attachment: bool = False) -> Media:
    """Check the uploaded file and keep it under a new id. Raises 40005 for an unknown type."""
    if name not in kinds:
        raise ApiError(40005, "invalid type")
    filename, data = uploaded(call)
    check_file(kinds[name], data)
    return store(call, name, filename, data, attachment=attachment)


def store(call: Call, kind: str, filename: str, data: bytes, *, attachment: bool = False) -> Media:
    """Keep a file under a new id."""
    media = Media(opaque("3", 64), kind, filename, data, call.corp.now(), attachment)
    call.corp.state.media[media.media_id] = media
    return media


def uploaded(call: Call) -> tuple[str, bytes]:
    """Name and bytes of the one file sent. Raises 44001 without a part that has a file name.

    Only a plain `filename="…"` counts: the platform does not read `filename*=`.
    """
    part = next(iter(call.files.values()), None)
    if part is None or 'filename="' not in part.headers.get(hdrs.CONTENT_DISPOSITION, ""):
        raise ApiError(44001, "empty media data")
    return part.filename, part.file.read()


def check_file(kind: Kind, data: bytes) -> None:
    """Raise when a file is too small, too large or not what its type says."""
    if len(data) <= LEAST_BYTES:
        raise ApiError(40006, "invalid file size")
    if len(data) > kind.most:
        raise ApiError(kind.too_large, "invalid file size")
    if not data[kind.at :].startswith(kind.starts):
        raise ApiError(kind.wrong, "invalid file type")


def range_of(header: str, size: int) -> tuple[int, int]:
    """First and last byte of a `bytes=first-last` header. Raises 40146."""
    unit, _, span = header.partition("=")
    first, _, last = span.partition("-")
    if unit != "bytes" or not first.isdigit() or (last and not last.isdigit()) or int(first) >= size:
        raise ApiError(40146, "invalid range")
    return int(first), min(int(last or size - 1), size - 1)
