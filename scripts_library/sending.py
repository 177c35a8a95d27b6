"""A script's files, sent to the member who asked for it, to be passed on."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlmodel import Session

from bot.gateway import Gateway
from bot.jobs import Done, Job, NewJob, Priority, Refused, enqueue
from bot.wecom.errors import WeComError
from scripts_library.attachments import Attachment, FilePart
from scripts_library.media import MediaLibrary, MediaRefused

SCRIPT_FILE = "script_file"
"""The kind of job that sends one."""
BAD_MEDIA = 40007


def send_file(session: Session, userid: str, part: Attachment, *, cause: str, now: datetime) -> None:
    """Send an attachment that is a file, after what was said before; links and mini-programs have none."""
    if not isinstance(part, FilePart):
        return
    payload = {"touser": userid, "msgtype": part.msgtype, "sha256": part.sha256}
    key = f"{SCRIPT_FILE}:{cause}:{part.sha256}"
    enqueue(session, NewJob(key, SCRIPT_FILE, now, f"to:{userid}", payload, Priority.QUESTION))


def deliver_file(gateway: Gateway, library: MediaLibrary) -> Callable[[Job], Awaitable[Done]]:
    """The runner of files. The same file within four hours arrives once: the member has it already."""

    async def run(job: Job) -> Done:
        kind, sha256 = job.payload["msgtype"], job.payload["sha256"]
        try:
            media_id = await library.media_id(sha256)
        except (MediaRefused, OSError) as error:
            raise Refused(f"the file is gone: {error}") from error
        body = {"touser": job.payload["touser"], "msgtype": kind, kind: {"media_id": media_id}}
        try:
            await gateway.send_message(body)
        except WeComError as error:
            if error.errcode != BAD_MEDIA:
                raise
            await library.forget([media_id])
            body[kind] = {"media_id": await library.media_id(sha256)}
            await gateway.send_message(body)
        return Done("sent")

    return run
