"""One module per kind of incoming thing; each owns a router. `ROUTER` is all of them, in order."""

from bot.router import Router
from handlers import external_contact, member, staff_message

ROUTER = Router()
for module in (external_contact, staff_message, member):
    ROUTER.include(module.router)
