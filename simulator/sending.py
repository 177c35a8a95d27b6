"""A member's confirmation of a mass send: what reaches whom, and why not (wecom-api §6.8)."""

from calendar import monthrange

from simulator.corp import Corp
from simulator.limits import PLATFORM_TIME
from simulator.records import GroupSend, SendTask
from simulator.windows import hand_over

SENT, NO_FRIEND, HAD_ENOUGH = 1, 2, 3


def confirm(corp: Corp, send: GroupSend, task: SendTask, most: int) -> None:
    """Carry a task out; each recipient gets at most `most` mass sends a month, 0 meaning one a day."""
    today = corp.clock.now().astimezone(PLATFORM_TIME)
    share = most or monthrange(today.year, today.month)[1]
    task.send_time = corp.now()
    for recipient in task.recipients:
        people, month = listeners(corp, send, task, recipient), (recipient, f"{today:%Y-%m}")
        if people is None:
            task.results[recipient] = NO_FRIEND
        elif corp.reached[month] >= share:
            task.results[recipient] = HAD_ENOUGH
        else:
            task.results[recipient] = SENT
            corp.reached[month] += 1
            for external_userid in people:
                hand_over(corp, corp.customers[external_userid], task.userid, "group_send", send.content)


def listeners(corp: Corp, send: GroupSend, task: SendTask, recipient: str) -> list[str] | None:
    """The customers who see the message; None when the tie or the group is gone."""
    if send.chat_type == "group":
        group = corp.groups[recipient]
        if group.dismissed or group.owner != task.userid:
            return None
        return [one.id for one in group.members.values() if one.id in corp.customers]
    follow = corp.tie(task.userid, recipient)
    return None if follow is None or follow.half or follow.deleted_by_customer else [recipient]
