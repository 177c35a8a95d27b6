"""What may go out beside a text: pictures, videos, files, link cards, mini-programs."""

from typing import Annotated, Literal
from urllib.parse import urlparse

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic import Field as Limited

MAX_ATTACHMENTS = 9


def at_most(limit: int) -> AfterValidator:
    """A text of at most `limit` UTF-8 bytes."""

    def check(value: str) -> str:
        if (size := len(value.encode())) > limit:
            raise ValueError(f"{size} bytes, {limit} are allowed (a Chinese character has 3)")
        return value

    return AfterValidator(check)


def link(value: str) -> str:
    """An http(s) address."""
    parts = urlparse(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError("expected an address beginning with https://")
    return value


Name = Annotated[str, StringConstraints(min_length=1, max_length=60, strip_whitespace=True)]
Link = Annotated[str, AfterValidator(link), at_most(2048)]
Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """A word that does not belong is an error, not a silent nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FilePart(Strict):
    """A picture, video or file of the media library."""

    msgtype: Literal["image", "video", "file"]
    sha256: Sha


class LinkPart(Strict):
    """A link card."""

    msgtype: Literal["link"] = "link"
    title: Annotated[str, StringConstraints(min_length=1), at_most(128)]
    url: Link
    desc: Annotated[str, at_most(512)] = ""
    picurl: Link | None = None


class MiniProgramPart(Strict):
    """A mini-program card with its picture."""

    msgtype: Literal["miniprogram"] = "miniprogram"
    title: Annotated[str, StringConstraints(min_length=1), at_most(64)]
    appid: Name
    page: Annotated[str, StringConstraints(min_length=1), at_most(1024)]
    sha256: Sha


Attachment = Annotated[FilePart | LinkPart | MiniProgramPart, Limited(discriminator="msgtype")]
Attachments = Annotated[list[Attachment], Limited(max_length=MAX_ATTACHMENTS)]
