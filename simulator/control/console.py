"""What admins do in the console: corp tags, groups, members, and members confirming mass sends."""

from aiohttp import web

routes = web.RouteTableDef()
