"""One module per kind of incoming thing; each owns a router. `ROUTER` is all of them, in order."""

from bot.router import Router
from handlers import (
    appeals,
    briefs,
    care,
    decisions,
    drafts,
    external_contact,
    groups,
    handover,
    leave,
    losses,
    member,
    offers,
    questions,
    scripts,
    staff_message,
    tagging,
    tags,
    targets,
    team_todos,
    todos,
    undoing,
    wishes,
)

ROUTER = Router()
for module in (
    external_contact,
    undoing,
    wishes,
    team_todos,
    handover,
    losses,
    groups,
    tags,
    tagging,
    care,
    leave,
    targets,
    decisions,
    appeals,
    todos,
    offers,
    drafts,
    scripts,
    questions,
    briefs,
    staff_message,
    member,
):
    ROUTER.include(module.router)
