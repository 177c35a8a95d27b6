"""What a link opens: the page its ticket names."""

from pathlib import Path

from aiohttp import web

from admin import answer_page, todo_page
from admin.light import HEADERS, Shown, show, visit
from bot.links import ANSWER, TODOS

STATIC = Path(__file__).parent / "static"
routes = web.RouteTableDef()
LOOKS: dict[str, tuple[str, Shown]] = {
    TODOS: ("todos", todo_page.look),
    ANSWER: ("answer", answer_page.look),
}


@routes.get("/l/{token}")
async def opened(request: web.Request) -> web.Response:
    """Show the page."""
    found = await visit(request)
    template, look = LOOKS[found.ticket.page]
    return await show(found, template, look)


@routes.post("/l/{token}")
async def pressed(request: web.Request) -> web.Response:
    """Do what a button of the to-do page says, then show the page again, so that a reload repeats nothing."""
    found = await visit(request)
    if found.ticket.page != TODOS:
        raise web.HTTPMethodNotAllowed(request.method, ["GET"], headers=HEADERS)
    form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    there = await found.light.database.write(lambda session: todo_page.act(session, found, form))
    raise web.HTTPSeeOther(there, headers=HEADERS)


@routes.get(r"/l/static/{name:light\.(?:css|js)}")
async def static(request: web.Request) -> web.FileResponse:
    """The stylesheet and the script that copies."""
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
    return web.FileResponse(STATIC / request.match_info["name"], headers=headers)
