"""What members change in the client, and what the console does to corp tags."""

from datetime import timedelta

from bot.router import Context, Router
from bot.wecom.events import CorpTagsShuffled, ExternalContactEdited, TagEvent
from contacts.corp_tags import ask_for_list
from contacts.fetching import ask_to_fetch

router = Router()

GROUP = "tag_group"


@router.on(ExternalContactEdited)
def customer_edited(event: ExternalContactEdited, ctx: Context) -> None:
    """Remark, tags or phones changed: the event does not say which, so the platform is asked."""
    # Two edits of one second are one event, as nothing in them differs: by the end of the second both are there.
    due = ctx.now + timedelta(seconds=1)
    ask_to_fetch(ctx.session, event.external_userid, f"edited:{ctx.event_id}", ctx.now, due=due)


@router.on(TagEvent)
def corp_tag_changed(event: TagEvent, ctx: Context) -> None:
    """A tag or group was made, renamed, deleted or put in another place: look it up."""
    is_group = event.tag_type == GROUP or isinstance(event, CorpTagsShuffled)
    ask_for_list(ctx.session, event.id, is_group=is_group, cause=str(ctx.event_id), now=ctx.now)
