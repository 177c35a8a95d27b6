"""The simulator as an aiohttp application: platform side, control side and page."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

from simulator import apis, control, model, page, pictures
from simulator.apis import oauth
from simulator.corp import Corp
from simulator.delivery import Courier
from simulator.faults import Faults
from simulator.limits import Limits
from simulator.model import MODEL, ScriptedModel
from simulator.platform import COURIER, PLATFORM, Platform
from simulator.tokens import Tokens

MAX_UPLOAD = 32 * 1024 * 1024
OPEN_PATHS = ("/cgi-bin/", "/connect/", "/wwlogin/", "/wwpic/", "/v1/")
"""The platform side: whoever may reach a platform may reach these."""
CLOSED = "the control side answers on this machine only; start with --open to change that"

__all__ = ["apis", "create_simulator"]


def create_simulator(corp: Corp, *, open_control: bool = False) -> web.Application:
    """A WeCom for this company. The control side answers loopback only unless `open_control`."""
    limits = Limits(corp.clock)
    platform = Platform(corp, Tokens(corp, limits), Faults(), limits)

    async def courier(app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            app[COURIER] = Courier(corp, limits, session)
            verifying = asyncio.create_task(app[COURIER].keep_verifying())
            yield
            for task in (verifying, *platform.background):
                task.cancel()
            await app[COURIER].stop()

    app = web.Application(client_max_size=MAX_UPLOAD, middlewares=[] if open_control else [loopback_only])
    app[PLATFORM] = platform
    app[MODEL] = ScriptedModel()
    app.cleanup_ctx.append(courier)
    app.router.add_route("*", "/cgi-bin/{path:.*}", platform.answer)
    app.add_routes([*control.routes, *model.routes, *page.routes, *oauth.routes, *pictures.routes])
    return app


@web.middleware
async def loopback_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse the control side and the page to other machines and to other sites' pages."""
    if not request.path.startswith(OPEN_PATHS):
        if not ip_address(request.remote or "0.0.0.0").is_loopback:  # noqa: S104
            raise web.HTTPForbidden(text=CLOSED)
        page.refuse_strangers(request)
    return await handler(request)
