"""Files that go out with scripts and welcomes: kept once by content, uploaded again before WeCom forgets them."""

import asyncio
import hashlib
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import update
from sqlmodel import Field, Session, SQLModel, col, select

from bot.clock import Clock
from bot.database import Database, UtcTime
from bot.gateway import Gateway

LIFE = timedelta(days=3)
"""How long a media id is good (wecom-api §10)."""
GOOD_FOR = timedelta(hours=1)
"""An id with less life left is not sent any more."""
RENEW_BEFORE = timedelta(hours=36)
"""An id with less life left is renewed at night, so that it lasts until the next."""
MEGABYTE = 1024 * 1024
KINDS: dict[str, tuple[tuple[str, ...], int]] = {
    "image": ((".jpg", ".jpeg", ".png"), 10 * MEGABYTE),
    "video": ((".mp4",), 10 * MEGABYTE),
    "file": ((), 20 * MEGABYTE),
}
"""Endings and the largest size of each kind; any ending will do for a file."""
SMALLEST = 6
MAGIC = {".png": b"\x89PNG\r\n\x1a\n", ".jpg": b"\xff\xd8\xff", ".jpeg": b"\xff\xd8\xff"}


class MediaRefused(ValueError):
    """A file WeCom would not take; the text says why."""


class Media(SQLModel, table=True):
    """One file we can send; its content lies under HOME/media by its hash."""

    sha256: str = Field(primary_key=True)
    kind: str
    filename: str
    size: int
    media_id: str | None = None
    media_id_ends_at: datetime | None = Field(default=None, sa_type=UtcTime)


class MediaLibrary:
    """The files, and the media ids under which WeCom knows them at the moment."""

    def __init__(self, home: Path, database: Database, gateway: Gateway, clock: Clock) -> None:
        self.folder = home / "media"
        self.database = database
        self.gateway = gateway
        self.clock = clock
        self.uploading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def media_id(self, sha256: str) -> str:
        """A media id that is good for some hours; uploads the file if there is none. Raises WeCom's errors."""
        async with self.uploading[sha256]:  # who comes meanwhile waits for this upload and does not start another
            return await self.known_or_uploaded(sha256)

    async def known_or_uploaded(self, sha256: str) -> str:
        """The media id on record, or a new one."""
        media = await self.database.read(lambda session: session.get(Media, sha256))
        if media is None:
            raise MediaRefused(f"no file with the hash {sha256[:12]}…")
        ends_at = media.media_id_ends_at
        if media.media_id and ends_at and ends_at - GOOD_FOR > self.clock.now():
            return media.media_id
        return await self.upload(media)

    async def upload(self, media: Media) -> str:
        """Upload a file and remember its media id."""
        content = await asyncio.to_thread((self.folder / media.sha256).read_bytes)
        media_id = await self.gateway.upload(media.kind, media.filename, content)
        ends_at = self.clock.now() + LIFE

        def remember(session: Session) -> None:
            this = update(Media).where(col(Media.sha256) == media.sha256)
            session.exec(this.values(media_id=media_id, media_id_ends_at=ends_at))

        await self.database.write(remember)
        return media_id

    async def forget(self, media_ids: list[str]) -> None:
        """WeCom no longer knows these media ids."""

        def work(session: Session) -> None:
            session.exec(update(Media).where(col(Media.media_id).in_(media_ids)).values(media_id=None))

        await self.database.write(work)

    async def renew(self) -> int:
        """Upload every file whose media id is missing or about to end; answers how many."""
        rows = await self.database.read(lambda session: session.exec(select(Media)).all())
        limit = self.clock.now() + RENEW_BEFORE
        ending = [one for one in rows if not one.media_id or not one.media_id_ends_at or one.media_id_ends_at <= limit]
        for media in ending:
            await self.upload(media)
        return len(ending)


def add_file(session: Session, home: Path, kind: str, path: Path) -> str:
    """Take a file into the library; answers its hash. Raises `MediaRefused`."""
    content = read_checked(kind, path)
    sha256 = hashlib.sha256(content).hexdigest()
    folder = home / "media"
    keep(folder, sha256, content)
    if session.get(Media, sha256) is None:
        session.add(Media(sha256=sha256, kind=kind, filename=path.name, size=len(content)))
    return sha256


def read_checked(kind: str, path: Path) -> bytes:
    """A file's content, if WeCom will take it as this kind (wecom-api §10). Raises `MediaRefused`."""
    endings, largest = KINDS[kind]
    if not path.is_file():
        raise MediaRefused(f"{path}: there is no such file")
    size, ending = path.stat().st_size, path.suffix.lower()
    if endings and ending not in endings:
        raise MediaRefused(f"{path.name}: a {kind} must end in {' or '.join(endings)}")
    if not SMALLEST <= size <= largest:
        raise MediaRefused(f"{path.name}: {size} bytes; a {kind} must have {SMALLEST} to {largest}")
    content = path.read_bytes()
    if kind == "image" and not content.startswith(MAGIC[ending]):
        raise MediaRefused(f"{path.name}: the content is no {ending} picture")
    return content


def keep(folder: Path, sha256: str, content: bytes) -> None:
    """Store a file under its hash, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / sha256
    if not target.exists():
        part = target.with_suffix(".part")
        part.write_bytes(content)
        part.replace(target)
