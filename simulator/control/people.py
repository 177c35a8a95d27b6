"""What staff and customers do to each other: adds, deletions, transfers, tags, remarks."""

from aiohttp import web

routes = web.RouteTableDef()
