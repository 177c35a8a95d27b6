"""Files of welcomes and scripts: checked when taken in, uploaded once for all, again before WeCom forgets them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sqlmodel import select

from bot.database import Database
from bot.gateway import Gateway
from scripts_library.media import GOOD_FOR, LIFE, MEGABYTE, RENEW_BEFORE, Media, MediaLibrary, MediaRefused, add_file
from tests.conftest import WeCom, bot_settings
from tests.hand_clock import HandClock

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
UPLOAD = "media/upload"


@pytest.fixture
def clock() -> HandClock:
    """A clock to skip days with."""
    return HandClock()


@pytest.fixture
async def library(wecom: WeCom, database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[MediaLibrary]:
    """An empty library beside the simulator."""
    settings = bot_settings(wecom.corp, wecom.url, "sqlite:///unused", tmp_path)
    async with aiohttp.ClientSession() as http:
        yield MediaLibrary(tmp_path, database, Gateway(settings, database, clock, http), clock)


async def taken_in(library: MediaLibrary, folder: Path, name: str = "card.png", content: bytes = PNG) -> str:
    """A file taken into the library: its hash."""
    (folder / name).write_bytes(content)
    kind = {".png": "image", ".jpg": "image", ".mp4": "video"}.get(Path(name).suffix, "file")
    home = library.folder.parent
    return await library.database.write(lambda session: add_file(session, home, kind, folder / name))


async def test_a_file_is_uploaded_once_however_many_want_it_together(
    library: MediaLibrary, wecom: WeCom, tmp_path: Path
) -> None:
    sha256 = await taken_in(library, tmp_path)
    await wecom.fault(UPLOAD, latency_ms=100)
    ids = await asyncio.gather(*(library.media_id(sha256) for _ in range(30)))

    assert len(set(ids)) == 1
    assert len(await wecom.calls(UPLOAD)) == 1
    assert wecom.corp.state.media[ids[0]].data == PNG


async def test_the_name_of_a_file_arrives_as_it_is(library: MediaLibrary, wecom: WeCom, tmp_path: Path) -> None:
    sha256 = await taken_in(library, tmp_path, "报价单 2026.pdf", b"%PDF-1.7 ...")
    media_id = await library.media_id(sha256)

    assert wecom.corp.state.media[media_id].filename == "报价单 2026.pdf"


async def test_the_same_content_is_kept_once(library: MediaLibrary, wecom: WeCom, tmp_path: Path) -> None:
    hashes = {await taken_in(library, tmp_path, name) for name in ("one.png", "two.png", "one.png")}
    rows = await library.database.read(lambda session: session.exec(select(Media)).all())

    assert len(hashes) == 1
    assert [(row.filename, row.size) for row in rows] == [("one.png", len(PNG))]
    assert [path.name for path in library.folder.iterdir()] == [rows[0].sha256]


async def test_an_id_is_used_until_shortly_before_its_end(
    library: MediaLibrary, wecom: WeCom, clock: HandClock, tmp_path: Path
) -> None:
    sha256 = await taken_in(library, tmp_path)
    first = await library.media_id(sha256)
    clock.forward((LIFE - GOOD_FOR).total_seconds() - 60)
    assert await library.media_id(sha256) == first
    clock.forward(120)

    assert await library.media_id(sha256) != first
    assert len(await wecom.calls(UPLOAD)) == 2


async def test_the_nightly_renewal_keeps_every_id_good_until_the_next(
    library: MediaLibrary, wecom: WeCom, clock: HandClock, tmp_path: Path
) -> None:
    hashes = [await taken_in(library, tmp_path, f"{n}.png", PNG + bytes([n])) for n in range(3)]
    assert await library.renew() == 3
    renewed = []
    for _ in range(6):
        clock.forward(86_400)
        renewed.append(await library.renew())
        before = len(await wecom.calls(UPLOAD))
        for sha256 in hashes:
            await library.media_id(sha256)
        assert len(await wecom.calls(UPLOAD)) == before

    assert sum(renewed) == 3 * renewed.count(3) > 0
    assert LIFE - RENEW_BEFORE > GOOD_FOR


async def test_forgetting_an_old_id_leaves_a_newer_one(
    library: MediaLibrary, wecom: WeCom, clock: HandClock, tmp_path: Path
) -> None:
    sha256 = await taken_in(library, tmp_path)
    old = await library.media_id(sha256)
    await library.forget([old, ""])
    new = await library.media_id(sha256)
    await library.forget([old])

    assert new != old
    assert await library.media_id(sha256) == new


async def test_an_upload_that_fails_is_tried_again_by_the_next(
    library: MediaLibrary, wecom: WeCom, tmp_path: Path
) -> None:
    sha256 = await taken_in(library, tmp_path)
    await wecom.fault(UPLOAD, status=502, times=1)
    outcomes = await asyncio.gather(*(library.media_id(sha256) for _ in range(3)), return_exceptions=True)

    assert len([one for one in outcomes if isinstance(one, str)]) == 2
    assert len(await wecom.calls(UPLOAD)) == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("card.gif", b"GIF89a....", "card.gif: a image must end in .jpg or .jpeg or .png"),
        ("card.png", b"GIF89a....", "card.png: the content is no .png picture"),
        ("card.jpg", PNG, "card.jpg: the content is no .jpg picture"),
        ("card.png", b"\x89PN", "card.png: 3 bytes; a image must have 6 to 10485760"),
        ("card.png", PNG + bytes(10 * MEGABYTE), "a image must have 6 to 10485760"),
    ],
)
async def test_a_picture_wecom_would_not_take_is_refused(
    library: MediaLibrary, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaRefused) as refused:
        await library.database.write(lambda session: add_file(session, tmp_path, "image", tmp_path / name))

    assert told in str(refused.value)


async def test_a_file_that_is_not_there_is_named(library: MediaLibrary, tmp_path: Path) -> None:
    with pytest.raises(MediaRefused, match=r"gone\.pdf: there is no such file"):
        await library.database.write(lambda session: add_file(session, tmp_path, "file", tmp_path / "gone.pdf"))
    with pytest.raises(MediaRefused, match="no file with the hash"):
        await library.media_id("0" * 64)
