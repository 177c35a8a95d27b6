"""Faults, tokens, delivery, limits, calls and a fresh start."""

from aiohttp import web

routes = web.RouteTableDef()
