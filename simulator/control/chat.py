"""What staff do in the app's chat, and what they see there."""

from aiohttp import web

routes = web.RouteTableDef()
