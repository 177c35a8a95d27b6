"""The page at `/`: the windows of staff and customers."""

from aiohttp import web

routes = web.RouteTableDef()
