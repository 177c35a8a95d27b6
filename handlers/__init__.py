"""One module per kind of incoming thing; each owns a router. `ROUTER` is all of them, in order."""

from bot.router import Router
from handlers import (
    care,
    external_contact,
    groups,
    handover,
    leave,
    losses,
    member,
    questions,
    scripts,
    staff_message,
    tagging,
    tags,
    todos,
)

ROUTER = Router()
for module in (
    external_contact,
    handover,
    losses,
    groups,
    tags,
    tagging,
    care,
    leave,
    todos,
    scripts,
    questions,
    staff_message,
    member,
):
    ROUTER.include(module.router)
