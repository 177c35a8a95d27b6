"""One module per kind of incoming thing; each owns a router. `ROUTER` is all of them, in order."""

from bot.router import Router
from handlers import external_contact, groups, losses, member, scripts, staff_message, tags, todos

ROUTER = Router()
for module in (external_contact, losses, groups, tags, todos, scripts, staff_message, member):
    ROUTER.include(module.router)
