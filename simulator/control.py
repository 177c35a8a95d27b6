"""The control side, `/sim/…` (design §4.4): what people do in their clients, and what goes wrong on purpose."""

from aiohttp import web

routes = web.RouteTableDef()
