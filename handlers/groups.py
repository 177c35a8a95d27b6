"""Customer groups: made, changed, gone."""

from bot.router import Context, Router
from bot.wecom.events import GroupCreated, GroupDismissed, GroupUpdated
from contacts.groups import MemberChange, ask_to_fetch, change_members, dismiss

router = Router()
SCENES = {"0": 1, "3": 3}
"""How somebody came, as groupchat/get has it, by what the event says."""
CHANGES_OF_MEMBERS = {"add_member": True, "del_member": False}


@router.on(GroupCreated)
def group_created(event: GroupCreated, ctx: Context) -> None:
    """Ask who is in it."""
    ask_to_fetch(ctx.session, event.chat_id, str(ctx.event_id), ctx.now)


@router.on(GroupUpdated)
def group_updated(event: GroupUpdated, ctx: Context) -> None:
    """Let people come and go as the event says, if it goes on from what we know; else ask the platform."""
    came = CHANGES_OF_MEMBERS.get(event.detail)
    if came is not None and event.people:
        change = MemberChange(event.people, came, SCENES.get(event.join_scene, 0))
        versions = {"before": event.before, "after": event.after}
        if change_members(ctx.session, event.chat_id, change, at=event.created_at, **versions):
            return
    ask_to_fetch(ctx.session, event.chat_id, str(ctx.event_id), ctx.now, event.after)


@router.on(GroupDismissed)
def group_dismissed(event: GroupDismissed, ctx: Context) -> None:
    """The group is gone."""
    dismiss(ctx.session, event.chat_id, event.created_at)
